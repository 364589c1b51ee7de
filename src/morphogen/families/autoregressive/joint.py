r"""A text and x as one autoregressive sequence: p(s, x) = p(s) p(x | s), both trained.

    loss = w mean_i -log p(s_i | s_<i) + (1 - w) mean_j -log p(x_j | s, x_<j)

DALL-E has w = 1/8, since pictures are what it is for: the text is modelled to be understood. The likelihood
and the samples are those of x given the text.

Reference: Zero-shot text-to-image generation (DALL-E), Ramesh et al., 2021, section 2.2.
"""

__all__ = ["JointAutoregressive"]

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses
from morphogen.families.autoregressive.objective import Autoregressive, scored_tokens
from morphogen.numerics.cross_entropy import cross_entropy
from morphogen.numerics.masking import masked_mean
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.objective_values import check_result


class JointAutoregressive(Autoregressive):
    """p(s, x) of a text s, `context.text`, and x of a fixed shape (Ramesh et al. 2021).

    The first padding of a text is its end, which is scored; the rest of it is not, nor a text without ids, as
    condition dropout makes. The mean is over the ids of each text, where the paper's is over a batch of them.

    Arguments:
        network: `(x, context)` to the logits of x, with `joint_logits` of text and x, such as
            `JointTransformer`. The last id of the text's logits is the end.
        text_weight: w, in [0, 1); 1/8 in the paper.

    Raises:
        ConfigError: for another weight.
    """

    def __init__(self, network: nn.Module, text_weight: float = 0.125):
        super().__init__(network)
        if not 0 <= text_weight < 1:
            raise ConfigError(
                f"JointAutoregressive: text_weight={text_weight:g} is not in [0, 1): give 0.125"
            )
        self.text_weight = text_weight

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        scored, (text, nll) = scored_tokens(x, context), self._joint_nll(x.x, context)
        terms = {"nll": (1 - self.text_weight) * masked_mean(nll, scored)}
        if context is not None and context.text is not None:
            terms["text"] = self.text_weight * masked_mean(text, _targets(context.text, 0) >= 0)
        return Losses(terms, weight=sum_except_batch(scored.to(nll.dtype)))

    def text_log_prob(self, x: Int[Tensor, "b ..."], context: Context) -> Float[Tensor, " b"]:
        """log p(s) of each text in nats; 0 for one without ids. It does not depend on x."""
        return -self._joint_nll(x, context)[0].sum(1)

    def _joint_nll(
        self, x: Int[Tensor, "b ..."], context: Context | None
    ) -> tuple[Float[Tensor, "b s"], Float[Tensor, "b ..."]]:
        """-log p of every id of the text, 0 where it is not scored, and of every id of x."""
        network: Any = self.network
        text_logits, logits = network.joint_logits(x, context)
        check_result(self.network, logits, (*x.shape, self.vocabulary or logits.shape[-1]))
        if context is None or context.text is None:
            return text_logits.new_zeros(text_logits.shape[:2]), _nll(logits, x)
        return _nll(text_logits, _targets(context.text, text_logits.shape[-1] - 1)), _nll(logits, x)


def _targets(text: Int[Tensor, "b s"], end: int) -> Int[Tensor, "b s"]:
    """The ids of texts, each with its end; -1 elsewhere, and in texts without ids."""
    length = (text >= 0).sum(1, keepdim=True)
    at_end = torch.arange(text.shape[1], device=text.device) == length
    return torch.where(at_end & (length > 0), end, text)


def _nll(logits: Float[Tensor, "b ... v"], ids: Int[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
    """-log p of each id, 0 at -1."""
    return cross_entropy(logits.flatten(0, -2), ids.flatten()).view(ids.shape)
