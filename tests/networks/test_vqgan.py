"""The encoder and decoder of VQGAN: sizes, their scales, and what a block depends on."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.networks.attention import GridAttention
from morphogen.networks.vqgan import VQGANDecoder, VQGANEncoder


@torch.no_grad()
def test_sides_are_halved_and_doubled() -> None:
    encoder = VQGANEncoder((3, 12, 8), 6, (4, 8, 8), 1, groups=2, inner=5)
    decoder = VQGANDecoder(6, (3, 12, 8), (4, 8, 8), 1, groups=2, inner=5)
    z = encoder(torch.randn(2, 3, 12, 8))
    assert z.shape == (2, 6, 3, 2) and decoder(z).shape == (2, 3, 12, 8)
    assert encoder(torch.randn(1, 3, 24, 16)).shape == (
        1,
        6,
        6,
        4,
    )  # any sides, although it is built for these


def test_attention_is_where_it_is_asked_for() -> None:
    sizes = {"widths": (4, 8), "blocks": 2, "groups": 2}
    networks = {
        "none": (VQGANEncoder((1, 8, 8), 2, middle_attention=False, **sizes), 0),
        "middle": (VQGANEncoder((1, 8, 8), 2, **sizes), 1),
        "coarsest": (VQGANEncoder((1, 8, 8), 2, attention=(4,), **sizes), 3),
        "all, decoder": (VQGANDecoder(2, (1, 8, 8), attention=(8, 4), **sizes), 7),
    }
    for name, (network, count) in networks.items():
        assert sum(isinstance(part, GridAttention) for part in network.modules()) == count, name


@torch.no_grad()
def test_halving_pads_on_the_right_and_at_the_bottom_only() -> None:
    encoder = VQGANEncoder((1, 4, 4), 1, (2, 2), 0, groups=1)
    halve = encoder.scales[0].resample
    halve[1].weight.fill_(1.0)
    halve[1].bias.zero_()
    windows = halve(torch.ones(1, 2, 4, 4))[0, 0] / 2
    assert windows.tolist() == [[9.0, 6.0], [6.0, 4.0]]


@pytest.mark.parametrize(
    ("shape", "groups", "words"), [((1, 6, 6), 2, "halved"), ((1, 8, 8), 3, "divisible")]
)
def test_sizes_that_do_not_divide_are_refused(shape: tuple, groups: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        VQGANEncoder(shape, 2, (4, 8, 8), groups=groups)
