"""Representations: encoders and decoders between a medium and x, with the change of measure."""

from typing import Any

from morphogen.lazy import resolve

_HOMES = {
    "Bytes": "representations.text",
    "CategoryColumn": "representations.tabular",
    "Characters": "representations.text",
    "Column": "representations.tabular",
    "Dequantised": "representations.pixels",
    "GridColumn": "representations.tabular",
    "Jitter": "representations.tabular",
    "Latent": "representations.latent",
    "Logit": "representations.pixels",
    "MuLaw": "representations.audio",
    "Pixels": "representations.pixels",
    "Quantised": "representations.pixels",
    "RealColumn": "representations.tabular",
    "Tabular": "representations.tabular",
    "Text": "representations.text",
    "Tokenizer": "representations.tokenizer",
    "Tokens": "representations.text",
    "Waveform": "representations.audio",
    "bpe": "representations.tokenizer",
    "unigram": "representations.tokenizer",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    return resolve(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return __all__
