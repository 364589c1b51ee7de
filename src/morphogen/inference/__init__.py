"""Models that only answer: matrices in fewer bytes and in the order that a step reads them, compiled steps, conversations, edits."""

__all__ = ["BFloat16", "Conversation", "Int8", "Quantized", "compile_steps", "edit", "lay_out"]

from morphogen.inference.compiled import compile_steps
from morphogen.inference.conversation import Conversation
from morphogen.inference.editing import edit
from morphogen.inference.layout import lay_out
from morphogen.inference.quantized import Quantized
from morphogen.inference.weights import BFloat16, Int8
