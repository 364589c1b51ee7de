"""Conditioning: encoders of labels, prompts, texts, sketches and sounds to a Context, and guidance."""

from typing import Any

from morphogen.lazy import resolve

_HOMES = {
    "ConditionDropout": "conditioning.dropout",
    "FrozenConditioner": "conditioning.frozen",
    "Guided": "conditioning.guidance",
    "KShot": "conditioning.template",
    "Label": "conditioning.label",
    "Mel": "conditioning.mel",
    "MelSpectrogram": "conditioning.mel",
    "OneHot": "conditioning.label",
    "Prefix": "conditioning.prefix",
    "Sketch": "conditioning.sketch",
    "SourceText": "conditioning.source",
    "Template": "conditioning.template",
    "edge_correlation": "conditioning.sketch",
    "edges": "conditioning.sketch",
    "pad_prompts": "conditioning.prefix",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    return resolve(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return __all__
