"""Metrics: likelihood, Frechet distance, fidelity and diversity, memorisation, and measures of text."""

from morphogen.lazy import attach

_HOMES = {
    "anomalies": "evaluation.anomalies",
    "bits_per_dim": "evaluation.likelihood",
    "bleu": "evaluation.text",
    "bootstrap": "evaluation.intervals",
    "caption_score": "evaluation.picture_text",
    "class_score": "evaluation.class_score",
    "codec_baselines": "evaluation.codecs",
    "conditional_fidelity": "evaluation.conditional_fidelity",
    "critic_calibration": "evaluation.critic_calibration",
    "different_bins": "evaluation.bins",
    "features_for": "evaluation.features",
    "frechet": "evaluation.frechet",
    "frechet_interval": "evaluation.frechet",
    "kernel_distance": "evaluation.kernel_distance",
    "memorisation": "evaluation.memorisation",
    "precision_cost": "evaluation.precision",
    "prdc": "evaluation.precision_recall",
    "precision_recall": "evaluation.precision_recall",
    "quality": "evaluation.quality",
    "retrieval": "evaluation.picture_text",
    "sheet": "evaluation.sheet",
    "table_quality": "evaluation.tables.table_quality",
    "two_sample": "evaluation.two_sample",
    "word_errors": "evaluation.word_error_rate",
    "zero_shot": "evaluation.picture_text",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
