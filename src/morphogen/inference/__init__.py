"""Models that only answer: the same contract, with what training needed left out."""

__all__ = ["BFloat16", "Int8", "Quantized"]

from morphogen.inference.quantized import Quantized
from morphogen.inference.weights import BFloat16, Int8
