"""Inference: quantized weights, compiled decoding, conversations, editing, imputation and latents."""

__all__ = [
    "BFloat16",
    "Completion",
    "Conversation",
    "DDIMTranslate",
    "Exact",
    "Inpaint",
    "Int4",
    "Int8",
    "Inverted",
    "LatentSpace",
    "Matcher",
    "Quantized",
    "Reply",
    "SDEdit",
    "attribute",
    "best_of",
    "blend",
    "compile_steps",
    "edit",
    "impute",
    "invert",
    "observe",
    "prepack_weights",
    "restore",
    "slerp",
    "text_difference",
    "traversal",
    "vary",
]

from morphogen.inference.best_of import best_of
from morphogen.inference.block_matrix import Exact, Int4
from morphogen.inference.compiled import compile_steps
from morphogen.inference.conversation import Conversation, Reply
from morphogen.inference.editing import DDIMTranslate, Inpaint, SDEdit, edit
from morphogen.inference.imputation import impute
from morphogen.inference.inversion import Inverted, invert
from morphogen.inference.latent_space import LatentSpace, attribute, slerp, traversal
from morphogen.inference.matching import Matcher
from morphogen.inference.packed import BFloat16, Int8
from morphogen.inference.picture_completion import Completion
from morphogen.inference.prepack import prepack_weights
from morphogen.inference.quantized import Quantized
from morphogen.inference.restoration import observe, restore
from morphogen.inference.variations import blend, text_difference, vary
