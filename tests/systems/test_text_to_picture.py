"""Systems of captioned pictures: published sizes, and what stays frozen in training."""

import pytest
import torch
from torch import nn

from morphogen.conditioning.caption import Captions
from morphogen.contract import owned
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.systems import (
    dalle,
    dalle2,
    dalle2_autoregressive,
    latent_diffusion,
    stable_diffusion,
    stable_diffusion_2,
)


class DalleVocabulary(Bytes):
    """A text of DALL-E's vocabulary."""

    vocabulary = 16_384


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


def test_dalle_has_the_12_billion_parameters_of_its_paper() -> None:
    """Ramesh et al. 2021, section 2.2, which states two digits; counted by hand, without biases and norms."""
    with torch.device("meta"):
        model = dalle(Pixels(256, (3, 256, 256)), Captions(DalleVocabulary(256)), "paper")
    network, width = model.objective.network, 64 * 62
    assert (network.sides, network.vocabulary, network.text_length) == ((32, 32), 8192, 256)
    matrices = 64 * 12 * width**2 + 2 * (16_384 + 1 + 8192) * width
    positions = (257 + 256 + 32 + 32) * width
    assert f"{count(network):.1e}" == "1.2e+10"
    assert 0 < count(network) - matrices - positions < 1e-3 * matrices
    kinds = [type(pattern).__name__.removesuffix("Pattern") for pattern in network.patterns]
    assert kinds[:5] == ["Row", "Column", "Row", "Row", "Row"] and kinds[5::4] == ["Column"] * 15
    assert kinds[-1] == "Neighbourhood" and network.patterns[-1].kernel == 11


def test_the_text_encoder_of_stable_diffusion_is_trained_in_its_own_stage_only() -> None:
    model = stable_diffusion(Pixels(16, (1, 8, 8)), Captions(Bytes(16)), "tiny")
    encoder = set(model.models["text"].conditioner.parameters())
    assert encoder <= set(owned(model.models["text"]))
    assert not encoder & set(owned(model.models["prior"]))
    trained = latent_diffusion(Pixels(16, (1, 8, 8)), Captions(Bytes(16)), "tiny").models["prior"]
    assert set(trained.conditioner.parameters()) <= set(owned(trained))


def test_the_parameters_of_dalle_2_are_about_the_published_ones() -> None:
    """Billions, of pictures of 1024 pixels; the paper states 1, 3.5, 0.7 and 0.3."""
    data = Pixels(256, (3, 1024, 1024)), Captions(ClipVocabulary(75))
    with torch.device("meta"):
        models = [system(*data, "paper").models for system in (dalle2, dalle2_autoregressive)]
    counts = [{k: sum(p.numel() for p in owned(m)) / 1e9 for k, m in stages.items()} for stages in models]
    assert [round(counts[0][k], 2) for k in ("embedding", "low", "middle", "high")] == [
        1.22,
        3.56,
        0.73,
        0.28,
    ]
    assert round(counts[1]["embedding"], 2) == 0.98


def test_clip_is_trained_in_its_own_stage_of_dalle_2_only() -> None:
    model = dalle2(Pixels(16, (1, 8, 8)), Captions(Bytes(16)), "tiny")
    clip = set(model.models["clip"].parameters())
    assert model.chain == ["embedding", "low", "high"] and clip <= set(owned(model.models["clip"]))
    assert not any(clip & set(owned(model.models[name])) for name in model.chain)
