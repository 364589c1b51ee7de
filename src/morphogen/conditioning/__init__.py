"""Conditioning: encoders of labels, prompts, texts, sketches and sounds to a Context, and guidance."""

from morphogen.lazy import attach

_HOMES = {
    "ConditionDropout": "conditioning.dropout",
    "Frozen": "conditioning.frozen",
    "BestMatch": "conditioning.best_match",
    "Caption": "conditioning.caption",
    "CaptionDropout": "conditioning.caption",
    "Captions": "conditioning.caption",
    "Classes": "conditioning.specs",
    "Codes": "conditioning.previous",
    "Conditions": "conditioning.conditions",
    "EmbeddedCaption": "conditioning.embedded_caption",
    "GivenCells": "conditioning.given_cells",
    "Guided": "conditioning.guidance",
    "KnownWords": "conditioning.known_words",
    "KShot": "conditioning.template",
    "Label": "conditioning.label",
    "LowResolution": "conditioning.previous",
    "Mel": "conditioning.mel",
    "MelSpectrogram": "conditioning.mel",
    "OneHot": "conditioning.label",
    "PictureEmbedding": "conditioning.picture_embedding",
    "Plane": "conditioning.plane",
    "Prefix": "conditioning.prefix",
    "Sketch": "conditioning.sketch",
    "Sketches": "conditioning.specs",
    "SourcePicture": "conditioning.source",
    "SourceText": "conditioning.source",
    "Template": "conditioning.template",
    "edge_correlation": "conditioning.sketch",
    "edges": "conditioning.sketch",
    "pad_prompts": "conditioning.prefix",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
