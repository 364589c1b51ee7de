"""The files of CLIP's tokenizer: vocab.json with merges.txt, or tokenizer.json, and tokenizer_config.json.

Reference: names as in Wolf et al., 2020, "Transformers".
"""

__all__ = ["read_clip_tokenizer", "write_clip_tokenizer"]

import json
from pathlib import Path
from typing import Any

from morphogen.component import Asset, ConfigError
from morphogen.files import write_bytes, write_json
from morphogen.representations.clip_tokenizer import START, CLIPTokenizer, clip_tokenizer
from morphogen.representations.tokenizer import END, Tokenizer

VOCABULARY, MERGES, CONFIG = "vocab.json", "merges.txt", "tokenizer_config.json"


def read_clip_tokenizer(folder: str | Path) -> CLIPTokenizer:
    """The tokenizer in a folder.

    Errors: ConfigError if its files are missing, damaged or of another tokenizer; the message names the file.
    """
    folder = Path(folder)
    padding = _padding(folder)
    if (folder / VOCABULARY).exists():
        return clip_tokenizer(_vocabulary(folder / VOCABULARY), _merges(folder / MERGES), padding)
    try:
        content = (folder / Tokenizer.FILE).read_bytes()
    except OSError:
        raise ConfigError(
            f"{folder} has no tokenizer: give a folder with {VOCABULARY} and {MERGES}, or {Tokenizer.FILE}"
        ) from None
    return CLIPTokenizer(Asset(Tokenizer.FILE, content), padding)


def write_clip_tokenizer(tokenizer: CLIPTokenizer, folder: str | Path) -> None:
    """Write the files of a tokenizer to a folder.

    Errors: OSError with the path if writing fails.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model = json.loads(tokenizer.file.content)["model"]
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    write_bytes(folder / Tokenizer.FILE, tokenizer.file.content)
    write_json(folder / VOCABULARY, model["vocab"])
    write_bytes(folder / MERGES, "\n".join(["#version: 0.2", *pairs, ""]).encode())
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": tokenizer.padding}
    write_json(folder / CONFIG, {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **special})


def _vocabulary(file: Path) -> dict[str, int]:
    """Errors: ConfigError unless it maps pieces to ids."""
    vocabulary = _json(file)
    if not all(isinstance(token, int) and token >= 0 for token in vocabulary.values()):
        raise ConfigError(f"{file}: each piece must have an id, an integer")
    return vocabulary


def _merges(file: Path) -> list[tuple[str, str]]:
    """Errors: ConfigError unless each line but the first is a pair of pieces."""
    try:
        lines = file.read_text(encoding="utf8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read ({type(error).__name__}); restore it") from None
    pairs = [line.split(" ") for line in lines if line.strip() and not line.startswith("#version")]
    if wrong := [pair for pair in pairs if len(pair) != 2]:
        raise ConfigError(f"{file}: {' '.join(wrong[0])[:40]!r} is not a pair of pieces")
    return [(first, second) for first, second in pairs]


def _padding(folder: Path) -> str:
    """The padding token of the config, a text or the object of an added token."""
    file = folder / CONFIG
    given: Any = _json(file).get("pad_token") if file.exists() else None
    given = given.get("content") if isinstance(given, dict) else given
    return given if isinstance(given, str) else END


def _json(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file} cannot be read ({type(error).__name__}); restore it") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: must be a JSON object")
    return values
