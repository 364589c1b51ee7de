"""A picture and a label as one x: their joint distribution in closed form, and a model of both.

label ~ p,    picture | label = m_label + b_label u + sigma eps,    u, eps ~ N(0, 1)
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

import morphogen as mg
from morphogen.component import Component, ConfigError
from morphogen.contract import Batch, Context, Encoded, Representation
from morphogen.families.vae import VAE, Gaussian, Joint, Softmax
from morphogen.media import Medium, ReadingOptions
from morphogen.networks.mlp import MLP
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Augmentation, Cosine, Plan

CLASSES, PICTURE, SIGMA, LATENT = 3, (1, 2, 2), 0.5, 3
PIXELS = math.prod(PICTURE)
LABEL_PROBABILITY = torch.tensor([0.5, 0.3, 0.2])
MEANS = torch.tensor([[1.0, 0.5, -0.5, 0.0], [-1.0, 0.5, 0.5, 0.0], [0.0, -1.0, 0.0, 0.5]])
SLOPES = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.5, 0.5]])


def draw(n: int, seed: int) -> Batch:
    rng = Rng(seed, n)
    label = rng.fork("label").categorical(LABEL_PROBABILITY.log().expand(n, -1))
    noise = SIGMA * rng.fork("noise").normal(PIXELS)
    picture = MEANS[label] + SLOPES[label] * rng.fork("u").normal(1) + noise
    return Batch({"picture": picture.view(n, *PICTURE), "label": label})


def log_joint(picture: Tensor) -> Tensor:
    """log p(picture, label) of every label, [B, 3]."""
    covariance = SIGMA**2 * torch.eye(PIXELS) + SLOPES[:, :, None] * SLOPES[:, None]
    normal = MultivariateNormal(MEANS, covariance)
    return LABEL_PROBABILITY.log() + normal.log_prob(picture.flatten(1)[:, None])


class LabelledPictures(Medium):
    """Small grey pictures with a class each."""

    name, suffix = "labelled pictures", "txt"

    def save(self, path: Path, samples: Any, records: Any) -> None:
        path.write_text("\n".join(map(str, samples)))

    def preview(self, sample: Any) -> str:
        return f"{sample['label']}: {sample['picture']}"

    def read(self, path: Path, options: ReadingOptions) -> Any:
        raise ConfigError(f"{path}: labelled pictures are drawn in memory, not read")


class PictureAndLabel(Representation):
    """x = {"picture": [B, 1, 2, 2], "label": [B]}, the medium itself."""

    medium: ClassVar[Medium] = LabelledPictures()
    shape: ClassVar[Mapping[str, tuple[int, ...]]] = {"picture": PICTURE, "label": ()}
    discrete, medium_discrete = False, False

    def encode(self, medium: Mapping[str, Tensor], rng: Rng, measure: bool = True) -> Encoded:
        zero = torch.zeros(len(medium["label"]))
        return Encoded(dict(medium), zero, zero + PIXELS + 1)

    def decode(self, x: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {"picture": x["picture"].float(), "label": x["label"]}  # from bf16

    def present(self, medium: Mapping[str, Tensor]) -> list[Any]:
        pairs = zip(medium["picture"].flatten(1).tolist(), medium["label"].tolist(), strict=True)
        return [{"picture": picture, "label": label} for picture, label in pairs]


class JointEncoder(Component, nn.Module):
    """x to mu and log sigma of z."""

    def __init__(self) -> None:
        super().__init__()
        self.network = MLP(PIXELS + CLASSES, 2 * LATENT, 64, 2)

    def forward(self, x: Mapping[str, Tensor], context: Context | None) -> Tensor:
        label = nn.functional.one_hot(x["label"], CLASSES)
        return self.network(torch.cat([x["picture"].flatten(1), label], 1), context)


class JointDecoder(Component, nn.Module):
    """z to the mean of the picture and the logits of the label."""

    def __init__(self) -> None:
        super().__init__()
        self.network = MLP(LATENT, PIXELS + CLASSES, 64, 2)

    def forward(self, z: Tensor, context: Context | None) -> dict[str, Tensor]:
        picture, label = self.network(z, context).split([PIXELS, CLASSES], 1)
        return {"picture": picture.unflatten(1, PICTURE), "label": label}


class Brighten(Augmentation):
    """A small random brightness, of the picture alone."""

    def __init__(self, scale: float):
        self.scale = scale

    def __call__(self, medium: Any, rng: Rng) -> Any:
        return {**medium, "picture": medium["picture"] + self.scale * rng.normal(1, 1, 1)}


def joint_model(bound_samples: int = 1, **plan: Any) -> mg.Model:
    torch.manual_seed(0)
    likelihood = Joint(picture=Gaussian(SIGMA), label=Softmax(CLASSES))
    objective = VAE(JointEncoder(), JointDecoder(), likelihood, (LATENT,), bound_samples=bound_samples)
    settings: dict[str, Any] = {"batch": 256, "schedule": Cosine(warmup=20), "ema": 0.99, "clip": 1.0} | plan
    return mg.Model(objective, PictureAndLabel(), plan=Plan(Adam(3e-3), **settings))
