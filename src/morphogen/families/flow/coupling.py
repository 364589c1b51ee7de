r"""Affine coupling layers: one half of x is scaled and shifted by functions of the other half.

    z_b = x_b,   z_a = x_a exp(s(x_b)) + t(x_b),   log|det| = sum_a s(x_b)       (Dinh et al. 2017, eqs. 4-8)

The Jacobian is triangular, so s and t may be any network and are never inverted. The paper uses batch
normalisation between couplings, which makes a sample depend on the rest of its batch. Here it is replaced by
actnorm (Kingma & Dhariwal 2018): a learned affine map per channel, initialized from the first batch.

Entries of vectors that do not exist (`context.x_mask`) are 0 and remain 0: the map is a bijection of the
others.
"""

__all__ = ["ActNorm", "Coupling", "existing"]

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.contract import Context, x_mask_of
from morphogen.families.flow.bijection import Bijection
from morphogen.numerics.tensors import expand_like, sum_except_batch
from morphogen.objective_values import check_result


class Coupling(Bijection):
    r"""The affine coupling layer of RealNVP (Dinh, Sohl-Dickstein & Bengio 2017, eqs. 7-9).

        z = b x + (1 - b) (x exp(s) + t),   s = scale tanh(s'),   (s', t) = network(b x, context)

    The tanh with a learned scale bounds exp(s) (section 4.1).

    Arguments:
        network: `(x [B, C, ...], context) -> [B, 2 C, ...]`, the channels of s' first, then those of t.
        mask: the partition b: "checkerboard" (alternate positions) or "channel" (half the channels). On
            vectors [B, D]: alternate entries, or half of the entries.
        parity: 0 or 1, which of the two halves is the network's input; successive couplings alternate.
    """

    def __init__(self, network: nn.Module, mask: Literal["checkerboard", "channel"], parity: int):
        super().__init__()
        self.network, self.mask, self.parity = network, mask, parity
        self.scale = nn.Parameter(torch.ones(()))

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        b = self.binary_mask(x)
        s, t = self._scale_and_shift(b * x, context)
        changed = existing(1 - b, context)
        s = changed * s
        return x * s.exp() + changed * t, sum_except_batch(s)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        b = self.binary_mask(z)
        s, t = self._scale_and_shift(b * z, context)
        return b * z + existing(1 - b, context) * (z - t) * (-s).exp()

    def binary_mask(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "..."]:
        """The mask b, broadcastable to x: 1 at entries that are copied and that the network receives."""
        _, channels, *sides = x.shape
        if self.mask == "channel":
            b = (torch.arange(channels, device=x.device) < channels // 2) == (self.parity == 0)
            return b.to(x.dtype).reshape(1, channels, *(1 for _ in sides))
        index = torch.zeros((), dtype=torch.long, device=x.device)
        for size in sides or (channels,):
            index = index[..., None] + torch.arange(size, device=x.device)
        return ((index + self.parity) % 2 == 0).to(x.dtype)

    def _scale_and_shift(self, masked: Tensor, context: Context | None) -> tuple[Tensor, Tensor]:
        rows, channels, *sides = masked.shape
        result = check_result(self.network, self.network(masked, context), (rows, 2 * channels, *sides))
        raw, t = result.chunk(2, 1)
        return self.scale * raw.tanh(), t


class ActNorm(Bijection):
    r"""Activation normalisation: z = (x + shift) exp(log_scale), with a shift and a scale per channel.

    `prepare` sets both so that the first batch has mean 0 and variance 1; before, the layer is the identity.
    Glow's actnorm (Kingma & Dhariwal 2018, section 3.1) replaces RealNVP's batch normalisation.

    Arguments:
        channels: C of x [B, C, ...].
    """

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels
        self.shift, self.log_scale = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        shift, log_scale = expand_like(self.shift[None], x), expand_like(self.log_scale[None], x)
        log_det = sum_except_batch(existing(log_scale.expand_as(x), context))
        return existing((x + shift) * log_scale.exp(), context), log_det

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        shift, log_scale = expand_like(self.shift[None], z), expand_like(self.log_scale[None], z)
        return existing(z * (-log_scale).exp() - shift, context)

    @torch.no_grad()
    def prepare(self, x: Float[Tensor, "b ..."], context: Context | None) -> None:
        count = _sum_per_channel(existing(torch.ones_like(x), context)).clamp_min(1)
        mean = _sum_per_channel(x) / count
        centred = existing(x - expand_like(mean[None], x), context)
        self.shift.copy_(-mean)
        self.log_scale.copy_(-(_sum_per_channel(centred.square()) / count).sqrt().clamp_min(1e-3).log())


def existing(values: Float[Tensor, "..."], context: Context | None) -> Float[Tensor, "..."]:
    """The values [B, D] or [D], with 0 at entries that do not exist; all others as they are."""
    mask = x_mask_of(context)
    return values if mask is None else torch.where(mask, values, 0.0)


def _sum_per_channel(x: Tensor) -> Tensor:
    """Sum over all dimensions except the channels, [B, C, ...] to [C]."""
    return x.transpose(0, 1).flatten(1).sum(1)
