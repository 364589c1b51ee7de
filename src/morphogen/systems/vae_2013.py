"""The first variational autoencoder, of multilayer perceptrons (Kingma & Welling 2013)."""

__all__ = ["vae_2013"]

from typing import Any

from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.vae import VAE, likelihood_of_levels
from morphogen.model import Model
from morphogen.networks.perceptron import Brightness, Perceptron
from morphogen.plan import Adam, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"latent": 2, "widths": (16,)},
    "small": {"latent": 20, "widths": (500,)},
    "paper": {"latent": 20, "widths": (500,)},  # section 5: 500 hidden units, 3 to 200 latents on MNIST
}


def vae_2013(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""VAE with one hidden layer of tanh units in each network (Kingma & Welling 2013, section 5).

        log P(x) >= E_q log P(x | z) - KL(q(z | x) || N(0, I))

    P(x | z) is Bernoulli for black and white and a discretised logistic otherwise; the paper's, of grey
    faces, is a Gaussian density. The paper trains with Adagrad. A label is concatenated with x and with z
    (Sohn, Lee & Yan 2015).
    Result: not measured.
    """
    latent, widths = SIZES[size]["latent"], SIZES[size]["widths"]
    channels, height, width = pixels.shape
    likelihood, vector = likelihood_of_levels(pixels.levels), 32 if label else 0
    objective = VAE(
        Brightness(Perceptron(pixels.shape, (2 * latent,), widths, vector)),
        Perceptron((latent,), (likelihood.outputs(channels), height, width), widths, vector),
        likelihood,
        latent_shape=(latent,),
    )
    plan = Plan(Adam(1e-3), batch=100, ema=0.99)
    return Model(objective, pixels, Label(len(label), vector) if label else None, plan)
