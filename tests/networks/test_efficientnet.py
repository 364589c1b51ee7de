"""EfficientNet: how often small pictures are halved, and what is impossible."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.conditioning.caption import Captions
from morphogen.model import Model, parameters
from morphogen.networks.efficientnet import B0, EfficientNet, halved, scaled
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.systems.align import align


def coarsest(model: Model, side: int) -> int:
    """The side of the map that the last block returns."""
    network: EfficientNet = model.objective.network  # type: ignore[assignment]
    sides: list[int] = []
    network.blocks[-1].register_forward_hook(lambda *seen: sides.append(seen[-1].shape[-1]))
    network.eval()(torch.zeros(1, network.channels, side, side))
    return sides[0]


@pytest.mark.parametrize(("side", "expected"), [(8, 4), (28, 7), (32, 4), (64, 4), (224, 7)])
def test_small_pictures_are_halved_down_to_four_pixels(side: int, expected: int) -> None:
    model = align(Pixels(256, (3, side, side)), Captions(Bytes(8)), "tiny")
    assert coarsest(model, side) == expected


def test_the_first_halvings_are_kept() -> None:
    assert [stage[2] for stage in halved(B0, 2)] == [1, 2, 2, 1, 1, 1, 1]
    assert halved(B0, 4) == scaled(1, 1) == B0
    assert scaled(2, 3.1)[1] == (7, 3, 2, 6, 48)


def test_impossible_stages() -> None:
    with pytest.raises(ConfigError, match=r"^EfficientNet: stage \(1, 4, 1, 1, 16\) must have [^\n]*odd"):
        EfficientNet(3, [(1, 4, 1, 1, 16)])


def test_the_paper_size() -> None:
    """The features of EfficientNet-L2; BERT-Large, 302 million parameters beside its embeddings."""
    with torch.device("meta"):
        model = align(Pixels(256, (3, 289, 289)), Captions(Bytes(64)), "paper")
    objective, conditioner = model.objective, model.conditioner
    assert objective.network.features == 1376  # type: ignore[union-attr]
    blocks = conditioner.encoder.network.blocks  # type: ignore[union-attr]
    assert f"{parameters(blocks):.2e}" == "3.02e+08"
