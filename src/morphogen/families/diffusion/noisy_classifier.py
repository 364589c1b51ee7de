r"""A classifier p(y | x_t) of noisy data at every noise level, for classifier guidance.

    loss = -log p(y | x_t, t),     x_t = alpha_t x_0 + sigma_t eps,     t sampled by the forward process

(Diffusion models beat GANs on image synthesis, Dhariwal & Nichol 2021, section 4.) A classifier trained on
clean images only is of no use at x_t. A noisy classifier doesn't generate samples: `ClassifierGuided` uses
its gradient to guide a diffusion model.
"""

__all__ = ["NoisyClassifier"]

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses, Trainable
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.numerics.randomness import Rng


class NoisyClassifier(Trainable):
    """Classifier p(y | x_t) of noisy data; the labels are the condition (Dhariwal & Nichol 2021).

    Arguments:
        network: (x_t [B, ...], time input [B], context) -> logits [B, classes].
        schedule: the forward process of the diffusion model to guide.
    """

    usage = "use it to guide a diffusion model, ClassifierGuided(sampler, classifier)"

    def __init__(self, network: nn.Module, schedule: ForwardProcess):
        super().__init__()
        self.network, self.schedule = network, schedule

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        """Return the cross-entropy of the labels. Errors: ConfigError for rows without labels."""
        context, rng = self.receive_mask(x.mask, context, rng)
        if context is None or "label" not in context.condition:
            raise ConfigError("NoisyClassifier requires labels: use a data set that has classes")
        t = self.schedule.sample_time(rng.fork("t"))
        x_t = self.schedule.diffuse(x.x, rng.fork("noise").normal(*x.x.shape[1:]), t)
        logits = self(x_t, self.schedule.time_input(t)).float()
        accuracy = (logits.argmax(1) == context.condition["label"]).float()
        return Losses(
            {"classifier": F.cross_entropy(logits, context.condition["label"], reduction="none")},
            metrics={"accuracy": accuracy},
        )

    def forward(self, x_t: Float[Tensor, "b ..."], time_input: Float[Tensor, " b"]) -> Float[Tensor, "b k"]:
        """Return the class logits of x_t."""
        return self.network(x_t, time_input, None)
