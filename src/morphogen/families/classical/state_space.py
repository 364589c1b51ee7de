r"""Linear-Gaussian state space models of sequences of vectors, fitted by expectation-maximization.

    z_1 ~ N(m, P),   z_(t+1) = A z_t + N(0, Q),   x_t = C z_t + N(0, R)

The hidden Markov model whose state is a vector. The E-step is the Kalman filter and smoother, and the M-step
two regressions, of z_(t+1) on z_t and of x_t on z_t (Shumway & Stoffer 1982, "An approach to time series
smoothing and forecasting using the EM algorithm"; Ghahramani & Hinton 1996, "Parameter estimation for linear
dynamical systems").
"""

__all__ = ["StateSpace", "StateSpaceSampler"]

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.numerics.kalman import Dynamics, Smoothed, kalman_filter, kalman_smoother
from morphogen.numerics.randomness import Rng
from morphogen.representations.degenerate import check_finite_rows, warn_if_singular


class StateSpace(Objective):
    """A linear-Gaussian state space model of x [B, T, D] (Kalman 1960), with exact likelihood.

    The mean of x has to be 0 or in the latents. Masked and padded positions are integrated out. The loss of a
    row is its -log p per position, weighted by the number of positions.

    Arguments:
        dims: D, numbers per position, at least 1.
        latents: q, at least 1.
        floor: added to the variances of R and Q, in the units of x squared, above 0.

    Raises:
        ConfigError: if an argument is out of range, for empty sequences, and numbers that are not finite.
    """

    def __init__(self, dims: int, latents: int, floor: float = 1e-6):
        super().__init__()
        if dims < 1 or latents < 1 or not 0 < floor < math.inf:
            raise ConfigError(
                "StateSpace needs dims >= 1, latents >= 1, floor > 0; got "
                f"dims={dims}, latents={latents}, floor={floor:g}"
            )
        self.dims, self.latents, self.floor = dims, latents, floor
        d, q = torch.eye(dims).double(), torch.eye(latents).double()
        tensors = (torch.zeros(latents).double(), q, 0.9 * q, 0.2 * q, torch.eye(dims, latents).double(), d)
        for name, tensor in zip(Dynamics._fields, tensors, strict=True):
            self.register_buffer(name, tensor.clone())

    start: Float[Tensor, " q"]
    start_covariance: Float[Tensor, "q q"]
    transition: Float[Tensor, "q q"]
    process: Float[Tensor, "q q"]
    loading: Float[Tensor, "d q"]
    noise: Float[Tensor, "d d"]

    @property
    def dynamics(self) -> Dynamics:
        """The numbers of the model."""
        return Dynamics(*(getattr(self, name) for name in Dynamics._fields))

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One player without parameters: the model is fitted by `update_from_statistics`."""
        return {"model": []}

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        rows, exists = _checked(x)
        nll, size, total = torch.zeros(len(rows)).to(rows), exists.sum(1), dict[str, Tensor]()
        for group, seen in _patterns(exists):
            passed = kalman_filter(rows[group, : len(seen)], self.dynamics, seen)
            nll[group] = -passed.log_evidence.sum(1) / seen.sum()
            sums = _statistics(rows[group, : len(seen)], seen, kalman_smoother(passed, self.dynamics))
            total = {name: value + total[name] if total else value for name, value in sums.items()}
        return Losses({"nll": nll}, weight=size.to(nll), statistics=total)

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Random loadings on the scale of the first batch, with half of its variance as noise."""
        rows, exists = _checked(x)
        warn_if_singular(rows[exists], "density of StateSpace")
        variance = rows[exists].var(0, correction=0) + self.floor
        random = Rng(rng.seed, self.dims, (*rng.path, "loading")).normal(self.latents).double()
        self.loading.copy_((variance / (2 * self.latents)).sqrt()[:, None] * random)
        self.noise.copy_(torch.diag(variance / 2))

    @torch.no_grad()
    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """The M-step."""
        rows, positions = statistics["rows"], statistics["positions"]
        mean = statistics["start"] / rows
        ridge = self.floor * torch.eye(self.latents).to(mean)
        self.start.copy_(mean)
        self.start_covariance.copy_(statistics["start_square"] / rows - torch.outer(mean, mean) + ridge)
        if statistics["pairs"] > 0:
            transition = _regression(statistics["across"], statistics["before"])
            process = statistics["after"] - transition @ statistics["across"].T
            self.transition.copy_(transition)
            self.process.copy_(_symmetric(process) / statistics["pairs"] + ridge)
        loading = _regression(statistics["seen"], statistics["all"])
        noise = statistics["square"] - loading @ statistics["seen"].T
        self.loading.copy_(loading)
        self.noise.copy_(_symmetric(noise) / positions + self.floor * torch.eye(self.dims).to(noise))

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        rows, exists = _checked(x)
        nats = torch.zeros(len(rows)).to(rows)
        for group, seen in _patterns(exists):
            passed = kalman_filter(rows[group, : len(seen)], self.dynamics, seen)
            nats[group] = passed.log_evidence.sum(1)
        return Likelihood(nats, x.dims, kind="exact", measure="density")

    def latent_moments(self, x: Float[Tensor, "b t d"]) -> Smoothed:
        """Means and covariances of p(z_t | x_1 .. x_T)."""
        check_finite_rows(x.flatten(1))
        return kalman_smoother(kalman_filter(x.double(), self.dynamics), self.dynamics)

    def receive_mask(
        self, mask: Bool[Tensor, "b n"] | None, context: Context | None, rng: Rng
    ) -> tuple[Context | None, Rng]:
        """Both unchanged: what is missing changes no conditional of what exists."""
        return context, rng

    def default_sampler(self) -> Sampler:
        return StateSpaceSampler()


class StateSpaceSampler(Sampler):
    """Draw the latents one after the other, and x given them (Kalman 1960); exact."""

    requires = "dynamics"

    def __call__(
        self, objective: Any, shape: tuple[int, int], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b t d"]:
        self.check(objective)
        model = objective.dynamics
        first, process, noise = (
            torch.linalg.cholesky(each) for each in (model.start_covariance, model.process, model.noise)
        )
        z = [model.start + rng.fork("latent", 0).normal(objective.latents).double() @ first.T]
        for t in range(1, shape[0]):
            eps = rng.fork("latent", t).normal(objective.latents).double()
            z.append(z[-1] @ model.transition.T + eps @ process.T)
        eps = rng.fork("noise").normal(*shape).double()
        return (torch.stack(z, 1) @ model.loading.T + eps @ noise.T).float()


def _checked(x: Encoded) -> tuple[Float64[Tensor, "b t d"], Bool[Tensor, "b t"]]:
    """The rows, 0 where they do not exist, and where they do.

    Errors: ConfigError for empty sequences and numbers that are not finite.
    """
    if not x.x.shape[1]:
        raise ConfigError("the sequences are empty, [B, 0]: give sequences of one position or more")
    exists = torch.ones_like(x.x[:, :, 0], dtype=torch.bool) if x.mask is None else x.mask
    rows = torch.where(exists[..., None], x.x, 0.0).double()
    check_finite_rows(rows.flatten(1))
    return rows, exists


def _patterns(exists: Bool[Tensor, "b t"]) -> Iterator[tuple[Int[Tensor, " n"], Bool[Tensor, " s"]]]:
    """The rows that exist at the same positions, and these, up to the last one; without empty rows."""
    if not len(exists):  # their sums are 0
        yield torch.arange(0, device=exists.device), torch.ones_like(exists.any(0))
        return
    patterns, index = exists.unique(dim=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        if len(places := pattern.nonzero()):
            yield (index == i).nonzero()[:, 0], pattern[: int(places[-1]) + 1]


def _statistics(
    rows: Float64[Tensor, "n s d"], seen: Bool[Tensor, " s"], z: Smoothed
) -> dict[str, Float64[Tensor, "..."]]:
    """Sums of the moments of rows that exist at the same positions, as the M-step needs them."""
    n, length = len(rows), len(seen)
    second = torch.einsum("btq,btr->tqr", z.means, z.means) + n * z.covariances
    existing = rows[:, seen]
    return {
        "rows": torch.tensor(float(n)).to(rows),
        "positions": torch.tensor(float(existing.shape[0] * existing.shape[1])).to(rows),
        "pairs": torch.tensor(float(n * (length - 1))).to(rows),
        "start": z.means[:, 0].sum(0),
        "start_square": second[0],
        "before": second[:-1].sum(0),
        "after": second[1:].sum(0),
        "all": second[seen].sum(0),
        "across": torch.einsum("btq,btr->qr", z.means[:, 1:], z.means[:, :-1]) + n * z.across.sum(0),
        "seen": torch.einsum("btd,btq->dq", existing, z.means[:, seen]),
        "square": torch.einsum("btd,bte->de", existing, existing),
    }


def _regression(across: Float[Tensor, "i j"], square: Float[Tensor, "j j"]) -> Float[Tensor, "i j"]:
    """The coefficients across square^-1."""
    return torch.linalg.solve(square, across.T).T


def _symmetric(matrix: Float[Tensor, "i i"]) -> Float[Tensor, "i i"]:
    return (matrix + matrix.T) / 2
