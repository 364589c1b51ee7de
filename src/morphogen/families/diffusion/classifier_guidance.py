r"""Classifier guidance and products of models, both by adding scores.

    p(x | y) ~ p(x) p(y | x)^s         score + s grad log p(y | x_t)      Dhariwal & Nichol 2021, section 4.1
    p(x) ~ p_1(x)^w1 p_2(x)^w2 ...     w1 score_1 + w2 score_2 + ...      Du et al. 2023

The score of a product of distributions is the sum of their scores.

With s = 1 and the exact p(y | x_t) at every noise level, classifier guidance is Bayes' rule and exact. With
another s, and for products, the distributions at t > 0 differ from the diffused product; they agree only
near the data. `AnnealedLangevin` and `PredictorCorrector`, which take Langevin steps at a fixed noise
level, correct the difference. Classifier-free guidance is in `conditioning/guidance.py`.
"""

__all__ = ["ClassifierGuided", "ProductOfModels", "add_to_score"]

from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guidance
from morphogen.contract import Context, Sampler, Unsupported, x_mask_of
from morphogen.families.diffusion.denoiser import Denoiser
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.targets import Denoised
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like


class ClassifierGuided(Guidance):
    """Classifier guidance: sample a class with the gradient of a classifier of noisy data.

        score + s grad log p(y | x_t):    eps - s sigma grad,    x_0 + s sigma^2 / alpha grad

    The variance of the reverse step does not change. Diffusion models beat GANs on image synthesis, Dhariwal
    & Nichol, 2021.

    Arguments:
        sampler: a diffusion sampler, with or without other guidance.
        classifier: (x_t [B, ...], time input [B]) -> logits [B, classes].
        scale: s; 1 is Bayes' rule, larger values sharpen it.
        label: the class to sample; None: the condition of each row (the diffusion model may be
            unconditional).

    Raises ConfigError without a label and a condition.
    """

    def __init__(self, sampler: Sampler, classifier: nn.Module, scale: float = 1.0, label: int | None = None):
        self.sampler, self.classifier, self.scale, self.label = sampler, classifier, scale, label

    def guide(self, objective: Any, context: Context | None) -> Any:
        """The objective with the guided prediction; see `Guided`.

        Errors: Unsupported for sets of different sizes, of which the classifier would see the padding.
        """
        if x_mask_of(context) is not None:
            raise Unsupported(
                "ClassifierGuided does not accept examples of different sizes: "
                "use Guided, classifier-free guidance"
            )
        self._labels(context)
        return objective.steered(lambda predict: partial(self._predict, objective.schedule, predict))

    def _predict(
        self, process: ForwardProcess, predict: Any, x_t: Tensor, t: Tensor, context: Context | None
    ) -> Denoised:
        """The prediction with the gradient added to its score."""
        prediction = predict(x_t, t, context)
        labels = torch.as_tensor(self._labels(context), device=x_t.device).expand(len(x_t))
        gradient = self.scale * self._gradient(labels, x_t, process.time_input(t))
        return add_to_score(prediction, gradient, process, t)

    def _gradient(self, labels: Tensor, x_t: Tensor, time_input: Tensor) -> Tensor:
        """grad log p(labels | x_t)."""
        with torch.enable_grad():
            x_t = x_t.detach().requires_grad_()
            log_p = self.classifier(x_t, time_input).log_softmax(-1).gather(1, labels[:, None])
            return torch.autograd.grad(log_p.sum(), x_t)[0]

    def _labels(self, context: Context | None) -> Tensor | int:
        """The class of every row, or of each. Errors: ConfigError without one."""
        labels = self.label if self.label is not None or context is None else context.condition.get("label")
        if labels is None:
            raise ConfigError("ClassifierGuided requires a class: pass a condition or a label")
        return labels


def add_to_score(
    prediction: Denoised, gradient: Float[Tensor, "b ..."], process: ForwardProcess, t: Real[Tensor, " b"]
) -> Denoised:
    """The prediction of score + gradient; see `ClassifierGuided`."""
    alpha, sigma = (expand_like(level, gradient) for level in (process.alpha(t), process.sigma(t)))
    on_x_0 = torch.where(alpha > 0, sigma.square() / alpha.clamp_min(1e-12), 0.0)  # x_T has no class
    x_0, eps = prediction.x_0 + on_x_0 * gradient, prediction.eps - sigma * gradient
    return prediction._replace(x_0=x_0, eps=eps)


class ProductOfModels(Denoiser):
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
        self.schedule, self.max_abs = objectives[0].schedule, objectives[0].max_abs

    def predict(
        self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"], context: Context | None
    ) -> Denoised:
        """Predict x_0 and eps from the weighted sum of scores, with one call of each model.

        x_0 is 0 where alpha = 0 leaves it undetermined.
        """
        if (mask := x_mask_of(context)) is not None:
            for objective in self.objectives:
                objective.receive_mask(mask, context, Rng(0, len(mask)))
        weighted = [
            weight * objective.predict(x_t, t, context).eps
            for objective, weight in zip(self.objectives, self.weights, strict=True)
        ]
        eps = torch.stack(weighted).sum(0)
        alpha, sigma = expand_like(self.schedule.alpha(t), x_t), expand_like(self.schedule.sigma(t), x_t)
        x_0 = torch.where(alpha > 0, (x_t - sigma * eps) / alpha.clamp_min(1e-12), 0.0)
        return Denoised(x_0, eps)
