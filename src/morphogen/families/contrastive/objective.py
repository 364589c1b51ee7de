r"""Contrastive learning of two encoders from pairs (x, y), by the symmetric InfoNCE loss.

    s_ij = <f(x_i), g(y_j)> / temperature,      |f(x)| = |g(y)| = 1
    loss_i = -1/2 [ log softmax_j(s_ij)_i + log softmax_j(s_ji)_i ]

Each row has to be recognized among the B rows of the batch. Hence log B - E[loss] <= I(x; y), a lower bound
of the mutual information in nats ("Representation learning with contrastive predictive coding", van den Oord
et al. 2018), which is at most log B. The symmetric loss and the learned temperature are those of CLIP
("Learning transferable visual models from natural language supervision", Radford et al. 2021). ALIGN smooths
the labels: its pairs, from the web, do not all belong together ("Scaling up visual and vision-language
representation learning with noisy text supervision", Jia et al. 2021).
"""

__all__ = ["Contrastive"]

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses, Trainable
from morphogen.numerics.randomness import Rng


class Contrastive(Trainable):
    """Two encoders trained by symmetric InfoNCE with a learned temperature (Radford et al. 2021).

    The loss of a row depends on the other rows, so that the batch is a hyperparameter of the loss: it can be
    neither accumulated in micro-batches nor divided among processes.

    Arguments:
        network: the encoder of x, (x [B, ...], None) -> [B, E].
        condition_network: the encoder of the condition's vector, (vector [B, D], None) -> [B, E].
        temperature: initial temperature, above 1 / max_scale (0.07 in the paper).
        max_scale: largest 1 / temperature (100 in the paper).
        smoothing: share of the label that is spread evenly over the B rows, in [0, 1); 0: none (0.1 in
            ALIGN). The bound is that of the loss without it.

    Errors: ConfigError for a temperature or a smoothing out of range.
    """

    coupled_rows = True
    usage = "compare pairs by mg.inference.Matcher(model), or rank samples with best_of"

    def __init__(
        self,
        network: nn.Module,
        condition_network: nn.Module,
        temperature: float = 0.07,
        max_scale: float = 100.0,
        smoothing: float = 0.0,
    ):
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ConfigError(f"Contrastive: smoothing {smoothing:g} must be in [0, 1): 0.1 in ALIGN")
        if not temperature * max_scale > 1:
            raise ConfigError(
                f"Contrastive: temperature {temperature:g} is not above 1 / max_scale: increase one of them"
            )
        self.network, self.condition_network = network, condition_network
        self.temperature, self.max_scale, self.smoothing = temperature, max_scale, smoothing
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        """Return the loss of each row, with the bound of the mutual information and the accuracy as metrics.

        Errors: ConfigError for rows without a condition.
        """
        context, rng = self.receive_mask(x.mask, context, rng)
        similarity = self.similarity(x.x, context)
        pairs = torch.arange(len(x), device=similarity.device)
        logs = torch.stack([similarity.log_softmax(1), similarity.T.log_softmax(1)]).mean(0)
        exact = -logs.diagonal()
        loss = torch.lerp(exact, -logs.mean(1), self.smoothing)
        accuracy = (similarity.argmax(1) == pairs).to(loss.dtype)
        metrics = {"information": math.log(len(x)) - exact.detach(), "accuracy": accuracy}
        return Losses({"contrastive": loss}, metrics=metrics)

    def similarity(self, x: Float[Tensor, "a ..."], context: Context | None) -> Float[Tensor, "a b"]:
        """Similarity s_ij of each x_i and row j of the context: the cosine divided by the temperature."""
        return self.scale * (self.embed(x) @ self.embed_condition(context).T).to(self.log_scale.dtype)

    @property
    def features(self) -> int:
        """E, the width of the embeddings."""
        return self.network.features  # type: ignore[return-value]

    @property
    def scale(self) -> Float[Tensor, ""]:
        """The inverse temperature."""
        return self.log_scale.clamp(max=math.log(self.max_scale)).exp()

    def embed(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b e"]:
        """Return the embeddings f(x), of norm 1."""
        return F.normalize(self.network(x, None), dim=1)

    def embed_condition(self, context: Context | None) -> Float[Tensor, "b e"]:
        """Return the embeddings g(y) of the conditions, of norm 1. Errors: ConfigError without a vector."""
        if context is None or context.vector is None:
            raise ConfigError("Contrastive requires pairs: use data with conditions, encoded as a vector")
        return F.normalize(self.condition_network(context.vector, None), dim=1)

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Check that no embedding is zero, where its direction is undefined. Errors: ConfigError."""
        embeddings = {"network": self.embed(x.x), "condition_network": self.embed_condition(context)}
        for name, embedding in embeddings.items():
            if not embedding.any(1).all():
                raise ConfigError(
                    f"Contrastive: {name} returns zero, which has no direction: initialize its last layer"
                )
