r"""Forward processes of discrete diffusion: a token is kept, or resampled from a noise distribution pi.

    q(x_t | x_0) = a_t [x_t = x_0] + (1 - a_t) pi(x_t)
    q(x_t | x_s) = r [x_t = x_s] + (1 - r) pi(x_t),     r = a_t / a_s

    UniformNoise      pi = 1 / V                        a_t a squared cosine      Hoogeboom et al. 2021
    AbsorbingNoise    pi = 1 for an extra mask token    a_t = 1 - t / T           Austin et al. 2021

(Structured denoising diffusion models in discrete state-spaces, Austin et al. 2021.) The posterior is then an
elementwise product of two vectors, without transition matrices:

    q(x_s | x_t, x_0)  ~  q(x_t | x_s) q(x_s | x_0)
"""

__all__ = ["AbsorbingNoise", "Corruption", "UniformNoise"]

import math
from abc import ABC

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.numerics.randomness import Rng


class Corruption(Component, nn.Module, ABC):
    """Base class of discrete forward processes: a chain of T steps from tokens to noise.

    Arguments:
        keep_probability: a_t for t = 0 .. T, decreasing from 1, fp64 [T + 1].
        noise: pi over the S >= V values of x_t, fp64 [S].
    """

    vocabulary: int
    steps: int
    keep_probability: Float[Tensor, " t"]
    noise: Float[Tensor, " s"]

    def __init__(self, keep_probability: Float[Tensor, " t"], noise: Float[Tensor, " s"]):
        super().__init__()
        self.register_buffer("keep_probability", keep_probability, persistent=False)
        self.register_buffer("noise", noise, persistent=False)

    def corrupt(self, x_0: Int[Tensor, "b n"], t: Int[Tensor, " b"], rng: Rng) -> Int[Tensor, "b n"]:
        """Sample x_t ~ q(x_t | x_0)."""
        keep = rng.fork("keep").uniform(x_0.shape[1]).double() < self.keep_probability[t][:, None]
        return torch.where(keep, x_0, self.sample_noise(x_0.shape[1], rng))

    def sample_noise(self, length: int, rng: Rng) -> Int[Tensor, "b n"]:
        """Sample [B, length] tokens from pi."""
        edges = self.noise.cumsum(0)
        u = rng.fork("noise").uniform(length).double()
        return torch.searchsorted(edges / edges[-1], u.to(edges.device), right=True).clamp_max(len(edges) - 1)

    def posterior(
        self, x_t: Int[Tensor, "b n"], x_0: Float[Tensor, "b n v"], t: Int[Tensor, " b"], s: Int[Tensor, " b"]
    ) -> Float[Tensor, "b n s"]:
        """Return p(x_s | x_t) for s < t, where `x_0` is p(x_0 | x_t) (one-hot if x_0 is known).

            sum_k q(x_s | x_t, x_0 = k) p(k)  ~  q(x_t | x_s) sum_k q(x_s | k) p(k) / q(x_t | k)

        Austin et al. (2021, eq. 4) omit the division, so that their network predicts p(k) / q(x_t | k), not
        p(k). With absorbing noise the two agree.
        """
        pi, dtype = self.noise.to(x_0.dtype), x_0.dtype
        a_s, a_t = self.keep_probability[s], self.keep_probability[t]
        a_s, a_t, ratio = (a.to(dtype)[:, None, None] for a in (a_s, a_t, a_t / a_s))
        one_hot = torch.zeros(*x_t.shape, len(pi), dtype=dtype, device=x_0.device)
        one_hot.scatter_(-1, x_t[..., None], 1.0)
        pi_x_t = pi[x_t][..., None]
        q_x_t = (a_t * one_hot + (1 - a_t) * pi_x_t)[..., : x_0.shape[-1]]  # q(x_t | k)
        weight = torch.where(q_x_t > 0, x_0 / q_x_t.clamp_min(1e-30), 0.0)  # p(k) / q(x_t | k)
        padded = F.pad(weight, (0, len(pi) - x_0.shape[-1]))
        predicted = a_s * padded + (1 - a_s) * pi * weight.sum(-1, keepdim=True)
        unnormalized = predicted * (ratio * one_hot + (1 - ratio) * pi_x_t)
        return unnormalized / unnormalized.sum(-1, keepdim=True)

    def prior_kl(self, count: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Return KL(q(x_T | x_0) || pi) of rows of `count` tokens.

        It is 0 if a_T = 0. Otherwise it is the same for every token with pi > 0, and infinite for tokens
        with pi = 0.
        """
        a_T, pi_0 = self.keep_probability[-1], self.noise[0]
        if a_T == 0:
            return count * 0.0
        p = a_T + (1 - a_T) * pi_0
        kl = p * (p / pi_0).log() + (1 - p) * (1 - a_T).log()
        return count * kl.to(torch.get_default_dtype())


class UniformNoise(Corruption):
    r"""Uniform noise: a token is replaced by one drawn uniformly from the vocabulary.

        a_t = f(t) / f(0),   f(t) = cos^2((t / T + 0.008) / 1.008 pi / 2)        (Nichol & Dhariwal 2021)

    Argmax flows and multinomial diffusion, Hoogeboom, Nielsen, Jaini, Forre & Welling, 2021.

    Arguments:
        vocabulary: V.
        steps: T.
    """

    def __init__(self, vocabulary: int, steps: int):
        progress = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        f = torch.cos((progress + 0.008) / 1.008 * (math.pi / 2)).square()
        super().__init__(f / f[0], torch.full((vocabulary,), 1 / vocabulary, dtype=torch.float64))
        self.vocabulary, self.steps = vocabulary, steps


class AbsorbingNoise(Corruption):
    r"""Absorbing noise: a token is replaced by a mask token with id V, which is never left; a_t = 1 - t / T.

    Austin et al., 2021, section 3.1, beta_t = 1 / (T - t + 1).

    Arguments:
        vocabulary: V.
        steps: T.
    """

    def __init__(self, vocabulary: int, steps: int):
        noise = torch.zeros(vocabulary + 1, dtype=torch.float64)
        noise[-1] = 1.0
        super().__init__(1 - torch.arange(steps + 1, dtype=torch.float64) / steps, noise)
        self.vocabulary, self.steps = vocabulary, steps
