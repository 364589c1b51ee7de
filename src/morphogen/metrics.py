"""Metrics: likelihood, Frechet distance, fidelity and diversity, memorisation, and measures of text."""

from typing import Any

from morphogen.lazy import resolve

_HOMES = {
    "bits_per_dim": "evaluation.likelihood",
    "bleu": "evaluation.text",
    "bootstrap": "evaluation.intervals",
    "codec_baselines": "evaluation.codecs",
    "conditional_fidelity": "evaluation.conditional_fidelity",
    "features_for": "evaluation.features",
    "frechet": "evaluation.frechet",
    "frechet_interval": "evaluation.frechet",
    "memorisation": "evaluation.memorisation",
    "precision_cost": "evaluation.precision",
    "precision_recall": "evaluation.precision_recall",
    "quality": "evaluation.quality",
    "sheet": "evaluation.sheet",
    "word_errors": "evaluation.word_error_rate",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    return resolve(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return __all__
