"""Every VAE of pictures has Bernoulli pixels for black and white, and ordered masses for more levels."""

import pytest

from morphogen.catalogue import build_system
from morphogen.families.vae import Bernoulli, DiscretizedLogistic
from morphogen.representations.pixels import Pixels

SYSTEMS = "vae", "beta_vae", "vae_2013", "iwae", "hierarchical_vae", "vqvae", "vqvae_gpt", "vqvae2", "dvae"


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_likelihood_is_that_of_the_levels(name: str) -> None:
    for levels, expected in ((2, Bernoulli), (256, DiscretizedLogistic)):
        model = build_system(name, Pixels(levels, (1, 8, 8)), size="tiny")
        parts = model.models.values() if hasattr(model, "models") else [model]
        found = [part.objective.likelihood for part in parts if hasattr(part.objective, "likelihood")]
        assert [type(likelihood) for likelihood in found] == [expected]
