r"""Inversion of a generator: the latent whose sample is nearest to a given example.

    z* = argmin_z |G(z, c) - x|^2 / dims + weight |z|^2 / dim z       by Adam, from several random starts

A GAN has no encoder: its latents are found by optimization. An example that the generator cannot produce
keeps a distance, which shows what the model does not cover.

References: Generative visual manipulation on the natural image manifold, Zhu, Krahenbuhl, Shechtman & Efros,
2016; Precise recovery of latent vectors from generative adversarial networks, Lipton & Tripathi, 2017.
"""

__all__ = ["Inverted", "invert"]

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Batch, Context, Unsupported
from morphogen.model import Model, evaluating
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.numerics.trees import Tree, leaves, length, tree_map
from morphogen.samples import Samples, with_own_condition
from morphogen.wrong_calls import explains_calls, explains_construction


@explains_construction
@dataclass(frozen=True)
class Inverted:
    """Latents of examples, and what the generator makes of them.

    Attributes:
        z: [n, ...], or parts by name.
        samples: G(z).
        distance: root mean squared difference from the example, in units of x.
    """

    z: Tree
    samples: Samples
    distance: Float[Tensor, " n"]


@explains_calls
def invert(
    model: Model, medium: Any, condition: Any = None, steps: int = 300, starts: int = 4, lr: float = 0.05,
    weight: float = 0.01, seed: int = 0,
) -> Inverted:  # fmt: skip
    """Find the latents of examples; rows are independent of each other.

    Arguments:
        model: an adversarial model.
        medium, condition: [n, ...], as `log_prob` of other models takes them; or `Samples`.
        steps: of Adam.
        starts: random initial latents of each row, of which the best result is kept.
        lr: learning rate.
        weight: of |z|^2, which keeps z where the generator was trained.
        seed: of the initial latents.

    Errors: Unsupported for a model without a generator; ConfigError for counts below 1.
    """
    objective = _generator(model)
    if min(steps, starts) < 1:
        raise ConfigError(f"invert: steps={steps}, starts={starts}: give at least 1 of each")
    medium, condition = with_own_condition(medium, condition, model.conditioner)
    medium = model.representation.check(medium)
    batch = Batch(medium, model.conditions(condition, length(medium))).to(model.device)
    rng = Rng(seed, len(batch), ("invert",)).to(model.device)
    with evaluating(model), torch.enable_grad():
        x = model.representation.encode(batch.medium, rng.fork("encode"), measure=False).x
        context = model.context(model.taken(batch.condition), len(batch))
        context = None if context is None else context.detach()
        latents = [objective.draw_latents(rng.fork(i)) for i in range(starts)]
        found = [_descend(objective, x, context, z, steps, lr, weight) for z in latents]
    best = torch.stack([losses for _, losses in found]).argmin(0)
    rows = torch.arange(len(batch), device=best.device)
    z = tree_map(lambda *parts: torch.stack(parts)[best, rows], *[z for z, _ in found])
    with evaluating(model), torch.no_grad():
        x_near = objective.predict(z, context)
        nearest = model.representation.decode(x_near)
    settings = {"seed": seed, "indices": list(range(len(batch)))}
    samples = Samples(nearest, batch.condition, model.representation, settings)
    return Inverted(z, samples, _squares(x_near, x).sqrt())


def _generator(model: Model) -> Any:
    """The objective of a generator. Errors: Unsupported for a model without one."""
    if not hasattr(model.objective, "draw_latents"):
        raise Unsupported(
            f"{type(model.objective).__name__} has no generator to invert: give a GAN, or "
            "mg.inference.LatentSpace(model).encode(x)"
        )
    return model.objective


def _descend(
    objective: Any, x: Float[Tensor, "n ..."], context: Context | None, z: Tree, steps: int, lr: float,
    weight: float,
) -> tuple[Tree, Float[Tensor, " n"]]:  # fmt: skip
    """The latents after some steps of Adam, and their objective."""
    z = tree_map(lambda part: part.detach().clone().requires_grad_(True), z)
    optimizer = torch.optim.Adam(list(leaves(z)), lr=lr)
    for step in range(steps + 1):
        sizes = torch.stack([part.square().flatten(1).mean(1) for part in leaves(z)]).mean(0)
        losses = _squares(objective.predict(z, context), x) + weight * sizes
        if step < steps:
            gradients = torch.autograd.grad(losses.sum(), list(leaves(z)))
            for part, gradient in zip(leaves(z), gradients, strict=True):
                part.grad = gradient
            optimizer.step()
    return tree_map(Tensor.detach, z), losses.detach()


def _squares(a: Float[Tensor, "n ..."], b: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """The mean squared difference of each row."""
    return sum_except_batch((a - b).square()) / b[0].numel()
