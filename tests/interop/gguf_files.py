"""Tiny GGUF files for tests, written by ggml's own Python package, which shares no code with our reader."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

gguf = pytest.importorskip("gguf")

TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VOCABULARY = 300
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CORPUS = ["the cat sat on the mat, 12 times", "a dog ran 345 miles; don't ask!", "café naïve   über 日本"] * 3


def make_tokenizer() -> Tokenizer:
    """Byte-level BPE with `VOCABULARY` tokens and separate digits, as SmolLM's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        ),
    )
    return tokenizer


def add_tokenizer(
    writer: Any, tokenizer: Tokenizer, pre: str = "smollm", added: Mapping[str, int] = MappingProxyType({})
) -> None:
    """Write the tokenizer as metadata, with `added` tokens and their types."""
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([*tokens, *added])
    writer.add_token_types([*(3 if token in SPECIAL else 1 for token in tokens), *added.values()])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


SPACE = "\u2581"


def sentencepiece_vocabulary() -> dict[str, float]:
    """Tokens with scores as SentencePiece writes them: controls, bytes, learned pieces, characters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE)
    trainer = trainers.BpeTrainer(vocab_size=90, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    learned = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    pieces = [token for token in learned if len(token) > 1] + [token for token in learned if len(token) == 1]
    first = dict.fromkeys(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))], 0.0)
    return first | {token: -float(i) for i, token in enumerate(pieces)}


def add_sentencepiece(writer: Any, vocabulary: dict[str, float]) -> None:
    """Write a SentencePiece tokenizer as metadata, with LLaMA 2's template."""
    kinds = {"<unk>": 2, "<s>": 3, "</s>": 3} | {f"<0x{byte:02X}>": 6 for byte in range(256)}
    writer.add_tokenizer_model("llama")
    writer.add_token_list(list(vocabulary))
    writer.add_token_scores(list(vocabulary.values()))
    writer.add_token_types([kinds.get(token, 1) for token in vocabulary])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
        "{% else %} {{ m['content'] | trim }} {{ eos_token }}{% endif %}{% endfor %}"
    )


def metadata(values: dict[str, Any]) -> Callable[[Any], None]:
    """A change that sets metadata by key; None removes a key."""

    def change(writer: Any) -> None:
        for key, value in values.items():
            writer.kv_data[0].pop(key, None)
            kinds = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32}
            kinds |= {str: writer.add_string, list: writer.add_array}
            if value is not None:
                kinds[type(value)](key, value)

    return change


class LlamaSizes(NamedTuple):
    """Sizes of a tiny LLaMA."""

    width: int = 32
    layers: int = 2
    heads: int = 4
    key_values: int = 2
    hidden: int = 64
    length: int = 64


def llama_weights(shape: LlamaSizes, vocabulary: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights with Hugging Face's names."""
    rng, head_width = np.random.default_rng(seed), shape.width // shape.heads
    sizes = {
        "self_attn.q_proj": (shape.width, shape.width),
        "self_attn.k_proj": (shape.key_values * head_width, shape.width),
        "self_attn.v_proj": (shape.key_values * head_width, shape.width),
        "self_attn.o_proj": (shape.width, shape.width),
        "mlp.gate_proj": (shape.hidden, shape.width),
        "mlp.up_proj": (shape.hidden, shape.width),
        "mlp.down_proj": (shape.width, shape.hidden),
        "input_layernorm": (shape.width,),
        "post_attention_layernorm": (shape.width,),
    }
    shapes = {
        f"model.layers.{i}.{name}.weight": size for i in range(shape.layers) for name, size in sizes.items()
    }
    shapes |= {"model.embed_tokens.weight": (vocabulary, shape.width), "model.norm.weight": (shape.width,)}
    return {
        name: rng.normal(size=size, scale=0.3).astype(np.float32) + ("norm" in name)
        for name, size in shapes.items()
    }


GGML_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def llama(
    path: Path,
    shape: LlamaSizes = LlamaSizes(),  # noqa: B008
    kind: str = "F32",
    change: Callable[[Any], None] | None = None,
    sentencepiece: dict[str, float] | None = None,
    more: dict[str, np.ndarray] | None = None,
    added: Mapping[str, int] = MappingProxyType({}),
    **options: Any,
) -> Path:
    """Write a tiny LLaMA as llama.cpp's converter does, with query and key rows in ggml's order.

    It has byte-level BPE with `added` tokens, or the vocabulary `sentencepiece`, and `more` tensors;
    `options` are the writer's.
    """
    tokenizer = make_tokenizer()
    size = len(sentencepiece) if sentencepiece else tokenizer.get_vocab_size() + len(added)

    def add_tokens(writer: Any) -> None:
        if sentencepiece:
            add_sentencepiece(writer, sentencepiece)
        else:
            add_tokenizer(writer, tokenizer, added=added)

    def add_sizes(writer: Any) -> None:
        writer.add_context_length(shape.length)
        writer.add_embedding_length(shape.width)
        writer.add_block_count(shape.layers)
        writer.add_feed_forward_length(shape.hidden)
        writer.add_head_count(shape.heads)
        writer.add_head_count_kv(shape.key_values)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_freq_base(10_000.0)
        writer.add_rope_dimension_count(shape.width // shape.heads)

    tensors = ggml_tensors(shape, size) | (more or {})
    typed = {name: (rows, "F32" if rows.ndim == 1 else kind) for name, rows in tensors.items()}
    return write(path, [add_sizes, add_tokens, *([change] if change else [])], typed, **options)


def ggml_tensors(shape: LlamaSizes, vocabulary: int) -> dict[str, np.ndarray]:
    """The weights of `llama_weights` with ggml's names and row order."""

    def permuted(rows: np.ndarray, heads: int) -> np.ndarray:
        pairs = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
        return pairs.swapaxes(1, 2).reshape(rows.shape)

    weights = llama_weights(shape, vocabulary)
    tensors = {
        "token_embd.weight": weights["model.embed_tokens.weight"],
        "output_norm.weight": weights["model.norm.weight"],
    }
    for i in range(shape.layers):
        for theirs, ggml in GGML_NAMES.items():
            rows = weights[f"model.layers.{i}.{theirs}.weight"]
            heads = {"attn_q": shape.heads, "attn_k": shape.key_values}.get(ggml)
            tensors[f"blk.{i}.{ggml}.weight"] = rows if heads is None else permuted(rows, heads)
    return tensors


def write(
    path: Path,
    fill: Iterable[Any],
    tensors: dict[str, tuple[np.ndarray, str]],
    architecture: str = "llama",
    **options: Any,
) -> Path:
    """Write a GGUF file; each of `fill` adds metadata, `tensors` are float32 with their format in it."""
    writer = gguf.GGUFWriter(path, architecture, **options)
    for add in fill:
        add(writer)
    for name, (weights, kind) in tensors.items():
        form = gguf.GGMLQuantizationType[kind]
        writer.add_tensor(name, gguf.quants.quantize(weights, form), raw_dtype=form)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
