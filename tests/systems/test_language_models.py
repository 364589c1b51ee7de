"""The `paper` sizes have the papers' numbers of parameters, counted without making room for them."""

import torch

from morphogen.model import parameters
from morphogen.networks import decoders
from morphogen.systems import gpt, llama, palm, transformer


def test_gpt2_has_124_million_parameters() -> None:
    width, layers, heads, *_ = gpt.SIZES["paper"]
    with torch.device("meta"):
        assert parameters(decoders.gpt2(50257, 1024, width, layers, heads, start=50256)) == 124_439_808


def test_llama_has_6_738_million() -> None:
    """Counted in the released 7B, whose vocabulary is 32,000."""
    width, layers, heads, keys, hidden, *_ = llama.SIZES["paper"]
    with torch.device("meta"):
        assert parameters(decoders.llama(32_000, 2048, width, layers, heads, keys, hidden, start=1)) == 6_738_415_616


def test_palm_has_540_billion() -> None:
    width, layers, heads, head, hidden, *_ = palm.SIZES["paper"]
    with torch.device("meta"):
        assert round(parameters(decoders.palm(256_000, 2048, width, layers, heads, head, hidden, start=1)) / 1e9) == 540


def test_the_base_transformer_has_65_million() -> None:
    """Table 3, whose vocabulary of 37,000 both texts and the head share: our reader's own embedding is left out of the count."""
    from morphogen.representations.text import Bytes

    with torch.device("meta"):
        model = transformer.transformer(Bytes(64), size="paper")
    rest = parameters(model) - 512 * (256 + 257)
    assert round((rest + 37_000 * 512) / 1e6) in (63, 64, 65)
