"""Models that only answer: matrices in fewer bytes and in the order that a step reads them, compiled steps, conversations, edits."""

__all__ = [
    "BFloat16",
    "Conversation",
    "Inpainted",
    "Int8",
    "Quantized",
    "Redrawn",
    "Translated",
    "compile_steps",
    "edit",
    "lay_out",
]

from morphogen.inference.compiled import compile_steps
from morphogen.inference.conversation import Conversation
from morphogen.inference.editing import Inpainted, Redrawn, Translated, edit
from morphogen.inference.layout import lay_out
from morphogen.inference.quantized import Quantized
from morphogen.inference.weights import BFloat16, Int8
