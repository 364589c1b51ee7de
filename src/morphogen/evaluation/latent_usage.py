r"""How much the latents of a trained model carry: active units, the divergence of each, mutual information.

    A_u = Cov_x(E_q(z|x)[z_u]),     unit u is active if A_u > 0.01                      (Burda et al. 2016)
    E_x KL(q(z | x) || p(z)) = I_q(x; z) + KL(q(z) || p(z))                        (Hoffman & Johnson 2016)
    I_q(x; z) = 1/n sum_i [log q(z_i | x_i) - log 1/n sum_j q(z_i | x_j)],   z_i ~ q(z | x_i)

q(z) = 1/n sum_j q(z | x_j) is the aggregate posterior of the n examples, so that the mutual information is at
most log n. In posterior collapse no unit is active: q(z | x) is the prior, whatever x is.

References: Importance weighted autoencoders, Burda, Grosse & Salakhutdinov, 2016; ELBO surgery: yet another
way to carve up the variational evidence lower bound, Hoffman & Johnson, 2016.
"""

__all__ = ["ACTIVE", "LatentUsage", "latent_usage", "usage_lines"]

import math
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Unsupported
from morphogen.evaluation.intervals import Interval, mean
from morphogen.inference.latent_space import LatentSpace
from morphogen.model import evaluating
from morphogen.numerics.trees import Tree, cat, index, leaves, length

ACTIVE = 0.01  # covariance above which a unit is active (Burda et al. 2016)
NOISE = 0.002  # standard error of the covariance of a unit that equals its prior
MOST_DRAWS = 64  # of each of the two means; reached below 61 examples
PAIRS = 2**16  # of latents and examples at a time
SHOWN = 16  # units in a line


class LatentUsage(TypedDict):
    """Figures of the latents of n examples, in nats; those that cannot be evaluated are None.

    `kl` is the divergence per example, and `kl_of_groups` its mean for each group of latents whose divergence
    the model has: each unit of a diagonal Gaussian, each level of a hierarchy, or all of them together.
    """

    n: int
    units: int
    active: int
    covariances: list[float]
    kl: Interval
    kl_of_groups: list[float]
    mutual_information: Interval | None
    marginal_kl: Interval | None


def latent_usage(
    space: LatentSpace, medium: Tree, condition: Mapping[str, Tree] | None = None, seed: int = 0
) -> LatentUsage:
    """What the latents of a model carry about examples, best those that it was not trained on.

    E_q[z] is the mean of draws. Two independent means per example make the covariance unbiased.

    Arguments:
        space: the latent space of a model.
        medium: the examples, [n, ...], at least 2.
        condition: of the examples, as in the model's `log_prob`.
        seed: of the draws.

    Errors: Unsupported for an autoencoder without a posterior density.
    """
    model, objective = space.model, space.model.objective
    if not hasattr(objective, "kl"):
        raise Unsupported(f"{type(objective).__name__} has no posterior to measure: give a model such as vae")
    with evaluating(model), torch.no_grad():
        drawn = cat(list(_drawn(space, medium, condition, seed)))
        marginal = _log_aggregate(objective, drawn["z"], drawn["inferred"])
    covariances = _covariances(*drawn["means"].unbind(1))
    return {
        "n": len(drawn["kl"]),
        "units": len(covariances),
        "active": int((covariances > ACTIVE).sum()),
        "covariances": covariances.tolist(),
        "kl": mean(drawn["kl"].sum(1)),
        "kl_of_groups": drawn["kl"].double().mean(0).tolist(),
        "mutual_information": None if marginal is None else mean(drawn["log_q"] - marginal),
        "marginal_kl": None if marginal is None else mean(marginal - drawn["log_p"]),
    }


def usage_lines(usage: LatentUsage) -> list[str]:
    """The figures in words; of a collapsed posterior also the remedy."""
    n, information, marginal = usage["n"], usage["mutual_information"], usage["marginal_kl"]
    each = sorted(usage["kl_of_groups"], reverse=True)
    more = f" and {len(each) - SHOWN} more" if len(each) > SHOWN else ""
    lines = [
        f"latents: {usage['active']} of {usage['units']} units are active (covariance of E[z | x] above "
        f"{ACTIVE:g}), n = {n}",
        f"KL from the prior: {_figure(usage['kl'])} nats per example; "
        f"{'by unit' if len(each) == usage['units'] else 'by group'}: "
        f"{' '.join(f'{one:.2f}' for one in each[:SHOWN])}{more}",
    ]
    if information is not None and marginal is not None:
        lines.append(
            f"mutual information of examples and latents: {_figure(information)} nats, of at most "
            f"log {n} = {math.log(n):.2f}; KL of the aggregate posterior: {_figure(marginal)} nats"
        )
    if not usage["active"]:
        lines.append(
            "posterior collapse: q(z | x) is the same for every x, so that the latents carry nothing: train "
            "with a warm-up and free bits, bound=ELBO(warmup=1000, free_nats=0.25), or a weaker decoder"
        )
    return lines


def _drawn(
    space: LatentSpace, medium: Tree, condition: Mapping[str, Tree] | None, seed: int
) -> Iterator[dict[str, Tree]]:
    """Of each batch: a draw of z with its densities and divergences, and two means of draws, [B, 2, U]."""
    objective: Any = space.model.objective
    draws = min(MOST_DRAWS, math.ceil(1 / (NOISE * math.sqrt(length(medium)))))
    for x, context, rng in space.batches(medium, condition, seed):
        inferred = objective.infer(x, context)
        noise = [objective.noise(rng.fork("usage", i)) for i in range(2 * draws)]
        found = [objective.draw(inferred, context, eps) for eps in noise]
        means = torch.stack([_flat(draw.z) for draw in found], 1).unflatten(1, (2, draws)).mean(2)
        yield {
            "inferred": inferred,
            "means": means,
            "z": found[0].z,
            "log_q": found[0].log_q,
            "log_p": objective.log_prior(found[0], context),
            "kl": objective.kl(found[0], context),
        }


def _flat(z: Tree) -> Float[Tensor, "b u"]:
    """All entries of the latents of each row."""
    return torch.cat([leaf.flatten(1) for leaf in leaves(z)], 1)


def _covariances(first: Float[Tensor, "n u"], second: Float[Tensor, "n u"]) -> Tensor:
    """Covariance of two estimates of the posterior mean, in which their noise averages out."""
    one, other = (each.double() - each.double().mean(0) for each in (first, second))
    return (one * other).sum(0) / max(1, len(first) - 1)


def _log_aggregate(objective: Any, z: Tree, inferred: Tree) -> Float[Tensor, " n"] | None:
    """log q(z_i) of the aggregate posterior; None without a density of q at any z."""
    n = len(next(iter(leaves(z))))
    found, every = [], torch.arange(n, device=next(iter(leaves(z))).device)
    for rows in every.split(max(1, PAIRS // n)):
        own, other = rows.repeat_interleave(n), every.repeat(len(rows))
        try:
            log_q = objective.log_posterior(index(z, own), index(inferred, other))
        except Unsupported:
            return None
        found.append(log_q.view(len(rows), n).logsumexp(1) - math.log(n))
    return torch.cat(found)


def _figure(interval: Interval) -> str:
    half = (interval["high"] - interval["low"]) / 2
    return f"{interval['value']:.2f} ± {half:.2f}"
