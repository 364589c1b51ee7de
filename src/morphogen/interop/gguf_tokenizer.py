r"""The tokenizer that a GGUF file carries, built with the `tokenizers` library.

    tokenizer.ggml.model "gpt2"     byte-level BPE (Radford et al. 2019): tokens, merges, and the name of a cut, `tokenizer.ggml.pre`
    tokenizer.ggml.model "llama"    SentencePiece's BPE (Kudo & Richardson 2018): tokens and scores; bytes where no piece fits

How text is cut before any merge is no part of the file, only its name is: `CUTS` writes out what llama.cpp does under that name, each
expression cutting what the one before has left. An unknown name is refused, for a wrong cut gives other ids and no error.
"""

__all__ = ["control_words", "read_tokenizer", "special"]

from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from morphogen.component import ConfigError
from morphogen.interop.gguf import GGUF

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
AFTER_GPT2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CUTS: Mapping[str, tuple[str, ...]] = {
    "default": (r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"),
    **dict.fromkeys(("gpt-2", "mpt", "olmo"), (GPT2,)),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), (r"\p{N}", GPT2)),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe"), (AFTER_GPT2 % "{1,3}",)),
    **dict.fromkeys(("qwen2", "stablelm2"), (AFTER_GPT2 % "",)),
}
WHOLE_WORDS = ("llama3", "llama-v3", "llama-bpe")  # a piece that is a token is one, whatever the merges say
UNKNOWN, CONTROL, USER = 2, 3, 4  # tokenizer.ggml.token_type
SPACE = "▁"


def read_tokenizer(file: GGUF) -> Tokenizer:
    """The tokenizer of a file; it adds no begin and no end. Errors: ConfigError where it is damaged, or of a kind that is not read."""
    kind, tokens = file.get("tokenizer.ggml.model", str), file.get("tokenizer.ggml.tokens", list)
    if len(set(tokens)) != len(tokens) or not tokens or not all(isinstance(token, str) for token in tokens):
        raise ConfigError(f"{file.path}: tokenizer.ggml.tokens is no list of different words; the file is damaged")
    make = {"gpt2": _byte_level, "llama": _sentence_pieces}.get(kind)
    if make is None:
        raise ConfigError(f"{file.path}: its tokenizer is {kind[:40]!r}; gpt2 and llama are read")
    try:
        made = make(file, {token: i for i, token in enumerate(tokens)})
        types = file.metadata.get("tokenizer.ggml.token_type", ())
        for special, wanted in ((True, CONTROL), (False, USER)):
            words = [AddedToken(t, normalized=False, special=special) for t, is_a in zip(tokens, types, strict=False) if is_a == wanted]
            (made.add_special_tokens if special else made.add_tokens)(words)
    except ConfigError:
        raise
    except Exception as error:  # whatever the library, written in another language, makes of a damaged list
        raise ConfigError(f"{file.path}: its tokenizer cannot be built ({str(error).splitlines()[0][:120]})") from error
    if made.get_vocab_size() != len(tokens):
        raise ConfigError(f"{file.path}: its tokenizer has {made.get_vocab_size()} words, its list {len(tokens)}; the file is damaged")
    return made


def special(file: GGUF, which: str, words: int) -> int | None:
    """The id of the begin (`bos`), end (`eos`), ... symbol; None: there is none. Errors: ConfigError where it is no word's."""
    key = f"tokenizer.ggml.{which}_token_id"
    if key not in file.metadata:
        return None
    found = file.get(key, int)
    if not 0 <= found < words:
        raise ConfigError(f"{file.path}: {key} is {found}, there are {words} words; the file is damaged")
    return found


def control_words(tokenizer: Tokenizer) -> tuple[str, ...]:
    """What a text must not be able to say: the words that steer."""
    return tuple(word.content for word in tokenizer.get_added_tokens_decoder().values() if word.special)


def _byte_level(file: GGUF, ids: dict[str, int]) -> Tokenizer:
    name = file.get("tokenizer.ggml.pre", str, "default")
    if name not in CUTS:
        raise ConfigError(f"{file.path}: cuts text as {name[:40]!r} does; known are {', '.join(CUTS)}")
    merges = [_pair(file, line) for line in file.get("tokenizer.ggml.merges", list)]
    made = Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=name in WHOLE_WORDS))
    cuts: list[Any] = [pre_tokenizers.Split(Regex(expression), "isolated") for expression in CUTS[name]]
    made.pre_tokenizer = pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    return made


def _pair(file: GGUF, line: Any) -> tuple[str, str]:
    """A merge as it is written: two words and a space between them."""
    left, space, right = line.partition(" ") if isinstance(line, str) else ("", "", "")
    if not (left and space and right):
        raise ConfigError(f"{file.path}: {str(line)[:40]!r} among the merges is no pair of words; the file is damaged")
    return left, right


def _sentence_pieces(file: GGUF, ids: dict[str, int]) -> Tokenizer:
    """Pairs whose union is a piece are merged, the best score first: that is BPE with the merges in the order of the scores."""
    scores = file.metadata.get("tokenizer.ggml.scores", ())
    if len(scores) != len(ids):
        raise ConfigError(f"{file.path}: {len(scores)} scores for {len(ids)} words; the file is damaged")
    merges = []
    for piece in sorted(ids, key=lambda piece: -scores[ids[piece]]):
        merges += [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in ids and piece[i:] in ids]
    types = list(file.metadata.get("tokenizer.ggml.token_type", ()))
    unknown = next((piece for piece, kind in zip(ids, types, strict=False) if kind == UNKNOWN), None)
    made = Tokenizer(models.BPE(vocab=ids, merges=merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    begin = [normalizers.Prepend(SPACE)] if file.get("tokenizer.ggml.add_space_prefix", bool, True) else []
    made.normalizer = normalizers.Sequence([*begin, normalizers.Replace(" ", SPACE)])
    strip = [decoders.Strip(" ", 1, 0)] if begin else []
    made.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip])
    return made
