r"""Flows of mixed data: a distribution of codes, then a flow of real numbers given the codes.

    log p(codes, z | c) = log P(codes | c) + log N(f(W z_o; codes, c); 0, I) + log|det df/dz_o W|

The codes say which numbers exist. For each such pattern f is a bijection of the existing numbers z_o, so that
the likelihood is exact; the others are neither filled in nor dequantised. The chain rule takes any model of
the codes as its first factor: a normalizing flow has a density, and categories have none.

References: Density estimation using Real NVP, Dinh, Sohl-Dickstein & Bengio, 2017; MCFlow (Richardson, Wu,
Lin, Xu & Bernal 2020) fills missing numbers in instead.
"""

__all__ = ["MixedFlow", "MixedFlowSampler"]

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.flow.bijection import Bijection
from morphogen.families.flow.coupling import existing
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng


class MixedFlow(Objective):
    """Maximum likelihood of x = {"codes": int64 [B, D], "scores": [B, K]}.

    Arguments:
        codes: model of the codes, an objective of one player with a likelihood.
        whitening: W, a linear bijection of the K scores, such as `Whitening(K)`.
        scores: f, a bijection of the whitened scores, whose `context.vector` is the embedding.
        embedding: `(codes [B, D], vector)` to a vector, such as `CodeEmbedding`.
        columns: which of the codes, if above 0, says that a score exists, one for each score.
        noise: standard deviation of noise added to W z in training only, against overfitting (Rothfuss et al.
            2019, "Noise regularization for conditional density estimation"). Added to z, it would blur the
            dependence of columns that almost determine each other.
    """

    prepare_rows = 4096  # which determine the covariances of a hundred columns

    def __init__(
        self, codes: Objective, whitening: Bijection, scores: Bijection, embedding: nn.Module,
        columns: tuple[int, ...], noise: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.codes, self.whitening, self.scores, self.embedding = codes, whitening, scores, embedding
        self.columns, self.noise = tuple(columns), noise

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        scores, given = x.x["scores"], self.given_codes(x.x["codes"], context)
        white, log_det = self.whitening(scores, given)
        white = existing(white + self.noise * rng.fork("noise").normal(scores.shape[1]).to(white), given)
        of_codes = self.codes.losses(x, context, rng.fork("codes"), self.codes.turns[0])
        nll = of_codes.total if of_codes.weight is None else of_codes.weight * of_codes.total
        log_density, _ = self._log_density(white, given, rng)
        return Losses({"codes": nll, "scores": -(log_density + log_det)})

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        context, rng = self.receive_mask(x.mask, context, rng)
        of_codes = self.codes.log_prob(x, context, rng.fork("codes"))
        given = self.given_codes(x.x["codes"], context)
        white, log_det = self.whitening(x.x["scores"], given)
        log_density, variance = self._log_density(white, given, rng)
        kind = of_codes.kind if self.scores.kind == "exact" else "estimate"
        stderr = None if variance is None else variance.sqrt()
        return Likelihood(of_codes.nats + log_density + log_det, x.dims, kind, "density", stderr)

    def given_codes(self, codes: Int[Tensor, "b d"], context: Context | None) -> Context:
        """The context of the scores: the embedded codes and condition, and the mask of existing scores."""
        vector = self.embedding(codes, None if context is None else context.vector)
        exists = codes[:, list(self.columns)] > 0
        return replace(Context() if context is None else context, vector=vector, x_mask=exists, null=None)

    def default_sampler(self) -> "MixedFlowSampler":
        return MixedFlowSampler()

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        self.codes.prepare(x, context, rng.fork("codes"))
        scores, given = x.x["scores"], self.given_codes(x.x["codes"], context)
        self.whitening.prepare(scores, given)
        self.scores.prepare(self.whitening(scores, given)[0], given)

    def _log_density(
        self, white: Float[Tensor, "b k"], given: Context, rng: Rng
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"] | None]:
        """log p(W z | codes), and its variance if it is estimated with several probes."""
        z, log_det, variance = self.scores.estimate(white, given, rng.fork("log_det"))
        return existing(gaussian_log_prob(z), given).sum(1) + log_det, variance


class MixedFlowSampler(Sampler):
    """Draw the codes, then the scores f^-1(T eps; codes), eps ~ N(0, I); exact at T = 1.

    Arguments:
        temperature: T >= 0, as in `FlowSampler`.
        codes: sampler of the codes; None: their model's default.
    """

    requires = "given_codes"

    def __init__(self, temperature: float = 1.0, codes: Sampler | None = None):
        self.temperature, self.codes = temperature, codes

    def __call__(
        self, objective: Any, shape: Mapping[str, tuple[int, ...]], context: Context | None, rng: Rng
    ) -> dict[str, Tensor]:
        self.check(objective)
        sampler = self.codes if self.codes is not None else objective.codes.default_sampler()
        drawn: Any = sampler(objective.codes, {"codes": shape["codes"]}, context, rng.fork("codes"))
        given = objective.given_codes(drawn["codes"], context)
        eps = existing(self.temperature * rng.fork("noise").normal(*shape["scores"]), given)
        scores = objective.scores.inverse(eps, given)
        return {"codes": drawn["codes"], "scores": objective.whitening.inverse(scores, given)}
