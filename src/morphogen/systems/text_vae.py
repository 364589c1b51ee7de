r"""A VAE of texts: one vector per text, from which an LSTM writes it (Bowman et al. 2016).

    log p(x) >= E_q sum_i log p(x_i | x_<i, z) - KL(q(z | x) || N(0, I))

An LSTM writes well without z: untreated, the divergence tends to 0 in training and the latents carry nothing.
The KL term is therefore warmed up, a divergence of each latent below a threshold is free (Kingma et al.
2016), and the decoder does not see some of the tokens before.
"""

__all__ = ["text_vae"]

from typing import Any

from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import Autoregressive, Greedy
from morphogen.families.vae import ELBO, VAE, LearnedLikelihood
from morphogen.model import Model
from morphogen.networks.perceptron import Perceptron
from morphogen.networks.recurrent import Recurrent
from morphogen.networks.sequence_encoder import SequenceEncoder
from morphogen.networks.word_dropout import WordDropout
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.text import Text
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # hidden: fraction of the tokens that the decoder does not see in training; bound_samples: of evaluation
    "tiny": {"latent": 4, "width": 32, "hidden": 0.0, "bound_samples": 1},
    "small": {"latent": 16, "width": 256, "hidden": 0.3, "bound_samples": 8},
    "paper": {"latent": 32, "width": 512, "hidden": 0.25, "bound_samples": 16},
}
TRAINING: dict[Size, dict[str, Any]] = {
    # free_nats: per latent, without cost
    "tiny": {"lr": 1e-2, "batch": 16, "warmup": 0, "free_nats": 0.0},
    "small": {"lr": 3e-3, "batch": 32, "warmup": 1000, "free_nats": 0.25},
    "paper": {"lr": 1e-3, "batch": 32, "warmup": 5000, "free_nats": 0.0},
}


def text_vae(text: Text, label: Classes | None = None, size: Size = "small") -> Model:
    """VAE of texts with an LSTM encoder and decoder (Bowman et al. 2016), and a bound on bits/byte.

    One layer each, as in the paper, whose widths differ between its experiments; a quarter of the tokens is
    hidden at size paper, one of its settings. Result: not measured.
    """
    sizes, training = SIZES[size], TRAINING[size]
    latent, width, vector = sizes["latent"], sizes["width"], sizes["width"] if label else 0
    decoder = WordDropout(Recurrent(text.vocabulary, width, vector=width), sizes["hidden"])
    objective = VAE(
        SequenceEncoder(text.vocabulary, 2 * latent, width, vector),
        Perceptron((latent,), (width,), (width,), vector),
        LearnedLikelihood(Autoregressive(decoder, text.end), text.shape, Greedy()),
        latent_shape=(latent,),
        bound=ELBO(warmup=training["warmup"], free_nats=training["free_nats"]),
        bound_samples=sizes["bound_samples"],
    )
    plan = Plan(Adam(training["lr"]), batch=training["batch"], schedule=Cosine(20, floor=0.1), clip=50.0)
    return Model(objective, text, Label(len(label), vector) if label else None, plan)
