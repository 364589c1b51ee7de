r"""A classifier that was shown noise: p(y | x_t) at every level, which is what guidance by a classifier asks for.

    loss = -log p(y | x_t, t),     x_t = alpha_t x_0 + sigma_t eps,     t as the process draws it

(Diffusion models beat GANs on image synthesis, Dhariwal & Nichol 2021, section 4.) One that has seen clean pictures only says nothing of
use about x_t. It generates nothing: `steering.ClassifierGuided` asks it on the way down.
"""

__all__ = ["NoisyClassifier"]

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses, Objective, Sampler, Unsupported
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.numerics.randomness import Rng


class NoisyClassifier(Objective):
    """p(y | x_t), trained like a diffusion, on the labels that are the condition (Dhariwal & Nichol 2021).

    Arguments:
        network: (x_t [B, ...], what it is told of t [B], context) -> logits [B, classes].
        schedule: of the diffusion that it is to guide.
    """

    def __init__(self, network: nn.Module, schedule: ForwardProcess):
        super().__init__()
        self.network, self.schedule = network, schedule

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        """Errors: ConfigError for rows without labels."""
        if context is None or context.condition is None:
            raise ConfigError("NoisyClassifier learns labels; give data that have classes")
        t = self.schedule.draw(rng.fork("t"))
        x_t = self.schedule.diffuse(x.x, rng.fork("noise").normal(*x.x.shape[1:]), t)
        logits = self(x_t, self.schedule.told(t)).float()
        right = (logits.argmax(1) == context.condition).float()
        return Losses({"classifier": F.cross_entropy(logits, context.condition, reduction="none")}, metrics={"right": right})

    def forward(self, x_t: Float[Tensor, "b ..."], told: Float[Tensor, " b"]) -> Float[Tensor, "b k"]:
        """Logits of the classes, as `ClassifierGuided` asks for them."""
        return self.network(x_t, told, None)

    def sampler(self) -> Sampler:
        raise Unsupported("NoisyClassifier draws nothing; guide a diffusion by it: ClassifierGuided(sampler, classifier)")
