r"""Cross-entropy of a softmax over a vocabulary, with label smoothing.

    nll = -(1 - s) log p_t - s mean_v log p_v,     p = softmax(logits)

torch keeps log p of all tokens for the gradient, in fp32: with 50,000 tokens in the vocabulary that is more
than everything else that a small language model keeps. native/cross_entropy.cpp keeps log Z of each row and
reads the logits again. Label smoothing: Rethinking the inception architecture, Szegedy et al., 2016.
"""

__all__ = ["cross_entropy"]

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from morphogen.native.kernels import available

SMALLEST = 1 << 17  # logits for which the kernel is faster than torch, whose operator costs less to call


def cross_entropy(
    logits: Float[Tensor, "n v"], targets: Int[Tensor, " n"], smoothing: float = 0.0
) -> Float[Tensor, " n"]:
    """Cross-entropy of each row in nats, in fp32 at least; 0 for the target -1.

    Arguments:
        logits: [N, V].
        targets: ids in 0 .. V - 1, or -1.
        smoothing: s in [0, 1).
    """
    if not _suits(logits):
        return F.cross_entropy(logits, targets, ignore_index=-1, reduction="none", label_smoothing=smoothing)
    return torch.ops.morphogen.cross_entropy(logits.contiguous(), targets.contiguous(), smoothing)[0]


def _suits(logits: Tensor) -> bool:
    """Whether the kernel takes the logits."""
    plain = logits.is_cpu and logits.dtype in (torch.float32, torch.bfloat16)
    return plain and logits.numel() >= SMALLEST and available("cross_entropy")
