r"""The text of a language model as its GGUF file has it: the tokenizer, the symbols that steer, the chat template.

Of tokenizers the byte-level BPE is read ("gpt2" in the file, Radford et al. 2019): tokens, merges, and the name of a cut. How
text is cut before any merge is no part of the file, only the name is: `CUTS` writes out what llama.cpp does under
it, each expression cutting what the one before has left. An unknown name is refused, for a wrong cut gives other ids and no error.
"""

__all__ = ["control_words", "read_template", "read_text", "read_tokenizer", "special"]

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
AFTER_GPT2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CUTS: Mapping[str, tuple[str, ...]] = {
    "default": (r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"),
    **dict.fromkeys(("gpt-2", "mpt", "olmo"), (GPT2,)),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), (r"\p{N}", GPT2)),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe"), (AFTER_GPT2 % "{1,3}",)),
    **dict.fromkeys(("qwen2", "stablelm2"), (AFTER_GPT2 % "",)),
}
WHOLE_WORDS = ("llama3", "llama-v3", "llama-bpe")  # a piece that is a token is one, whatever the merges say
CONTROL, USER = 3, 4  # tokenizer.ggml.token_type


def read_text(file: GGUF, length: int) -> Tokens:
    """The representation: pieces of the file's tokenizer, ended by its end symbol. Errors: as of `read_tokenizer`."""
    made = read_tokenizer(file)
    end = special(file, "eos", made.get_vocab_size())
    try:
        content = made.to_str().encode("utf8")
        return Tokens(Tokenizer(Asset(Tokenizer.FILE, content), None if end is None else made.id_to_token(end)), length)
    except ConfigError as error:
        raise ConfigError(f"{file.path}: {error}") from error


def read_template(file: GGUF) -> ChatTemplate:
    """How a conversation is written. Errors: ConfigError where the file has no template, which a base model has not."""
    if "tokenizer.chat_template" not in file.metadata:
        raise ConfigError(f"{file.path}: has no chat template, it was not taught to converse; take an instruction-tuned model")
    tokens = file.get("tokenizer.ggml.tokens", list)
    begin, end = (special(file, which, len(tokens)) for which in ("bos", "eos"))
    words = ("" if symbol is None else tokens[symbol] for symbol in (begin, end))
    return ChatTemplate(file.get("tokenizer.chat_template", str), *words)


def read_tokenizer(file: GGUF) -> tokenizers.Tokenizer:
    """The tokenizer of a file; it adds no begin and no end. Errors: ConfigError where it is damaged, or of a kind that is not read."""
    kind, tokens = file.get("tokenizer.ggml.model", str), file.get("tokenizer.ggml.tokens", list)
    if kind != "gpt2":
        raise ConfigError(f"{file.path}: its tokenizer is {kind[:40]!r}; gpt2, which is byte-level BPE, is read")
    if len(set(tokens)) != len(tokens) or not tokens:
        raise ConfigError(f"{file.path}: tokenizer.ggml.tokens is no list of different words; the file is damaged")
    try:
        made = _byte_level(file, {token: i for i, token in enumerate(tokens)})
        made.add_special_tokens([AddedToken(word, normalized=False, special=True) for word in _of_type(file, tokens, CONTROL)])
        made.add_tokens([AddedToken(word, normalized=False) for word in _of_type(file, tokens, USER)])
    except ConfigError:
        raise
    except BaseException as error:  # whatever the library makes of a damaged list: a panic of its Rust is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise ConfigError(f"{file.path}: its tokenizer cannot be built ({(str(error).splitlines() or ['?'])[0][:120]})") from error
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


def control_words(file: GGUF) -> dict[str, int]:
    """What no text can say, for only a template may: the words that steer, and their ids."""
    tokens = file.get("tokenizer.ggml.tokens", list)
    ids = {token: i for i, token in enumerate(tokens)}
    return {word: ids[word] for word in _of_type(file, tokens, CONTROL)}


def _of_type(file: GGUF, tokens: list[str], wanted: int) -> list[str]:
    """The tokens of one type; an empty one steers nothing."""
    types = file.metadata.get("tokenizer.ggml.token_type", ())
    return [token for token, kind in zip(tokens, types, strict=False) if kind == wanted and token]


def _byte_level(file: GGUF, ids: dict[str, int]) -> tokenizers.Tokenizer:
    name = file.get("tokenizer.ggml.pre", str, "default")
    if name not in CUTS:
        raise ConfigError(f"{file.path}: cuts text as {name[:40]!r} does; known are {', '.join(CUTS)}")
    merges = [_pair(file, line) for line in file.get("tokenizer.ggml.merges", list)]
    made = tokenizers.Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=name in WHOLE_WORDS))
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
