r"""Autoregressive models of table rows: the chain rule over columns, in any order.

    log p(x | c) = sum_j log P(code_j | the codes of the columns before j, c),   offsets ~ U(0, 1)

Every cell is a code and an offset within the code's interval (`representations.tabular`), so the likelihood
is exact: a histogram whose bins the data choose, and whose heights depend on the other columns. Half of the
training rows come in the order of the columns. In the others a random number of random columns comes first
and is not scored, so that the network has the conditional of the other columns given any cells: samples keep
given cells, which is imputation (van Buuren 2018, "Flexible imputation of missing data").

References: The neural autoregressive distribution estimator, Larochelle & Murray, 2011; A deep and tractable
density estimator, Uria, Murray & Larochelle, 2014, for random orders.
"""

__all__ = ["AutoregressiveColumns", "ColumnSampler"]

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.numerics.masking import masked_mean
from morphogen.numerics.randomness import Rng

AT_ONCE = 1024  # rows that are drawn together: bounds the memory of the logits of columns of many codes
Cells = Mapping[str, Any]  # "codes" int64 [B, D], and "offsets" float [B, D] in [0, 1)


class AutoregressiveColumns(Objective):
    """p(codes) by the chain rule over columns; the loss is the negative log-likelihood in nats per column.

    `context.given` holds the given cells: codes, -1 where none is given. The likelihood is then that of the
    other cells given these.

    Arguments:
        network: `(codes [B, D], order [B, D], context)` to the features [B, D, W] of each column, with
            `logits(column, features)` and cached decoding, such as `ColumnTransformer`.
        given: fraction of the training rows of which random columns are given, in [0, 1).

    Raises:
        ConfigError: for another fraction.
    """

    def __init__(self, network: nn.Module, given: float = 0.5):
        super().__init__()
        if not 0 <= given < 1:
            raise ConfigError(f"AutoregressiveColumns: given={given:g} is a fraction of rows: give 0.5")
        self.network, self.given = network, given

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        codes = x.x["codes"]
        first = self._drawn_given(codes, rng)
        nll = masked_mean(-self.code_log_probs(codes, first, context), ~first)
        return Losses({"nll": nll}, weight=(~first).sum(1).to(nll.dtype))

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Exact log p of the cells that are not given; -inf for an x that has other cells than the given."""
        context, rng = self.receive_mask(x.mask, context, rng)
        codes, given = x.x["codes"], given_codes(context, x.x["codes"])
        log_probs = self.code_log_probs(codes, given >= 0, context)
        nats = log_probs.masked_fill(given >= 0, 0.0).sum(1)
        differs = ((given >= 0) & (given != codes)).any(1)
        return Likelihood(nats.masked_fill(differs, -torch.inf), x.dims, "exact", "mass")

    def code_log_probs(
        self, codes: Int[Tensor, "b d"], first: Bool[Tensor, "b d"], context: Context | None
    ) -> Float[Tensor, "b d"]:
        """log P(code_j | the columns before it) of each column; those of `first` come first."""
        features = self.network(codes, column_order(first), context)
        logits: Any = self.network.logits
        nll = [
            F.cross_entropy(logits(j, features[:, j]).float(), codes[:, j], reduction="none")
            for j in range(codes.shape[1])
        ]
        return -torch.stack(nll, 1)

    def default_sampler(self) -> "ColumnSampler":
        return ColumnSampler()

    def _drawn_given(self, codes: Int[Tensor, "b d"], rng: Rng) -> Bool[Tensor, "b d"]:
        """The columns that are given in training: 0 .. D-1 random ones of some of the rows."""
        count = codes.shape[1]
        some = rng.fork("some").uniform() < self.given
        given = torch.where(some, rng.fork("number").integers(count), 0)
        return rng.fork("columns").uniform(count).argsort(1).argsort(1) < given[:, None]


class ColumnSampler(Sampler):
    """Draw the columns one after another, those that `context.given` has first; exact at temperature 1.

    Arguments:
        temperature: of the softmax of each column, above 0; below 1 rows are likelier and less diverse.
        complete: draw no missing cells, as imputation requires.

    Raises:
        ConfigError: for another temperature.
    """

    requires = "code_log_probs"

    def __init__(self, temperature: float = 1.0, complete: bool = False):
        if not temperature > 0:
            raise ConfigError(f"ColumnSampler: temperature={temperature:g} is not above 0: give 1, or 0.8")
        self.temperature, self.complete = temperature, complete

    @torch.no_grad()
    def __call__(
        self, objective: Any, shape: Mapping[str, tuple[int, ...]], context: Context | None, rng: Rng
    ) -> dict[str, Tensor]:
        self.check(objective)
        u = rng.fork("codes").uniform(*shape["codes"])
        given = given_codes(context, torch.zeros_like(u, dtype=torch.int64))
        codes = given.clone()
        patterns, pattern_of = (given >= 0).unique(dim=0, return_inverse=True)
        for k, pattern in enumerate(patterns):  # rows with the same given columns have the same order
            for rows in (pattern_of == k).nonzero()[:, 0].split(AT_ONCE):
                part = None if context is None else context[rows]
                codes[rows] = self._draw(objective.network, codes[rows], pattern, u[rows], part)
        drawn = {name: rng.fork(name).uniform(*sizes) for name, sizes in shape.items() if name != "codes"}
        kept = {} if context is None or context.given is None else context.given
        return {"codes": codes} | {
            name: torch.where(given >= 0, kept[name], new) if name in kept else new
            for name, new in drawn.items()
        }

    def _draw(
        self, network: Any, codes: Int[Tensor, "b d"], given: Bool[Tensor, " d"], u: Float[Tensor, "b d"],
        context: Context | None,
    ) -> Int[Tensor, "b d"]:  # fmt: skip
        """Rows whose given columns are kept, and the others drawn in their order."""
        order, first = column_order(given[None])[0].tolist(), int(given.sum())
        if first == len(order):
            return codes
        cache = network.decode(len(codes), order, context)
        logits = cache.prefill(codes[:, order[:first]])
        for i, j in enumerate(order[first:], start=first + 1):
            if self.complete:
                logits[:, 0] = -torch.inf
            codes[:, j] = _inverse_cdf(logits.div_(self.temperature), u[:, j])
            if i < len(order):
                logits = cache.step(codes[:, j])
        return codes


def given_codes(context: Context | None, codes: Int[Tensor, "b d"]) -> Int[Tensor, "b d"]:
    """The given codes of each row, -1 where none is given."""
    if context is None or context.given is None:
        return torch.full_like(codes, -1)
    return context.given["codes"]


def column_order(first: Bool[Tensor, "b d"]) -> Int[Tensor, "b d"]:
    """The order of the columns of each row: those of `first`, then the others, each in their own order."""
    return (~first).to(torch.int8).argsort(dim=1, stable=True)


def _inverse_cdf(logits: Float[Tensor, "b v"], u: Float[Tensor, " b"]) -> Int[Tensor, " b"]:
    """Inverse transform sampling in fp32, in half the time of `invert_cdf`, for columns of many codes."""
    cdf = logits.float().softmax(-1).cumsum(-1)
    drawn = torch.searchsorted(cdf, (u.float() * cdf[:, -1])[:, None], right=True)[:, 0]
    return drawn.clamp_max(logits.shape[-1] - 1)
