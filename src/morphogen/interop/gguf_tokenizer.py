r"""Tokenizer and special tokens of a GGUF file.

    gpt2     byte-level BPE: tokens, merges and the name of a pre-tokenizer (Radford et al. 2019)
    llama    SentencePiece's BPE: tokens with scores, of which the best adjacent pair is merged first; a
             character without a token is spelled by its bytes (Kudo & Richardson 2018)

How a pre-tokenizer splits text is not stored in the file, only its name is: `SPLITS` reproduces llama.cpp's
rules for each name, a sequence of regular expressions, each of which splits the pieces left by the one
before. An unknown name is an error, since a wrong pre-tokenizer would silently give other ids.

SentencePiece merges by the score of the merged token, the library `tokenizers` by the rank of the pair. Every
pair of tokens that spells a third is therefore a merge, ranked by the third's score. Equal scores, which
SentencePiece's trainer never writes, are ranked by id.
"""

__all__ = [
    "control_tokens",
    "read_representation",
    "read_tokenizer",
    "special_token_id",
    "start_token",
    "tokens_of_type",
]

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers

from morphogen.component import Asset, ConfigError
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
LLAMA3 = ("llama3", "llama-v3", "llama-bpe")
IGNORE_MERGES = LLAMA3  # a piece that is a token is not split by merges
STARTS = LLAMA3  # texts begin with BOS unless the file says otherwise, as in llama.cpp
UNKNOWN, CONTROL, USER, UNUSED, BYTE = 2, 3, 4, 5, 6  # values of tokenizer.ggml.token_type
SPECIAL = ("bos", "eos", "eot", "eom")
ENDS = frozenset({  # tokens that end a turn in well-known templates, whatever type the file gives them
    "</s>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>",
    "<|end_of_turn|>", "<|return|>", "<|call|>", "<end_of_turn>", "<end_of_utterance>", "<EOT>", "[EOT]",
})  # fmt: skip


def read_representation(file: GGUF, length: int) -> Tokens:
    """The text representation with the file's tokenizer and end token. Errors: those of `read_tokenizer`."""
    tokenizer = read_tokenizer(file)
    end = special_token_id(file, "eos", tokenizer.get_vocab_size())
    try:
        content = Asset(Tokenizer.FILE, tokenizer.to_str().encode("utf8"))
        return Tokens(Tokenizer(content, None if end is None else tokenizer.id_to_token(end)), length)
    except ConfigError as error:
        raise ConfigError(f"{file.path}: {error}") from error


def read_tokenizer(file: GGUF) -> tokenizers.Tokenizer:
    """The tokenizer, which adds no start or end token. Errors: ConfigError if damaged or unsupported."""
    kind, tokens = file.get("tokenizer.ggml.model", str), file.get("tokenizer.ggml.tokens", list)
    if kind not in READERS:
        raise ConfigError(
            f"{file.path}: unsupported tokenizer {kind[:40]!r}; use a model with gpt2 (byte-level BPE) or "
            "llama (SentencePiece)"
        )
    if len(set(tokens)) != len(tokens) or not tokens:
        raise ConfigError(
            f"{file.path}: tokenizer.ggml.tokens is empty or has duplicates; the file is damaged"
        )
    try:
        tokenizer = READERS[kind](file, {token: i for i, token in enumerate(tokens)})
        control = control_tokens(file)
        tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
        others = [token for token in tokens_of_type(file, USER) if token not in control]
        tokenizer.add_tokens([AddedToken(token, normalized=False) for token in others])
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


def start_token(file: GGUF) -> int | None:
    """The id of the token that precedes every text; None: there is none, or only the template writes it."""
    tokens = file.get("tokenizer.ggml.tokens", list)
    sentencepiece = file.get("tokenizer.ggml.model", str) == "llama"
    default = sentencepiece or file.get("tokenizer.ggml.pre", str, "") in STARTS
    added = file.get("tokenizer.ggml.add_bos_token", bool, default)
    return special_token_id(file, "bos", len(tokens)) if added else None


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
    """The control tokens, which only a chat template may produce, and their ids.

    These are the tokens of type 3, those of type 4 ("user-defined") that are not white space, the start and
    end tokens, and well-known ends of a turn, since many files give them a wrong type.
    """
    tokens = file.get("tokenizer.ggml.tokens", list)
    special = {tokens[i] for name in SPECIAL if (i := special_token_id(file, name, len(tokens))) is not None}
    user = {token for token in tokens_of_type(file, USER) if token.strip()}
    control = special | user | set(tokens_of_type(file, CONTROL)) | ENDS
    return {token: i for i, token in enumerate(tokens) if token in control and token}


def tokens_of_type(file: GGUF, *wanted: int) -> list[str]:
    """The non-empty tokens of some types, as tokenizer.ggml.token_type gives them."""
    tokens = file.get("tokenizer.ggml.tokens", list)
    types = file.get("tokenizer.ggml.token_type", np.ndarray, np.ones(len(tokens), np.int32))
    return [token for token, kind in zip(tokens, types, strict=False) if kind in wanted and token]


def _byte_level(file: GGUF, ids: dict[str, int]) -> tokenizers.Tokenizer:
    """Byte-level BPE with the file's merges and pre-tokenizer."""
    name = file.get("tokenizer.ggml.pre", str, "llama-bpe" if "<|begin_of_text|>" in ids else "")
    if not name:  # files older than the key; llama.cpp takes the rules of "default", often the wrong ones
        raise ConfigError(
            f"{file.path}: metadata key tokenizer.ggml.pre is missing, the name of the pre-tokenizer; "
            "convert the model again with a newer converter"
        )
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


def _sentencepiece(file: GGUF, ids: dict[str, int]) -> tokenizers.Tokenizer:
    """SentencePiece's BPE with the file's scores."""
    scores = file.get("tokenizer.ggml.scores", np.ndarray)
    bytes_ = {f"<0x{byte:02X}>" for byte in range(256)}
    if len(scores) != len(ids) or not np.isfinite(scores).all():
        raise ConfigError(
            f"{file.path}: tokenizer.ggml.scores must be {len(ids)} numbers, one per token; "
            "the file is damaged"
        )
    if missing := sorted(bytes_ - ids.keys()):
        raise ConfigError(
            f"{file.path}: tokenizer.ggml.tokens has no {missing[0]}; "
            "use a model whose tokens include all bytes"
        )
    excluded = bytes_.union(control_tokens(file), tokens_of_type(file, UNKNOWN, UNUSED, BYTE, USER))
    words = {token: i for token, i in ids.items() if token and token not in excluded}
    unknown = next(iter(tokens_of_type(file, UNKNOWN)), None)
    tokenizer = tokenizers.Tokenizer(
        models.BPE(
            vocab=ids,
            merges=_ranked_merges(words, scores),
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    spaces = [normalizers.Replace(" ", "\u2581")]
    prefix = file.get("tokenizer.ggml.add_space_prefix", bool, True)
    tokenizer.normalizer = normalizers.Sequence(
        [*([normalizers.Prepend("\u2581")] if prefix else []), *spaces]
    )
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    return tokenizer


def _ranked_merges(words: Mapping[str, int], scores: Any) -> list[tuple[str, str]]:
    """Every pair of tokens that spells a token, by the score of that token."""
    ranked = [
        (-scores[i], i, words[left], words[right], (left, right))
        for token, i in words.items()
        for at in range(1, len(token))
        if (left := token[:at]) in words and (right := token[at:]) in words
    ]
    return [pair for *_, pair in sorted(ranked)]


def _parse_merge(file: GGUF, line: Any) -> tuple[str, str]:
    """A merge rule: two tokens separated by a space."""
    left, space, right = line.partition(" ") if isinstance(line, str) else ("", "", "")
    if not (left and space and right):
        raise ConfigError(
            f"{file.path}: merge {str(line)[:40]!r} is not a pair of tokens; the file is damaged"
        )
    return left, right


READERS: Mapping[str, Callable[[GGUF, dict[str, int]], tokenizers.Tokenizer]] = {
    "gpt2": _byte_level,
    "llama": _sentencepiece,
}
