r"""Observation model and sampler of table rows: categories, and numbers of which some are missing.

    log p(x | h) = sum_j log P(code_j | h) + sum_(k exists) log p(score_k | h)

Columns are independent given z. A missing cell is a code of its own, and the score of a number that does not
exist counts as nothing. A row is sampled, and not the median: the noise of a cell is part of its column's
distribution ("Modeling tabular data using conditional GAN", Xu, Skoularidou, Cuesta-Infante & Veeramachaneni,
2019, section 4.4: TVAE).

Given cells condition z: of draws from the prior, one is kept with probability proportional to p(given | z)
(sampling importance resampling, Rubin 1987), which is exact as their number grows.
"""

__all__ = ["MixedColumns", "RowSampler"]

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.numerics.randomness import Rng, invert_cdf
from morphogen.objective_values import check_result

Cells = Mapping[str, Tensor]  # "codes" int64 [B, D], "scores" [B, K]; or their parameters


class MixedColumns(ObservationModel):
    """p(x | h) of rows x = {"codes": int64 [B, D], "scores": [B, K]}, such as `NormalScores` has.

    h has the logits of all columns side by side, and the parameters of the scores. Codes of -1 are integrated
    out: `log_prob` is then that of the other cells.

    Arguments:
        sizes: number of codes of each column.
        columns: which of the codes, if above 0, says that a score exists, one for each score.
        scores: observation model of a score.
    """

    measure = "density"

    def __init__(self, sizes: Sequence[int], columns: Sequence[int], scores: ObservationModel):
        self.sizes, self.columns, self.scores = tuple(sizes), tuple(columns), scores

    def outputs(self, channels: Mapping[str, int]) -> dict[str, int]:
        return {"codes": sum(self.sizes), "scores": self.scores.outputs(channels["scores"])}

    def log_prob(self, x: Cells, h: Cells) -> Float[Tensor, " b"]:
        codes, rows, count = x["codes"], len(x["codes"]), len(self.columns)
        check_result("the decoder", h["codes"], (rows, sum(self.sizes)))
        check_result("the decoder", h["scores"], (rows, self.scores.outputs(count)))
        of_codes = [
            F.cross_entropy(logits, codes[:, j], reduction="none", ignore_index=-1)
            for j, logits in enumerate(h["codes"].split(self.sizes, 1))
        ]
        each = h["scores"].unflatten(1, (-1, count)).movedim(1, 2) if count else h["scores"][:, :, None]
        of_scores = self.scores.log_prob(x["scores"].reshape(-1, 1), each.flatten(0, 1)).view(rows, count)
        return torch.where(self.exist(codes), of_scores, 0.0).sum(1) - torch.stack(of_codes).sum(0)

    def exist(self, codes: Int[Tensor, "b d"]) -> Bool[Tensor, "b k"]:
        """Which of the scores exist, [B, K]."""
        return codes[:, self.columns] > 0

    def median(self, h: Cells) -> dict[str, Tensor]:
        codes = torch.stack([logits.argmax(1) for logits in h["codes"].split(self.sizes, 1)], 1)
        return {"codes": codes, "scores": torch.where(self.exist(codes), self.scores.median(h["scores"]), 0)}

    def sample(self, h: Cells, rng: Rng) -> dict[str, Tensor]:
        u = rng.fork("codes").uniform(len(self.sizes))
        each = enumerate(h["codes"].split(self.sizes, 1))
        codes = torch.stack([invert_cdf(logits, u[:, j]) for j, logits in each], 1)
        scores = self.scores.sample(h["scores"], rng.fork("scores"))
        return {"codes": codes, "scores": torch.where(self.exist(codes), scores, 0)}

    def complete(self, h: Cells) -> dict[str, Tensor]:
        """The parameters of p(x | h, no cell is missing)."""
        logits = h["codes"].clone()
        logits[:, [sum(self.sizes[:j]) for j in range(len(self.sizes))]] = -torch.inf
        return {**h, "codes": logits}

    def default_sampler(self) -> Sampler:
        return RowSampler()


class RowSampler(Sampler):
    """Draw z from the prior, and the row from p(x | z); given cells condition z and are kept.

    Arguments:
        candidates: draws of z, one of which is kept where cells are given (Rubin 1987).
        temperature: of the prior; 1 is exact, smaller values give likelier, less diverse rows.
        complete: draw no missing cells, as imputation requires.
    """

    requires = "sample_latents"

    def __init__(self, candidates: int = 256, temperature: float = 1.0, complete: bool = False):
        if candidates < 1:
            raise ConfigError(f"RowSampler: candidates={candidates}: give at least 1")
        self.candidates, self.temperature, self.complete = candidates, temperature, complete

    def __call__(self, objective: Any, shape: Any, context: Context | None, rng: Rng) -> dict[str, Tensor]:
        self.check(objective)
        given = None if context is None else context.given
        h = objective.predict(self._latents(objective, context, given, rng.fork("prior")), context)
        h = objective.likelihood.complete(h) if self.complete else h
        drawn = objective.likelihood.sample(h, rng.fork("observation"))
        if given is None:
            return drawn
        codes = torch.where(given["codes"] >= 0, given["codes"], drawn["codes"])
        known = objective.likelihood.exist(given["codes"])
        return {"codes": codes, "scores": torch.where(known, given["scores"], drawn["scores"])}

    def _latents(
        self, objective: Any, context: Context | None, given: Cells | None, rng: Rng
    ) -> Float[Tensor, "b d"]:
        """z ~ p(z | given): of the candidates, the first whose weight and Gumbel noise sum to the most."""
        kept = objective.sample_latents(context, rng, self.temperature)
        if given is None:
            return kept
        best = kept.new_full((len(kept),), -torch.inf)
        for i in range(self.candidates):
            stream = rng.fork(i)
            z = objective.sample_latents(context, stream, self.temperature)
            gumbel = -(-stream.fork("gumbel").uniform().log()).log()
            score = objective.likelihood.log_prob(given, objective.predict(z, context)) + gumbel
            kept = torch.where((score > best)[:, None], z, kept)
            best = torch.maximum(score, best)
        return kept
