"""A sampler samples the models of its own family and refuses those of every other, with one line."""

from itertools import product

import pytest
import torch

from morphogen import samplers
from morphogen.catalogue import build_system
from morphogen.contract import Sampler, Unsupported
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes

PIXELS, TEXT = Pixels(17, (1, 8, 8)), Bytes(16)
SYSTEMS = {
    "pixelcnn": PIXELS,
    "d3pm_text": TEXT,
    "ddpm": PIXELS,
    "realnvp": PIXELS,
    "wgan_gp": PIXELS,
    "vae": PIXELS,
    "mixture": PIXELS,
}
# the one system of those above that each sampler samples
SAMPLERS = {
    "Ancestral": (samplers.Ancestral(), "pixelcnn"),
    "Beam": (samplers.Beam(), "pixelcnn"),
    "PromptLookup": (samplers.PromptLookup(samplers.Greedy()), "pixelcnn"),
    "D3PMSampler": (samplers.D3PMSampler(4), "d3pm_text"),
    "DDIM": (samplers.DDIM(4), "ddpm"),
    "Heun": (samplers.Heun(3), "ddpm"),
    "FlowSampler": (samplers.FlowSampler(), "realnvp"),
    "GANSampler": (samplers.GANSampler(), "wgan_gp"),
    "VAESampler": (samplers.VAESampler(), "vae"),
    "MixtureSampler": (samplers.MixtureSampler(), "mixture"),
}


def sample(sampler: Sampler, system: str) -> torch.Tensor:
    model = build_system(system, SYSTEMS[system], {}, "tiny")
    return model.sample_batch(Rng(0, torch.arange(2)), sampler=sampler)


@pytest.mark.parametrize(("name", "system"), [*product(SAMPLERS, SYSTEMS)])
def test_a_sampler_samples_its_own_family_alone(name: str, system: str) -> None:
    sampler, own = SAMPLERS[name]
    if system == own:
        assert len(sample(sampler, system)) == 2
        return
    with pytest.raises(Unsupported, match=f"{name} does not sample a .* model: use the model's default"):
        sample(sampler, system)
