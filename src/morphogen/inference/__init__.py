"""Inference: quantized weights, compiled decoding, chat conversations, picture editing and imputation."""

__all__ = [
    "BFloat16",
    "Conversation",
    "DDIMTranslate",
    "Inpaint",
    "Int8",
    "Quantized",
    "Reply",
    "SDEdit",
    "compile_steps",
    "edit",
    "impute",
    "prepack_weights",
]

from morphogen.inference.compiled import compile_steps
from morphogen.inference.conversation import Conversation, Reply
from morphogen.inference.editing import DDIMTranslate, Inpaint, SDEdit, edit
from morphogen.inference.imputation import impute
from morphogen.inference.packed import BFloat16, Int8
from morphogen.inference.prepack import prepack_weights
from morphogen.inference.quantized import Quantized
