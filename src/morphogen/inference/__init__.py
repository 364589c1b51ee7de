"""Models that only answer: matrices in fewer bytes, conversations."""

__all__ = ["BFloat16", "Conversation", "Int8", "Quantized"]

from morphogen.inference.conversation import Conversation
from morphogen.inference.quantized import Quantized
from morphogen.inference.weights import BFloat16, Int8
