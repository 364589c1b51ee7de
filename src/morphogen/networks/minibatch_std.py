r"""Minibatch standard deviation: one feature by which a critic sees how much a group of pictures varies.

    s_m = 1 / (C H W) sum_chw sqrt(var_i in group m (x_ichw) + eps)

A generator that outputs the same picture again is given away by s = 0 ("Progressive growing of GANs", Karras
et al. 2018, section 3).

    >>> x = torch.tensor([[1.0], [3.0], [5.0], [5.0]])[:, :, None, None].expand(4, 1, 2, 2)
    >>> MinibatchStd(2)(x)[:, 1, 0, 0].round(decimals=3).tolist()  # the groups are rows {0, 2} and {1, 3}
    [2.0, 1.0, 2.0, 1.0]
"""

__all__ = ["MinibatchStd"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

EPS = 1e-8


class MinibatchStd(nn.Module):
    """Append the mean standard deviation of the row's group: [B, C, H, W] -> [B, C + 1, H, W].

    The output of a row depends on the rows of its group: the module declares `coupled_rows`. The rows are
    dealt to the groups in turn, as in the authors' code.

    Arguments:
        group: rows in a group; if it does not divide the batch, the largest divisor of the batch below it.
    """

    coupled_rows = True

    def __init__(self, group: int = 4):
        super().__init__()
        self.group = group

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        size = next(n for n in range(min(self.group, len(x)), 0, -1) if len(x) % n == 0)
        groups = x.unflatten(0, (size, -1))
        variance = (groups - groups.mean(0)).square().mean(0)  # `var` takes ten times as long along this axis
        deviation = (variance + EPS).sqrt().mean((1, 2, 3))  # [groups]
        return torch.cat([x, deviation.repeat(size)[:, None, None, None].expand_as(x[:, :1])], 1)
