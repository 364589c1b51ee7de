"""Parameter counts of the language models at size "paper", counted on the meta device."""

import torch

from morphogen.model import parameters
from morphogen.networks import decoders
from morphogen.systems.gpt import SIZES as GPT
from morphogen.systems.llama import SIZES as LLAMA
from morphogen.systems.palm import SIZES as PALM
from morphogen.systems.transformer import transformer


def test_gpt2_has_124_million_parameters() -> None:
    sizes = GPT["paper"]
    with torch.device("meta"):
        network = decoders.gpt2(50257, 1024, sizes["width"], sizes["layers"], sizes["heads"], start=50256)
    assert parameters(network) == 124_439_808


def test_llama_has_6_738_million() -> None:
    """The count of the released 7B model, with its vocabulary of 32,000."""
    names = ("width", "layers", "heads", "kv_heads", "hidden")
    sizes = [LLAMA["paper"][name] for name in names]
    with torch.device("meta"):
        network = decoders.llama(32_000, 2048, *sizes, start=1)
    assert parameters(network) == 6_738_415_616


def test_palm_has_540_billion() -> None:
    names = ("width", "layers", "heads", "head_width", "hidden")
    sizes = [PALM["paper"][name] for name in names]
    with torch.device("meta"):
        network = decoders.palm(256_000, 2048, *sizes, start=1)
    assert round(parameters(network) / 1e9) == 540


def test_the_base_transformer_has_65_million() -> None:
    """Table 3, in which both texts and the output layer share one embedding of 37,000 tokens.

    The encoder's own embedding, which the paper does not have, is not counted.
    """
    from morphogen.representations.text import Bytes

    with torch.device("meta"):
        model = transformer(Bytes(64), size="paper")
    rest = parameters(model) - 512 * (256 + 257)
    assert round((rest + 37_000 * 512) / 1e6) in (63, 64, 65)
