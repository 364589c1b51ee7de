"""Systems of captioned pictures: published sizes, and what stays frozen in training."""

import pytest
import torch
from torch import nn

from morphogen.conditioning.caption import Captions
from morphogen.contract import owned
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.systems import latent_diffusion, stable_diffusion, stable_diffusion_2


class ClipVocabulary(Bytes):
    """A text of CLIP's vocabulary, but for its start and end tokens."""

    vocabulary = 49_406


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("system", "side", "unet", "text"),
    [
        (latent_diffusion, 256, 872_300_484, None),
        (stable_diffusion, 512, 859_520_964, 123_060_480),
        (stable_diffusion_2, 768, 865_910_724, 340_387_840),
    ],
)
def test_the_parameters_are_the_published_ones(
    system: object, side: int, unet: int, text: int | None
) -> None:
    with torch.device("meta"):
        model = system(Pixels(256, (3, side, side)), Captions(ClipVocabulary(75)), "paper")  # type: ignore[operator]
    autoencoder = model.models["autoencoder"].objective.autoencoder
    assert count(model.objective.network) == unet
    assert count(autoencoder.encoder) + count(autoencoder.network) == 83_653_863
    assert text is None or count(model.models["text"].conditioner.encoder) == text


def test_the_text_encoder_of_stable_diffusion_is_trained_in_its_own_stage_only() -> None:
    model = stable_diffusion(Pixels(16, (1, 8, 8)), Captions(Bytes(16)), "tiny")
    encoder = set(model.models["text"].conditioner.parameters())
    assert encoder <= set(owned(model.models["text"]))
    assert not encoder & set(owned(model.models["prior"]))
    trained = latent_diffusion(Pixels(16, (1, 8, 8)), Captions(Bytes(16)), "tiny").models["prior"]
    assert set(trained.conditioner.parameters()) <= set(owned(trained))
