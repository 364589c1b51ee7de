r"""How symbols turn into noise: each is kept with a share that falls from 1 to 0, or drawn from a law of noise pi.

    q(x_t | x_0) = a_t [x_t = x_0] + (1 - a_t) pi(x_t),      q(x_t | x_s) = r [x_t = x_s] + (1 - r) pi(x_t),   r = a_t / a_s

    Uniform     pi = 1 / V                                a_t a squared cosine               Hoogeboom et al. 2021
    Absorbing   pi = 1 for a symbol more, the mask        a_t = 1 - t / T                    Austin et al. 2021

(Structured denoising diffusion models in discrete state-spaces, Austin et al. 2021.) Both are of this one form, in which a step back is
a product of two vectors and needs no matrix:

    q(x_s | x_t, x_0)  ~  q(x_t | x_s) q(x_s | x_0)
"""

__all__ = ["Absorbing", "Corruption", "Uniform"]

import math
from abc import ABC

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.numerics.randomness import Rng


class Corruption(Component, nn.Module, ABC):
    """A chain of T steps from symbols to noise.

    Arguments:
        kept: a_t for t = 0 .. T, falling from 1, fp64 [T + 1].
        noise: pi, over all values that x_t may take, at least as many as there are symbols, [S].
    """

    vocabulary: int
    steps: int
    kept: Float[Tensor, " t"]
    noise: Float[Tensor, " s"]

    def __init__(self, kept: Float[Tensor, " t"], noise: Float[Tensor, " s"]):
        super().__init__()
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("noise", noise, persistent=False)

    def corrupt(self, x_0: Int[Tensor, "b n"], t: Int[Tensor, " b"], rng: Rng) -> Int[Tensor, "b n"]:
        """x_t ~ q(x_t | x_0)."""
        keep = rng.fork("keep").uniform(x_0.shape[1]).double() < self.kept[t][:, None]
        return torch.where(keep, x_0, self.draw(x_0.shape[1], rng))

    def draw(self, places: int, rng: Rng) -> Int[Tensor, "b n"]:
        """Noise: [B, places]."""
        edges = self.noise.cumsum(0)
        u = rng.fork("noise").uniform(places).double()
        return torch.searchsorted(edges / edges[-1], u.to(edges.device), right=True).clamp_max(len(edges) - 1)

    def back(
        self, x_t: Int[Tensor, "b n"], x_0: Float[Tensor, "b n v"], t: Int[Tensor, " b"], s: Int[Tensor, " b"]
    ) -> Float[Tensor, "b n s"]:
        """The law of x_s given x_t, for s < t, where p(x_0 | x_t) is `x_0` (one-hot: x_0 is known).

            sum_k q(x_s | x_t, x_0 = k) p(k)  ~  q(x_t | x_s) sum_k q(x_s | k) p(k) / q(x_t | k)

        Austin et al. (2021, eq. 4) leave the division out; their network then says p(k) / q(x_t | k), not p(k). With a mask it is the same.
        """
        kept_s, kept_t, ratio = (c.to(x_0.dtype)[:, None, None] for c in (self.kept[s], self.kept[t], self.kept[t] / self.kept[s]))
        pi = self.noise.to(x_0.dtype)
        same = torch.zeros(*x_t.shape, len(pi), dtype=x_0.dtype, device=x_0.device).scatter_(-1, x_t[..., None], 1.0)
        chance = pi[x_t][..., None]  # that noise gives x_t
        seen = (kept_t * same + (1 - kept_t) * chance)[..., : x_0.shape[-1]]  # q(x_t | k)
        weight = torch.where(seen > 0, x_0 / seen.clamp_min(1e-30), 0.0)
        before = kept_s * F.pad(weight, (0, len(pi) - x_0.shape[-1])) + (1 - kept_s) * pi * weight.sum(-1, keepdim=True)
        law = before * (ratio * same + (1 - ratio) * chance)
        return law / law.sum(-1, keepdim=True)

    def prior_kl(self, count: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """KL(q(x_T | x_0) || pi) of rows of so many symbols: the same for every symbol that pi has, infinite for one that it has not."""
        left, share = self.kept[-1], self.noise[0]
        if left == 0:
            return count * 0.0
        p = left + (1 - left) * share
        each = p * (p / share).log() + (1 - p) * (1 - left).log()
        return count * each.to(torch.get_default_dtype())


class Uniform(Corruption):
    r"""A symbol is replaced by any (Argmax flows and multinomial diffusion, Hoogeboom, Nielsen, Jaini, Forre & Welling 2021).

        a_t = f(t) / f(0),   f(t) = cos^2((t / T + 0.008) / 1.008 pi / 2)        (Nichol & Dhariwal 2021)

    Arguments:
        vocabulary: V.
        steps: T.
    """

    def __init__(self, vocabulary: int, steps: int):
        progress = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        f = torch.cos((progress + 0.008) / 1.008 * (math.pi / 2)).square()
        super().__init__(f / f[0], torch.full((vocabulary,), 1 / vocabulary, dtype=torch.float64))
        self.vocabulary, self.steps = vocabulary, steps


class Absorbing(Corruption):
    r"""A symbol is replaced by a mask, id V, and stays masked: a_t = 1 - t / T (Austin et al. 2021, section 3.1, beta_t = 1 / (T - t + 1)).

    Arguments:
        vocabulary: V.
        steps: T.
    """

    def __init__(self, vocabulary: int, steps: int):
        noise = torch.zeros(vocabulary + 1, dtype=torch.float64)
        noise[-1] = 1.0
        super().__init__(1 - torch.arange(steps + 1, dtype=torch.float64) / steps, noise)
        self.vocabulary, self.steps = vocabulary, steps
