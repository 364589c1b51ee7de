r"""Kernel density estimates of table rows: one small bump for every training row.

    p(x | c) = sum_m w_cm prod_j K_j(x_j | x_mj)
    numbers      K_j = N(z_j; z_mj, h_j^2)                                    (Parzen 1962)
    categories   K_j = 1 - l_j if the codes agree, else l_j / (V_j - 1)       (Aitchison & Aitken 1976)

Whether a number is missing is a category; one that exists where that of row m is missing has the density of
all scores, N(0, 1). The bandwidths h and l are those of a rule of thumb, or maximize the likelihood of each
row under all others. This is EM, in which the E-step has the probability r_im that row m explains row i,

    h_j^2 = sum_im r_im (z_ij - z_mj)^2 / sum_im r_im,     l_j = sum_im r_im [c_ij != c_mj] / n,     m != i

(Leiva-Murillo & Artes-Rodriguez 2012, "Algorithms for maximum-likelihood bandwidth selection in kernel
density estimators").

**The training rows are the model.** They are in its file, and samples are near copies of them: a saved kernel
density estimate of personal data is a copy of these data.
"""

__all__ = ["KernelDensity", "KernelSampler"]

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.classical.mixed_kernel import Cells, MixedKernel
from morphogen.families.classical.mixed_mixture import ScoredTable, check_scores
from morphogen.numerics.randomness import Rng

TINY = 1e-12
PAIRS = 2**22  # pairs of rows that are evaluated at once
DRAWS = 2**19  # pairs of rows of which one is drawn at once


class KernelDensity(Objective):
    """A kernel density estimate of numbers and categories, which memorizes its training rows.

    Arguments:
        table: the representation of the rows, a `ScoredTable`.
        classes: number of classes, the width of the one-hot `context.vector [B, classes]`; 0: unconditional.
        capacity: largest number M of rows that are kept, a random subset if there are more, at least 2.
        bandwidth: "likelihood" is fitted by EM; "scott" (n^(-1/(d+4)), Scott 1992) and "silverman"
            ((n (d+2)/4)^(-1/(d+4)), Silverman 1986) are multiples of each column's standard deviation.
        floor: smallest h, in standard deviations of a column, above 0: two equal rows would make it 0.

    Raises:
        ConfigError: if an argument is out of range, or a context has the wrong width.
    """

    coupled_rows = True  # a row is measured by the others
    stored = "training rows, and its samples are near copies of them"

    def __init__(
        self, table: ScoredTable, classes: int = 0, capacity: int = 4096,
        bandwidth: Literal["likelihood", "scott", "silverman"] = "likelihood", floor: float = 1e-3,
    ):  # fmt: skip
        super().__init__()
        if classes < 0 or capacity < 2 or not 0 < floor < math.inf:
            raise ConfigError(
                "KernelDensity needs classes >= 0, capacity >= 2, floor > 0; got "
                f"classes={classes}, capacity={capacity}, floor={floor:g}"
            )
        self.table, self.classes, self.capacity = table, classes, capacity
        self.bandwidth, self.floor = bandwidth, floor
        self.numbers, self.kernel = list(table.numbers), MixedKernel(table, floor)
        self.register_buffer("codes", torch.zeros(capacity, len(table.masses), dtype=torch.int64))
        self.register_buffer("scores", torch.zeros(capacity, len(self.numbers), dtype=torch.float64))
        self.register_buffer("label", torch.full((capacity,), -1))
        self.register_buffer("kept", torch.zeros((), dtype=torch.int64))

    codes: Int[Tensor, "m d"]
    scores: Float[Tensor, "m k"]
    label: Int[Tensor, " m"]
    kept: Int[Tensor, ""]

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One player without parameters: the model is fitted by `update_from_statistics`."""
        return {"model": []}

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        """The negative log-likelihood of each row under the others of the batch.

        Up to `capacity` rows are kept and measured: those with the smallest of random numbers keyed by row.
        """
        context, rng = self.receive_mask(x.mask, context, rng)
        kept = Rng(0, rng.rows, ("kept",)).uniform().argsort()[: self.capacity].sort().values
        stored = {"codes": x.x["codes"][kept], "scores": x.x["scores"][kept].double()}
        label = self._labels(context, len(rng))[kept]
        statistics = {
            "codes": _padded(stored["codes"], self.capacity),
            "scores": _padded(stored["scores"], self.capacity),
            "label": _padded(label + 1, self.capacity) - 1,
            "kept": torch.tensor(float(len(kept)), device=kept.device),
        }
        nll, sums = torch.zeros(len(rng), dtype=torch.float64, device=kept.device), []
        for part in torch.arange(len(kept), device=kept.device).split(max(1, PAIRS // len(kept))):
            log_k = self.kernel.log_kernels(_rows(stored, part), stored) + _log_same(label[part], label)
            log_k[torch.arange(len(part)), part] = -torch.inf
            total, rivals = log_k.logsumexp(1), (log_k > -torch.inf).sum(1)
            nll[kept[part]] = torch.where(rivals > 0, rivals.clamp_min(1).double().log() - total, 0.0)
            r = (log_k - total[:, None]).exp().nan_to_num(0.0)
            sums.append(self.kernel.distances(r, _rows(stored, part), stored))
        statistics |= {name: torch.stack([each[name] for each in sums]).sum(0) for name in sums[0]}
        weight = torch.zeros_like(nll).index_fill(0, kept, 1.0)
        return Losses({"nll": nll}, weight=weight, statistics=statistics)

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Keep rows of the first batch, with the bandwidths of Scott's rule or Silverman's.

        Errors: ConfigError for a single row, and scores that are not finite.
        """
        check_scores(x.x["scores"])
        if len(rng) < 2:
            raise ConfigError("KernelDensity: a single row has no other to be measured by: give two or more")
        self._keep(self.losses(x, context, rng, "model").statistics)
        n, d = int(self.kept), len(self.table.masses)
        rate = (n * (d + 2) / 4 if self.bandwidth == "silverman" else n) ** (-1 / (d + 4))
        exists = (self.codes[:n, self.numbers] > 0).double()
        count = exists.sum(0).clamp_min(1)
        mean = (self.scores[:n] * exists).sum(0) / count
        spread = (((self.scores[:n] - mean) * exists).square().sum(0) / (count - 1).clamp_min(1)).sqrt()
        self.kernel.widths.copy_((rate * spread).clamp_min(self.floor))
        self.kernel.switch.copy_(self.kernel.bounded(torch.full_like(self.kernel.switch, rate**2)))

    @torch.no_grad()
    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """Keep the rows of this step; the M-step of the bandwidths."""
        self._keep(statistics)
        if self.bandwidth == "likelihood":
            squared, pairs = statistics["squared"], statistics["pairs"]
            widths = (squared / pairs.clamp_min(TINY)).sqrt().clamp_min(self.floor)
            self.kernel.widths.copy_(torch.where(pairs > TINY, widths, self.kernel.widths))
            self.kernel.switch.copy_(
                self.kernel.bounded(statistics["differ"] / statistics["measured"].clamp_min(TINY))
            )

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Exact log p of the cells that are not given; -inf for an x with other cells than the given.

        Of a training row it contains the row's own bump: `losses` leave it out.
        """
        context, rng = self.receive_mask(x.mask, context, rng)
        nats = self.log_joint(x.x, context).logsumexp(1)
        if context is not None and context.given is not None:
            given = context.given["codes"]
            nats = nats - self.log_joint(context.given, context).logsumexp(1)
            nats = nats.masked_fill(((given >= 0) & (given != x.x["codes"])).any(1), -torch.inf)
        return Likelihood(nats, x.dims, kind="exact", measure="density")

    def default_sampler(self) -> Sampler:
        return KernelSampler()

    def log_joint(self, x: Cells, context: Context | None) -> Float[Tensor, "b m"]:
        """log w_cm K(x | x_m) of each kept row m; cells with code -1 are integrated out."""
        n = max(1, int(self.kept))
        stored = {"codes": self.codes[:n], "scores": self.scores[:n]}
        log_weight = self._log_weights(context, len(x["codes"]), n)
        parts = torch.arange(len(log_weight), device=log_weight.device).split(max(1, PAIRS // n))
        distinct = ((part, *_distinct(_rows(x, part))) for part in parts)
        log_k = [self.kernel.log_kernels(rows, stored)[i] + log_weight[part] for part, rows, i in distinct]
        return torch.cat(log_k)

    def _keep(self, statistics: dict[str, Tensor]) -> None:
        for name in ("codes", "scores", "label", "kept"):
            getattr(self, name).copy_(statistics[name])

    def _labels(self, context: Context | None, rows: int) -> Int[Tensor, " b"]:
        """The class of each row; -1 without one."""
        if context is None or context.vector is None or not self.classes:
            return torch.full((rows,), -1, device=self.label.device)
        if (width := context.vector.shape[1]) != self.classes:
            raise ConfigError(
                f"KernelDensity(classes={self.classes}) received a context vector of width {width}: use the "
                "conditioner OneHot"
            )
        return context.vector.argmax(1)

    def _log_weights(self, context: Context | None, rows: int, n: int) -> Float[Tensor, "b m"]:
        """log w_cm: equal for the rows of the class, or for all where the class has none."""
        log_same = _log_same(self._labels(context, rows), self.label[:n])
        none = (log_same == -torch.inf).all(1, keepdim=True)
        return torch.where(none, 0.0, log_same).log_softmax(1)


class KernelSampler(Sampler):
    """Draw a kept row in proportion to its weight for the given cells, and then of its kernel; exact.

    Arguments:
        complete: draw no missing cells, as imputation requires.
    """

    requires = "kernel"

    def __init__(self, complete: bool = False):
        self.complete = complete

    def __call__(
        self, objective: Any, shape: Mapping[str, tuple[int, ...]], context: Context | None, rng: Rng
    ) -> dict[str, Tensor]:
        self.check(objective)
        n, numbers = len(rng), objective.numbers
        free = torch.full((n, *shape["codes"]), -1, device=rng.rows.device)
        nothing = {"codes": free, "scores": torch.zeros(n, *shape["scores"], device=free.device)}
        given = nothing if context is None or context.given is None else context.given
        row, chosen = torch.empty_like(rng.rows), rng.fork("row")
        for part in torch.arange(n, device=row.device).split(max(1, DRAWS // max(1, int(objective.kept)))):
            of_part = None if context is None else context[part]
            row[part] = chosen[part].categorical(objective.log_joint(_rows(given, part), of_part))
        codes, drawn = objective.codes[row].clone(), rng.fork("codes")
        for j, masses in enumerate(objective.table.masses):
            codes[:, j] = drawn.fork(j).categorical(self._log_kernel(objective, j, codes[:, j], masses))
        codes = torch.where(given["codes"] >= 0, given["codes"], codes)
        eps, exists = rng.fork("noise").normal(*shape["scores"]).double(), codes[:, numbers] > 0
        near = objective.scores[row] + objective.kernel.widths * eps
        scores = torch.where(objective.codes[row][:, numbers] > 0, near, eps).float()
        scores = torch.where(given["codes"][:, numbers] > 0, given["scores"].float(), scores)
        return {"codes": codes, "scores": torch.where(exists, scores, 0.0)}

    def _log_kernel(self, objective: Any, j: int, codes: Tensor, masses: Tensor) -> Float[Tensor, "b v"]:
        """log K_j of every code, around that of a kept row; -inf for a code that cannot be, or must not."""
        own = F.one_hot(codes, len(masses)).bool()
        switch, others = objective.kernel.switch[j], (objective.kernel.choices[j] - 1).clamp_min(1)
        # where all are refused but the row's own, the smallest number is left for the others
        p = torch.where(own, 1 - switch, (switch / others).clamp_min(TINY))
        impossible = (masses <= 0).to(codes.device)
        impossible[0] |= self.complete
        return p.masked_fill(impossible, 0.0).log()


def _rows(cells: Cells, rows: Tensor | slice) -> Cells:
    return {name: values[rows] for name, values in cells.items()}


def _distinct(x: Cells) -> tuple[Cells, Int[Tensor, " b"]]:
    """The different rows of x, and which of them each row is: samples often have equal given cells."""
    cells, which = torch.cat([values.double() for values in x.values()], 1).unique(dim=0, return_inverse=True)
    parts = cells.split([values.shape[1] for values in x.values()], 1)
    return {name: part.to(x[name]) for name, part in zip(x, parts, strict=True)}, which


def _log_same(label: Int[Tensor, " b"], other: Int[Tensor, " m"]) -> Float[Tensor, "b m"]:
    """0 where a row m has the class of row i, or row i has none; else -inf."""
    same = (label[:, None] == other) | (label < 0)[:, None]
    return torch.where(same, 0.0, -torch.inf).double()


def _padded(rows: Tensor, capacity: int) -> Tensor:
    """Rows as a statistic of the capacity."""
    rows = rows.double()
    return F.pad(rows, (*[0, 0] * (rows.ndim - 1), 0, capacity - len(rows)))
