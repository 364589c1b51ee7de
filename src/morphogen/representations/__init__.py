"""Representations: encoders and decoders between a medium and x, with the change of measure."""

from morphogen.lazy import attach

_HOMES = {
    "Bytes": "representations.text",
    "CategoryColumn": "representations.tabular",
    "Characters": "representations.text",
    "Column": "representations.tabular",
    "ContrastiveEmbedding": "representations.contrastive_embedding",
    "DateColumn": "representations.tabular",
    "Dequantised": "representations.pixels",
    "GridColumn": "representations.tabular",
    "Latent": "representations.latent",
    "Logit": "representations.pixels",
    "MuLaw": "representations.audio",
    "NormalScores": "representations.tabular",
    "Pixels": "representations.pixels",
    "PointSets": "representations.points",
    "Points": "representations.points",
    "Quantised": "representations.pixels",
    "RealColumn": "representations.tabular",
    "Resized": "representations.resized",
    "Tabular": "representations.tabular",
    "Text": "representations.text",
    "Tokenizer": "representations.tokenizer",
    "Tokens": "representations.text",
    "UnitVariance": "representations.unit_variance",
    "VariationallyDequantised": "representations.pixels",
    "Waveform": "media.sound",
    "Whitened": "representations.whitened",
    "bpe": "representations.tokenizer",
    "unigram": "representations.tokenizer",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
