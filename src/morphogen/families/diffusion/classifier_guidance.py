r"""Classifier guidance and products of models, both by adding scores.

    p(x | y) ~ p(x) p(y | x)^s         score + s grad log p(y | x_t)      Dhariwal & Nichol 2021, section 4.1
    p(x) ~ p_1(x)^w1 p_2(x)^w2 ...     w1 score_1 + w2 score_2 + ...      Du et al. 2023

The score of a product of distributions is the sum of their scores.

With s = 1 and the exact p(y | x_t) at every noise level, classifier guidance is Bayes' rule and exact. With
another s, and for products, the distributions at t > 0 differ from the diffused product; they agree only
near the data. `AnnealedLangevin` and `PredictorCorrector`, which take Langevin steps at a fixed noise
level, correct the difference. Classifier-free guidance is in `conditioning/guidance.py`.
"""

__all__ = ["ClassifierGuided", "ProductOfModels"]

from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler
from morphogen.families.diffusion.targets import Denoised
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like


class ClassifierGuided(Sampler):
    """Classifier guidance: sample a class with the gradient of a classifier of noisy data.

    Diffusion models beat GANs on image synthesis, Dhariwal & Nichol, 2021.

    Arguments:
        sampler: a diffusion sampler.
        classifier: (x_t [B, ...], time input [B]) -> logits [B, classes].
        scale: s; 1 is Bayes' rule, larger values sharpen it.
        label: the class to sample; None: the condition of each row (the diffusion model may be
            unconditional).

    Raises ConfigError without a label and a condition.
    """

    def __init__(self, sampler: Sampler, classifier: nn.Module, scale: float = 1.0, label: int | None = None):
        self.sampler, self.classifier, self.scale, self.label = sampler, classifier, scale, label

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        return self.sampler(self.guide(objective, context), shape, context, rng)

    def guide(self, objective: Any, context: Context | None) -> Any:
        """Return the objective with the guided score; see `Guided`."""
        labels = self.label if self.label is not None or context is None else context.condition.get("label")
        if labels is None:
            raise ConfigError("ClassifierGuided requires a class: pass a condition or a label")
        return _GuidedObjective(objective, partial(self._gradient, labels))

    def _gradient(self, labels: Tensor | int, x_t: Tensor, time_input: Tensor) -> Tensor:
        """s grad log p(labels | x_t)."""
        labels = torch.as_tensor(labels, device=x_t.device).expand(len(x_t))
        with torch.enable_grad():
            x_t = x_t.detach().requires_grad_()
            log_p = self.classifier(x_t, time_input).log_softmax(-1).gather(1, labels[:, None])
            return self.scale * torch.autograd.grad(log_p.sum(), x_t)[0]


class _GuidedObjective:
    """A diffusion objective with a gradient added to its score.

    Arguments:
        objective: a diffusion objective.
        gradient: (x_t, time input) -> the term to add to the score.
    """

    def __init__(self, objective: Any, gradient: Any):
        self.objective, self.gradient = objective, gradient

    def __getattr__(self, name: str) -> Any:
        return getattr(self.objective, name)

    def denoise(self, x_t: Tensor, t: Tensor, context: Context | None) -> Denoised:
        prediction = self.objective.denoise(x_t, t, context)
        gradient = self.gradient(x_t, self.schedule.time_input(t))
        eps = prediction.eps - expand_like(self.schedule.sigma(t), x_t) * gradient
        return _from_eps(self.schedule, x_t, t, eps, prediction.variance_fraction)


class ProductOfModels:
    """A product of diffusion models, as an objective to sample from.

    Reduce, reuse, recycle, Du et al., 2023. The reverse step has the posterior variance, because the
    product is sharper than its factors.

    Arguments:
        objectives: diffusion objectives with the same forward process.
        weights: the exponent w of each; negative ones repel.

    Raises ConfigError if the numbers of models and weights differ.
    """

    variance = "posterior"

    def __init__(self, objectives: tuple[Any, ...], weights: tuple[float, ...]):
        if len(objectives) != len(weights) or not objectives:
            raise ConfigError(
                f"ProductOfModels requires one weight per model, "
                f"got {len(objectives)} models and {len(weights)} weights"
            )
        self.objectives, self.weights = objectives, weights
        self.schedule = objectives[0].schedule

    def denoise(
        self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"], context: Context | None
    ) -> Denoised:
        """Predict x_0 and eps from the weighted sum of scores, with one call of each model."""
        weighted = [
            weight * objective.denoise(x_t, t, context).eps
            for objective, weight in zip(self.objectives, self.weights, strict=True)
        ]
        return _from_eps(self.schedule, x_t, t, torch.stack(weighted).sum(0))


def _from_eps(
    process: Any, x_t: Tensor, t: Tensor, eps: Tensor, variance_fraction: Tensor | None = None
) -> Denoised:
    """The prediction with the given eps; x_0 is 0 where alpha = 0 leaves it undetermined."""
    alpha, sigma = expand_like(process.alpha(t), x_t), expand_like(process.sigma(t), x_t)
    x_0 = torch.where(alpha > 0, (x_t - sigma * eps) / alpha.clamp_min(1e-12), 0.0)
    return Denoised(x_0, eps, variance_fraction)
