"""Personalisation of trained models by a few examples: LoRA, textual inversion and DreamBooth."""

from morphogen.lazy import attach

_HOMES = {
    "LoRA": "personalisation.lora",
    "PriorPreservation": "data.prior_preservation",
    "TextualInversion": "personalisation.textual_inversion",
    "class_examples": "data.prior_preservation",
    "read_embedding": "personalisation.embedding_files",
    "read_lora": "interop.lora_files",
    "read_updates": "personalisation.update_files",
    "save_embedding": "personalisation.embedding_files",
    "save_updates": "personalisation.update_files",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
