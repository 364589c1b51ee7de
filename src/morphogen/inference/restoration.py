r"""Restoration of pictures from what was measured of them, y = A x + sigma n, with any diffusion of pictures.

    samples = restore(model, small, "downsample:4", noise=0.05, n=8)

The model is unconditional or conditional, and was never trained for the operator. The samples are drawn
from p(x | y), so that they differ in what y leaves open. `families/diffusion/posterior_sampling.py` has the
methods.
"""

__all__ = ["METHODS", "observe", "restore", "restored_operator", "restoring_sampler"]

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler, Unsupported
from morphogen.families.diffusion import (
    DDIM,
    DPS,
    MMPS,
    LinearOperator,
    Observation,
    RePaint,
    parse_operator,
)
from morphogen.inference.editing import BATCH, conditions_of_variants, picture_shape
from morphogen.model import evaluating
from morphogen.numerics.randomness import Rng
from morphogen.representations.given import check_finite, tensor_of
from morphogen.samples import Samples
from morphogen.wrong_calls import explains_calls

METHODS: dict[str, Callable[[Sampler, Observation], Sampler]] = {"mmps": MMPS, "dps": DPS, "repaint": RePaint}
STEPS = 100  # of the default sampler
OUTSIDE = 1.5  # |y| of a picture in [-1, 1], beyond which noise does not explain it


@explains_calls
def restore(
    model: Any, observed: Any, operator: LinearOperator | str, noise: float = 0.0,
    method: str | Callable[[Sampler, Observation], Sampler] = "mmps", n: int = 4, condition: Any = None,
    sampler: Any = None, seed: int = 0, negative: Any = None,
) -> Samples:  # fmt: skip
    """Sample pictures x given y = A x + noise n; exact pixels are returned bit for bit.

    Arguments:
        model: a diffusion or flow-matching model of pictures.
        observed: y [B, ...], of the shape that the operator measures; pictures are in [-1, 1].
        operator: A, or its name, such as "downsample:4", "blur:1.5", "projection:100" or "grey".
        noise: standard deviation of the noise, in pictures from -1 to 1; 0: y is exact.
        method: "mmps" (Rozet et al. 2024), "dps" (Chung et al. 2023) or, for exact pixels, "repaint"; or a
            function from a sampler and an observation to a sampler, such as `partial(MMPS, iterations=10)`.
        n: samples for each y, in the order of y.
        condition, negative: as in `edit`.
        sampler: of the diffusion family, guided or not; None: DDIM with eta = 1, in at most 100 steps.
        seed: of the random numbers. Sample v of a y depends on (seed, v) and on that y only.

    Errors: Unsupported for a model that is no diffusion of pixels; ConfigError for what does not fit.
    """
    operator = restored_operator(model, operator)
    y = _checked(observed, operator, noise, n).to(model.device).repeat_interleave(n, 0)
    sampler, wrap = sampler if sampler is not None else restoring_sampler(model), _method(method)
    rng = Rng(seed, torch.arange(n).repeat(len(y) // n), ("restore",)).to(model.device)
    indices = torch.arange(len(y), device=y.device).split(BATCH)
    parts = [(rows, Observation(operator, y[rows], noise)) for rows in indices]
    with evaluating(model), torch.no_grad():
        conditions, context = conditions_of_variants(model, condition, negative, sampler, rng, n)
        x = [_draw(model, wrap(sampler, seen), context, rng, rows) for rows, seen in parts]
        medium = model.representation.decode(torch.cat(x))
        medium = medium if noise else operator.keep(medium, y)
        misfit = Observation(operator, y, noise).residual(medium).square().mean().sqrt().item()
    settings = {"seed": seed, "indices": list(range(len(y))), "variants": n, "sampler": repr(sampler)}
    settings |= {"operator": repr(operator), "noise": noise, "misfit": misfit}
    settings["method"] = method if isinstance(method, str) else repr(method)
    return Samples(medium, conditions, model.representation, settings)


@explains_calls
def observe(
    operator: LinearOperator, pictures: Float[Tensor, "b c h w"], noise: float = 0.0, seed: int = 0
) -> Float[Tensor, "b ..."]:
    """y = A x + noise n of pictures, for tests of a restoration; row i depends on (seed, i)."""
    n = Rng(seed, len(pictures), ("observe",)).to(pictures.device).normal(*operator.measured_shape)
    return operator(pictures) + noise * n


def restored_operator(
    model: Any, operator: LinearOperator | str, read_mask: Callable[[str], Tensor] | None = None
) -> LinearOperator:
    """The operator for the pictures of a model; `read_mask`: see `parse_operator`.

    Errors: Unsupported for a model that is no diffusion of pixels; ConfigError for an unknown operator, and
    for one of pictures of another shape.
    """
    shape = picture_shape(model, "restore")
    _check_pixels(model, shape)
    if isinstance(operator, str):
        return parse_operator(operator, shape, read_mask)
    if operator.shape != shape:
        raise ConfigError(
            f"restore: {operator!r} is for pictures of {list(operator.shape)}, and the model's are "
            f"{list(shape)}"
        )
    return operator


def restoring_sampler(model: Any) -> Sampler:
    """DDIM with the noise of the chain, whose steps correct the errors of those before."""
    process = model.objective.schedule
    return DDIM(STEPS if process.time_dtype.is_floating_point else min(STEPS, int(process.t_max)), eta=1.0)


def _draw(
    model: Any, sampler: Sampler, context: Context | None, rng: Rng, rows: Int[Tensor, " r"]
) -> Float[Tensor, "r c h w"]:
    """Some rows of x."""
    given = None if context is None else context[rows]
    return sampler(model.objective, model.representation.shape, given, rng.fork("x")[rows])


def _check_pixels(model: Any, shape: tuple[int, int, int]) -> None:
    """Errors: Unsupported unless x is the picture itself, of which the operator measures."""
    if len(chain := getattr(model, "chain", ())) > 1:
        raise Unsupported(
            f"restore needs one diffusion of pixels, and this Cascade samples {', '.join(chain)} one after "
            "the other: morphogen train ddpm"
        )
    representation, probe = model.representation, torch.linspace(-1, 1, 4, device=model.device)
    probe = probe[:, None, None, None].expand(-1, *shape)
    if tuple(representation.shape) == shape:
        x = representation.encode(probe, Rng(0, 4).to(model.device), measure=False).x
        step = 2 / (getattr(representation.source, "levels", 256) - 1)
        if x.is_floating_point() and (x - probe).abs().max() <= step:
            return
    raise Unsupported(
        f"restore needs a diffusion of pixels, and this one is of {type(representation).__name__}: "
        "morphogen train ddpm"
    )


def _checked(observed: Any, operator: LinearOperator, noise: float, n: int) -> Float[Tensor, "b ..."]:
    """y. Errors: ConfigError for another shape, another range, values that are not numbers, and n < 1."""
    if n < 1:
        raise ConfigError(f"restore: n={n}: give at least 1, the number of samples for each picture")
    y, expected = tensor_of(observed, "observed"), operator.measured_shape
    if tuple(y.shape[1:]) != expected or not len(y):
        raise ConfigError(
            f"restore: {operator!r} of the model's {list(operator.shape)} measures {list(expected)}, and "
            f"observed is {list(y.shape)}: give [N, {', '.join(map(str, expected))}]"
        )
    check_finite(y, "observed")
    if len(expected) == 3 and (largest := y.abs().max().item()) > OUTSIDE + 8 * max(noise, 0):
        raise ConfigError(
            f"restore: observed has values up to {largest:g}: give pictures from -1 to 1, x / 127.5 - 1"
        )
    return y.to(torch.get_default_dtype())


def _method(
    method: str | Callable[[Sampler, Observation], Sampler],
) -> Callable[[Sampler, Observation], Sampler]:
    """The function of a name. Errors: ConfigError for an unknown one."""
    if not isinstance(method, str):
        return method
    if method not in METHODS:
        raise ConfigError(f"restore: method {method!r} is unknown: give one of {', '.join(METHODS)}")
    return METHODS[method]
