r"""Couplings of two halves of the pixels or channels of pictures, by a mask; and actnorm.

    z_b = x_b,   z_a = f(x_a; theta(x_b)),   log|det| = sum_a log|f'(x_a)|       (Dinh et al. 2017, eqs. 4-8)

The Jacobian is triangular, so theta may be any network and is never inverted. f is affine in RealNVP and
additive in NICE. RealNVP uses batch normalisation between couplings, which makes a sample depend on the rest
of its batch. Here it is replaced by actnorm (Kingma & Dhariwal 2018): a learned affine map per channel,
initialized from the first batch.

The network receives all of x, with zeros in place of the half that changes. `SplitCoupling` has slices in
place of masks, which save that half of the work, and also divide vectors.
"""

__all__ = ["ActNorm", "Coupling", "existing"]

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, x_mask_of
from morphogen.families.flow.bijection import Bijection
from morphogen.families.flow.elementwise import Affine, Elementwise
from morphogen.numerics.tensors import expand_like, sum_except_batch
from morphogen.objective_values import check_result


class Coupling(Bijection):
    r"""A coupling of pictures (Dinh, Sohl-Dickstein & Bengio 2017, eq. 9).

        z = b x + (1 - b) f(x; theta),   theta = network(b x, context)

    Arguments:
        network: `(x [B, C, ...], context) -> [B, P C, ...]`, the parameters of f of each entry, in the layout
            of `Elementwise`; P = `transform.outputs`.
        mask: the partition b: "checkerboard" (alternate pixels) or "channel" (half the channels).
        parity: 0 or 1, which of the two halves is the network's input; successive couplings alternate.
        transform: f; None: `Affine()`.

    Errors: ConfigError for vectors.
    """

    def __init__(
        self,
        network: nn.Module,
        mask: Literal["checkerboard", "channel"],
        parity: int,
        transform: Elementwise | None = None,
    ):
        super().__init__()
        self.transform = transform if transform is not None else Affine()
        self.network, self.mask, self.parity = network, mask, parity

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        b = self.binary_mask(x)
        z, log_det = self.transform(x, self._theta(b * self.transform.seen(x), context))
        return torch.where(b == 0, z, x), sum_except_batch(torch.where(b == 0, log_det, 0.0))

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        b = self.binary_mask(z)
        x = self.transform.inverse(z, self._theta(b * self.transform.seen(z), context))
        return torch.where(b == 0, x, z)

    def binary_mask(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "..."]:
        """The mask b, broadcastable to x: 1 at entries that are copied and that the network receives."""
        _, channels, *sides = x.shape
        if not sides:
            raise ConfigError(
                f"Coupling: x is {list(x.shape)}, without pixels: use SplitCoupling for vectors"
            )
        if self.mask == "channel":
            b = (torch.arange(channels, device=x.device) < channels // 2) == (self.parity == 0)
            return b.to(x.dtype).reshape(1, channels, *(1 for _ in sides))
        index = torch.zeros((), dtype=torch.long, device=x.device)
        for size in sides:
            index = index[..., None] + torch.arange(size, device=x.device)
        return ((index + self.parity) % 2 == 0).to(x.dtype)

    def _theta(self, masked: Tensor, context: Context | None) -> Tensor:
        rows, channels, *sides = masked.shape
        shape = (rows, self.transform.outputs * channels, *sides)
        theta = check_result(self.network, self.network(masked, context), shape)
        return theta.to(masked.dtype)  # a network in bf16 must not round what the inverse has to restore


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
        shift, log_scale = self._shift_and_log_scale(x)
        log_det = sum_except_batch(existing(log_scale.expand_as(x), context))
        return existing((x + shift) * log_scale.exp(), context), log_det

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        shift, log_scale = self._shift_and_log_scale(z)
        return existing(z * (-log_scale).exp() - shift, context)

    def _shift_and_log_scale(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both in the precision of x, broadcastable to it: exp(s) and exp(-s) must be inverse in that."""
        shift, log_scale = (parameter.to(x.dtype)[None] for parameter in (self.shift, self.log_scale))
        return expand_like(shift, x), expand_like(log_scale, x)

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
