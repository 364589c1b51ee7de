r"""Tokenizer, special tokens and chat template of a GGUF file.

Byte-level BPE is supported ("gpt2" in the file, Radford et al. 2019): tokens, merges and the name of a
pre-tokenizer. How a pre-tokenizer splits text is not stored in the file, only its name is: `SPLITS`
reproduces llama.cpp's rules for each name, a sequence of regular expressions, each of which splits the pieces
left by the one before. An unknown name is an error, since a wrong pre-tokenizer would silently give other
ids.
"""

__all__ = ["control_tokens", "read_representation", "read_template", "read_tokenizer", "special_token_id"]

from collections.abc import Mapping
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers

from morphogen.component import Asset, ConfigError
from morphogen.interop.chat_template import ChatTemplate
from morphogen.interop.gguf import GGUF
from morphogen.representations.text import Tokens
from morphogen.representations.tokenizer import Tokenizer

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
AFTER_GPT2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITS: Mapping[str, tuple[str, ...]] = {
    "default": (r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"),
    **dict.fromkeys(("gpt-2", "mpt", "olmo"), (GPT2,)),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), (r"\p{N}", GPT2)),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe"), (AFTER_GPT2 % "{1,3}",)),
    **dict.fromkeys(("qwen2", "stablelm2"), (AFTER_GPT2 % "",)),
}
IGNORE_MERGES = ("llama3", "llama-v3", "llama-bpe")  # a piece that is a token is not split by merges
CONTROL, USER = 3, 4  # values of tokenizer.ggml.token_type


def read_representation(file: GGUF, length: int) -> Tokens:
    """The text representation with the file's tokenizer and end token. Errors: those of `read_tokenizer`."""
    tokenizer = read_tokenizer(file)
    end = special_token_id(file, "eos", tokenizer.get_vocab_size())
    try:
        content = Asset(Tokenizer.FILE, tokenizer.to_str().encode("utf8"))
        return Tokens(Tokenizer(content, None if end is None else tokenizer.id_to_token(end)), length)
    except ConfigError as error:
        raise ConfigError(f"{file.path}: {error}") from error


def read_template(file: GGUF) -> ChatTemplate:
    """The chat template. Errors: ConfigError if the file has none, as is usual for base models."""
    if "tokenizer.chat_template" not in file.metadata:
        raise ConfigError(f"{file.path}: no chat template in the file; use an instruction-tuned model")
    tokens = file.get("tokenizer.ggml.tokens", list)
    ids = (special_token_id(file, name, len(tokens)) for name in ("bos", "eos"))
    bos, eos = ("" if token_id is None else tokens[token_id] for token_id in ids)
    return ChatTemplate(file.get("tokenizer.chat_template", str), bos, eos)


def read_tokenizer(file: GGUF) -> tokenizers.Tokenizer:
    """The tokenizer, which adds no start or end token. Errors: ConfigError if damaged or unsupported."""
    kind, tokens = file.get("tokenizer.ggml.model", str), file.get("tokenizer.ggml.tokens", list)
    if kind != "gpt2":
        raise ConfigError(
            f"{file.path}: unsupported tokenizer {kind[:40]!r}; use a model with gpt2 (byte-level BPE)"
        )
    if len(set(tokens)) != len(tokens) or not tokens:
        raise ConfigError(
            f"{file.path}: tokenizer.ggml.tokens is empty or has duplicates; the file is damaged"
        )
    try:
        tokenizer = _byte_level(file, {token: i for i, token in enumerate(tokens)})
        special = [AddedToken(t, normalized=False, special=True) for t in _of_type(file, tokens, CONTROL)]
        tokenizer.add_special_tokens(special)
        tokenizer.add_tokens([AddedToken(t, normalized=False) for t in _of_type(file, tokens, USER)])
    except ConfigError:
        raise
    except BaseException as error:  # the library may fail in any way; a panic in Rust is not an Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        reason = (str(error).splitlines() or ["?"])[0][:120]
        raise ConfigError(f"{file.path}: the tokenizer cannot be built ({reason})") from error
    if (size := tokenizer.get_vocab_size()) != len(tokens):
        raise ConfigError(
            f"{file.path}: the tokenizer has {size} tokens, its list {len(tokens)}; the file is damaged"
        )
    return tokenizer


def special_token_id(file: GGUF, name: str, vocabulary: int) -> int | None:
    """The id of a special token such as "bos", None if there is none. Errors: ConfigError if invalid."""
    key = f"tokenizer.ggml.{name}_token_id"
    if key not in file.metadata:
        return None
    token_id = file.get(key, int)
    if not 0 <= token_id < vocabulary:
        raise ConfigError(
            f"{file.path}: {key} must be less than {vocabulary}, got {token_id}; the file is damaged"
        )
    return token_id


def control_tokens(file: GGUF) -> dict[str, int]:
    """The control tokens, which only a chat template may produce, and their ids."""
    tokens = file.get("tokenizer.ggml.tokens", list)
    ids = {token: i for i, token in enumerate(tokens)}
    return {token: ids[token] for token in _of_type(file, tokens, CONTROL)}


def _of_type(file: GGUF, tokens: list[str], wanted: int) -> list[str]:
    """The non-empty tokens of one type."""
    types = file.metadata.get("tokenizer.ggml.token_type", ())
    return [token for token, kind in zip(tokens, types, strict=False) if kind == wanted and token]


def _byte_level(file: GGUF, ids: dict[str, int]) -> tokenizers.Tokenizer:
    """Byte-level BPE with the file's merges and pre-tokenizer."""
    name = file.get("tokenizer.ggml.pre", str, "default")
    if name not in SPLITS:
        raise ConfigError(
            f"{file.path}: unknown pre-tokenizer {name[:40]!r}; supported are {', '.join(SPLITS)}"
        )
    merges = [_parse_merge(file, line) for line in file.get("tokenizer.ggml.merges", list)]
    tokenizer = tokenizers.Tokenizer(
        models.BPE(vocab=ids, merges=merges, ignore_merges=name in IGNORE_MERGES)
    )
    splits: list[Any] = [pre_tokenizers.Split(Regex(expression), "isolated") for expression in SPLITS[name]]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _parse_merge(file: GGUF, line: Any) -> tuple[str, str]:
    """A merge rule: two tokens separated by a space."""
    left, space, right = line.partition(" ") if isinstance(line, str) else ("", "", "")
    if not (left and space and right):
        raise ConfigError(
            f"{file.path}: merge {str(line)[:40]!r} is not a pair of tokens; the file is damaged"
        )
    return left, right
