"""Importance-weighted autoencoder of multilayer perceptrons (Burda, Grosse & Salakhutdinov 2016)."""

__all__ = ["iwae"]

from typing import Any

from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.vae import VAE, ImportanceWeighted, likelihood_of_levels
from morphogen.model import Model
from morphogen.networks.perceptron import Brightness, Perceptron
from morphogen.plan import Adam, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # k of training and of evaluation
    "tiny": {"latent": 2, "widths": (16, 16), "samples": 3, "bound_samples": 5, "batch": 100},
    "small": {"latent": 50, "widths": (200, 200), "samples": 5, "bound_samples": 50, "batch": 20},
    "paper": {"latent": 50, "widths": (200, 200), "samples": 50, "bound_samples": 5000, "batch": 20},
}


def iwae(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""IWAE: a VAE trained on the bound that averages k importance weights (Burda et al. 2016).

        log P(x) >= E log (1/k) sum_i P(x | z_i) p(z_i) / q(z_i | x),   z_i ~ q(z | x)

    The paper's smaller network for binarised MNIST, 784-200-200-50, and its Adam; its eight learning rates
    over 3280 epochs are one rate here, with a moving average of the weights. P(x | z) is Bernoulli for black
    and white, where the decoder starts at the marginals, and a discretised logistic otherwise.
    Measured: recipes/results/mnist-10k-vaes.json, with k = 1, 5 and 50.
    """
    sizes, vector = SIZES[size], 32 if label else 0
    latent, widths = sizes["latent"], sizes["widths"]
    channels, height, width = pixels.shape
    likelihood = likelihood_of_levels(pixels.levels)
    objective = VAE(
        Brightness(Perceptron(pixels.shape, (2 * latent,), widths, vector)),
        Perceptron((latent,), (likelihood.outputs(channels), height, width), widths[::-1], vector),
        likelihood,
        latent_shape=(latent,),
        bound=ImportanceWeighted(sizes["samples"]),
        bound_samples=sizes["bound_samples"],
    )
    plan = Plan(Adam(1e-3, betas=(0.9, 0.999), eps=1e-4), batch=sizes["batch"], ema=0.99)
    return Model(objective, pixels, Label(len(label), vector) if label else None, plan)
