r"""Where else a chain may be drawn to: what a classifier asks for, what several models agree on. Scores of laws that are multiplied add up.

    p(x | y) ~ p(x) p(y | x)^s          score + s grad log p(y | x_t)           (Dhariwal & Nichol 2021, section 4.1)
    p(x) ~ p_1(x)^w1 p_2(x)^w2 ...      w1 score_1 + w2 score_2 + ...           (Du et al. 2023)

At s = 1, with a classifier that knows p(y | x_t) at every level of noise, the first is Bayes' rule and exact; at other s, and for products,
the levels' laws are not those of the product drowned in noise, only near the data: there `AnnealedLangevin` and `PredictorCorrector`, which
stay at a level, mend what the way down got wrong. Guidance without a classifier stands in `conditioning/guidance.py`.
"""

__all__ = ["ClassifierGuided", "Product"]

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
    """Draw what a classifier of noisy pictures takes for a class (Diffusion models beat GANs on image synthesis, Dhariwal & Nichol 2021).

    Arguments:
        sampler: any of diffusion's.
        classifier: (x_t [B, ...], what a network is told of t [B]) -> logits [B, classes].
        scale: s; 1 is Bayes' rule, above 1 sharper than it.
        label: the class that is asked for; None: that of each row's condition, which a model that hears none can be given so.

    Raises ConfigError where nothing is asked for.
    """

    def __init__(self, sampler: Sampler, classifier: nn.Module, scale: float = 1.0, label: int | None = None):
        self.sampler, self.classifier, self.scale, self.label = sampler, classifier, scale, label

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Float[Tensor, "b ..."]:
        return self.sampler(self.guide(objective, context), shape, context, rng)

    def guide(self, objective: Any, context: Context | None) -> Any:
        """The objective whose score is pulled, as of `Guided`."""
        asked = self.label if self.label is not None or context is None else context.condition
        if asked is None:
            raise ConfigError("ClassifierGuided: no class is asked for; give a condition, or a label")
        return _Towards(objective, partial(self._pull, asked))

    def _pull(self, asked: Tensor | int, x_t: Tensor, told: Tensor) -> Tensor:
        """s grad log p(asked | x_t)."""
        labels = torch.as_tensor(asked, device=x_t.device).expand(len(x_t))
        with torch.enable_grad():
            x_t = x_t.detach().requires_grad_()
            log_p = self.classifier(x_t, told).log_softmax(-1).gather(1, labels[:, None])
            return self.scale * torch.autograd.grad(log_p.sum(), x_t)[0]


class _Towards:
    """An objective whose score is pulled."""

    def __init__(self, objective: Any, pull: Any):
        self.objective, self.pull = objective, pull

    def __getattr__(self, name: str) -> Any:
        return getattr(self.objective, name)

    def denoise(self, x_t: Tensor, t: Tensor, context: Context | None) -> Denoised:
        found = self.objective.denoise(x_t, t, context)
        eps = found.eps - expand_like(self.schedule.sigma(t), x_t) * self.pull(x_t, self.schedule.told(t))
        return _moved(self.schedule, x_t, t, eps, found.share)


class Product:
    """What several models agree on, as an objective to sample (Reduce, reuse, recycle, Du et al. 2023).

    Arguments:
        objectives: of diffusion, by the same process.
        weights: w of each; negative ones push away.

    Raises ConfigError for another number of weights.
    """

    def __init__(self, objectives: tuple[Any, ...], weights: tuple[float, ...]):
        if len(objectives) != len(weights) or not objectives:
            raise ConfigError(f"Product: {len(objectives)} models and {len(weights)} weights; give one for each")
        self.objectives, self.weights = objectives, weights
        self.schedule, self.variance = objectives[0].schedule, "posterior"  # of a law that is sharper than each

    def denoise(self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"], context: Context | None) -> Denoised:
        """x_0 and eps of the summed scores: one call of each."""
        said = [weight * objective.denoise(x_t, t, context).eps for objective, weight in zip(self.objectives, self.weights, strict=True)]
        return _moved(self.schedule, x_t, t, torch.stack(said).sum(0))


def _moved(process: Any, x_t: Tensor, t: Tensor, eps: Tensor, share: Tensor | None = None) -> Denoised:
    """x_0 of x_t and another eps; 0 where x_t says nothing of it."""
    alpha, sigma = expand_like(process.alpha(t), x_t), expand_like(process.sigma(t), x_t)
    return Denoised(torch.where(alpha > 0, (x_t - sigma * eps) / alpha.clamp_min(1e-12), 0.0), eps, share)
