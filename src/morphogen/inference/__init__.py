"""Models that only answer: the same contract, with what training needed left out."""

__all__ = ["BFloat16", "Int8", "Quantized", "compile_steps", "lay_out"]

from morphogen.inference.compiled import compile_steps
from morphogen.inference.layout import lay_out
from morphogen.inference.quantized import Quantized
from morphogen.inference.weights import BFloat16, Int8
