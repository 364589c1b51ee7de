"""The towers of CLIP: the published number of parameters, what is impossible, what is invariant."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.conditioning.caption import Captions
from morphogen.model import parameters
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.vision_transformer import VisionTransformer
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Characters
from morphogen.systems.clip import clip

PIECES = "".join(map(chr, range(32, 32 + 49_406)))  # as many as CLIP's, without start and end


def tower(patch: int = 4, **options: object) -> VisionTransformer:
    block = Block(Attention(16, 2), FeedForward(16, 32, "quick-gelu"), LayerNorm(16))
    return VisionTransformer((3, 8, 12), patch, block, 2, 5, **options)  # type: ignore[arg-type]


def awake() -> VisionTransformer:
    """A tower whose weights are as large as after a training."""
    torch.manual_seed(0)
    network = tower()
    for parameter in network.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return network


def test_the_paper_size_has_the_published_number_of_parameters() -> None:
    """ViT-B/32 of the released model: 151,277,313."""
    with torch.device("meta"):
        model = clip(Pixels(256, (3, 224, 224)), Captions(Characters(PIECES, 75)), "paper")
    assert parameters(model) == 151_277_313 and model.objective.network.patch == 32  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 5}, "patches of 5 do not divide 8 x 12: give a divisor"),
        ({"patch": 0}, "patches of 0 do not divide"),
        ({"mean": (0.5,)}, "must be 3 numbers each"),
        ({"std": (0.5, 0.0, 0.5)}, "every std positive"),
    ],
)
def test_impossible_towers(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tower(**options)  # type: ignore[arg-type]


def test_pictures_are_standardized() -> None:
    """A mean and a std of 0.5 leave pictures in [-1, 1] as they are; others change what the tower sees."""
    network, x = awake(), 2 * torch.rand(2, 3, 8, 12) - 1
    other = tower(mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    other.load_state_dict(network.state_dict())
    mean, std = (torch.tensor(values)[:, None, None] for values in (other.mean, other.std))
    torch.testing.assert_close(other(x), network(((x + 1) / 2 - mean) / std), atol=1e-5, rtol=1e-5)
    assert network(x).shape == (2, 5) and not torch.allclose(network(x), other(x), atol=1e-3)


def test_the_order_of_patches_matters() -> None:
    """Positions tell them apart: a mirrored picture has another embedding."""
    network, x = awake(), torch.rand(1, 3, 8, 12)
    assert not torch.allclose(network(x), network(x.flip(3)), atol=1e-4)
