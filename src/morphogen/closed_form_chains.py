r"""Sequences with known density and entropy rate, as ground truth for models of sequences.

    HiddenMarkovText       tokens that a Markov chain of hidden states emits; exact log p, known entropy rate
    LinearGaussianChain    vectors that a linear-Gaussian chain of hidden vectors emits; one Gaussian, exact
                           entropy and posteriors

The mean of -log p(x) / T of a model on such a text is above the entropy rate h, by the information that its
past still hides from it. Computed in fp64; samples are keyed by row.

References: Elements of information theory, Cover & Thomas, 2006, section 4.5; Pattern recognition and machine
learning, Bishop, 2006, chapter 13.
"""

__all__ = ["HiddenMarkovText", "LinearGaussianChain", "noisy_cycle"]

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.closed_form import ClosedForm, Entropy, GaussianMixture
from morphogen.numerics.hidden_chain import Filtered, filter_states, log_step
from morphogen.numerics.randomness import Rng


@dataclass(frozen=True)
class HiddenMarkovText(ClosedForm):
    r"""Tokens x_t ~ B_s(t) of a stationary Markov chain of states, s_(t+1) ~ A_s(t)   (Rabiner 1989).

    Arguments:
        transition: A [K, K], rows summing to 1, with one stationary distribution.
        emission: B [K, V], rows summing to 1.
        length: T, tokens per sequence.

    Errors: ValueError for shapes that disagree, and rows that do not sum to 1.
    """

    transition: Float[Tensor, "k k"]
    emission: Float[Tensor, "k v"]
    length: int

    def __post_init__(self) -> None:
        for name in ("transition", "emission"):
            object.__setattr__(self, name, torch.as_tensor(getattr(self, name), dtype=torch.float64))
        if len(self.emission) != len(self.transition) or self.length < 1:
            states = f"{len(self.transition)} and {len(self.emission)} states"
            raise ValueError(
                f"a text needs as many states in transition as in emission, and length >= 1; got {states}, "
                f"length={self.length}"
            )
        for name in ("transition", "emission"):
            rows = getattr(self, name)
            if (rows < 0).any() or (rows.sum(1) - 1).abs().max() > 1e-9:
                raise ValueError(f"each row of {name} must be >= 0 and sum to 1; got {rows.sum(1).tolist()}")

    @cached_property
    def initial(self) -> Float[Tensor, " k"]:
        """The stationary distribution of the states: pi = pi A."""
        k = len(self.transition)
        equations = torch.cat([self.transition.T - torch.eye(k).double(), torch.ones(1, k).double()])
        right = torch.zeros(k + 1, 1, dtype=torch.float64)
        right[k] = 1.0
        return torch.linalg.lstsq(equations, right).solution[:, 0].clamp_min(0)

    def log_prob(self, x: Int[Tensor, "b t"]) -> Float[Tensor, " b"]:
        """log p(x) of each row, of any length."""
        return self.filtered(x).log_evidence.sum(1)

    def filtered(self, x: Int[Tensor, "b t"], state: Int[Tensor, " b"] | None = None) -> Filtered:
        """p(s_t | x_1 .. x_t) and log p(x_t | x_<t); given the first state of each row, if there is one."""
        first = self.initial.expand(len(x), -1)
        if state is not None:
            first = torch.nn.functional.one_hot(state, len(self.initial)).double()
        log_emission = self.emission.log().T[x][:, :, None]
        return filter_states(first.log()[:, None], self.transition[None], log_emission)

    def sample(self, rng: Rng) -> Int[Tensor, "b t"]:
        return self.sample_joint(rng)[0]

    def sample_joint(self, rng: Rng) -> tuple[Int[Tensor, "b t"], Int[Tensor, "b t"]]:
        """Draw (x, s)."""
        states = [rng.fork("state", 0).categorical(self.initial.log().expand(len(rng), -1))]
        for t in range(1, self.length):
            states.append(rng.fork("state", t).categorical(self.transition.log()[states[-1]]))
        log_b = self.emission.log()
        x = [rng.fork("token", t).categorical(log_b[state]) for t, state in enumerate(states)]
        return torch.stack(x, 1), torch.stack(states, 1)

    def entropy_rate(self, draws: int = 20_000, seed: int = 0) -> Entropy:
        r"""h = lim H(x_T | x_1 .. x_(T-1)) in nats per token, and its error.

            H(x_T | x_<T, s_1) <= h <= H(x_T | x_<T)

        (Cover & Thomas 2006, theorem 4.5.1). The bounds approach each other exponentially in T = `length`;
        each is the mean of exact entropies over `draws` sequences. Their middle is returned, with an error
        that covers the noise and half of their distance.
        """
        x, states = self.sample_joint(Rng(seed, draws, ("entropy rate",)))
        above, below = (self._last_entropy(x, first) for first in (None, states[:, 0]))
        middle = (above + below) / 2
        noise, half = middle.std().item() / math.sqrt(draws), (above - below).mean().abs().item() / 2
        return Entropy(middle.mean().item(), math.hypot(noise, half))

    def _last_entropy(self, x: Int[Tensor, "b t"], state: Int[Tensor, " b"] | None) -> Float[Tensor, " b"]:
        """The entropy of p(x_T | x_1 .. x_(T-1)) of each row."""
        last = self.filtered(x, state).log_predicted[:, -1]
        log_p = log_step(last, self.emission[None])[:, 0]
        return torch.special.entr(log_p.exp()).sum(1)


def noisy_cycle(
    states: int = 4, vocabulary: int = 8, length: int = 128, stay: float = 0.8, sharpness: float = 2.0
) -> HiddenMarkovText:
    """States that follow each other in a circle, and emit tokens around their own place on it.

    B_kv is proportional to exp(sharpness cos(2 pi (k / K - v / V))): tokens overlap, so that the state, and
    which one comes next, is only known from several of them.

    Arguments:
        states, vocabulary, length: K, V and T.
        stay: probability of remaining in a state, in (0, 1); otherwise the next one on the circle follows.
        sharpness: 0: all states look alike; infinity: a state is seen in its token.
    """
    here = torch.eye(states, dtype=torch.float64)
    angle = torch.arange(states).double()[:, None] / states - torch.arange(vocabulary).double() / vocabulary
    emission = (sharpness * (2 * math.pi * angle).cos()).softmax(1)
    return HiddenMarkovText(stay * here + (1 - stay) * here.roll(1, 1), emission, length)


@dataclass(frozen=True)
class LinearGaussianChain(ClosedForm):
    r"""z_(t+1) = A z_t + N(0, Q),  x_t = C z_t + N(0, R), with z_1 stationary   (Kalman 1960).

    All of it is one Gaussian, Cov(x_s, x_t) = C A^(s-t) P C^T + [s = t] R, with P = A P A^T + Q.

    Arguments:
        dynamics: A [q, q], with eigenvalues inside of the unit circle.
        loading: C [d, q].
        process: Q [q, q], positive definite.
        noise: R [d, d], positive definite.
        length: T.

    Errors: ValueError for dynamics that are not stable; torch's LinAlgError if a covariance is not positive
        definite.
    """

    dynamics: Float[Tensor, "q q"]
    loading: Float[Tensor, "d q"]
    process: Float[Tensor, "q q"]
    noise: Float[Tensor, "d d"]
    length: int

    def __post_init__(self) -> None:
        for name in ("dynamics", "loading", "process", "noise"):
            object.__setattr__(self, name, torch.as_tensor(getattr(self, name), dtype=torch.float64))
        radius = torch.linalg.eigvals(self.dynamics).abs().max().item()
        if radius >= 1:
            raise ValueError(
                f"dynamics have an eigenvalue of absolute value {radius:g}: only below 1 is there a "
                "stationary distribution"
            )

    @cached_property
    def stationary(self) -> Float[Tensor, "q q"]:
        """P, the covariance of every z_t: the solution of P = A P A^T + Q."""
        q = len(self.dynamics)
        both = torch.eye(q * q).double() - torch.kron(self.dynamics, self.dynamics)
        return torch.linalg.solve(both, self.process.flatten()).view(q, q)

    @cached_property
    def latent_covariance(self) -> Float[Tensor, "n n"]:
        """The covariance of (z_1, .., z_T)."""
        power, blocks = torch.eye(len(self.dynamics), dtype=torch.float64), []
        for _ in range(self.length):
            blocks.append(power @ self.stationary)
            power = self.dynamics @ power
        rows = [
            torch.cat([blocks[s - t] if s >= t else blocks[t - s].T for t in range(self.length)], 1)
            for s in range(self.length)
        ]
        return torch.cat(rows)

    @cached_property
    def marginal(self) -> GaussianMixture:
        """p(x_1, .., x_T), as a mixture of one component in T d dimensions."""
        whole = torch.eye(self.length, dtype=torch.float64)
        loading = torch.kron(whole, self.loading)
        covariance = loading @ self.latent_covariance @ loading.T + torch.kron(whole, self.noise)
        return GaussianMixture(torch.ones(1), torch.zeros(1, len(covariance)), covariance[None])

    def log_prob(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, " b"]:
        return self.marginal.log_prob(x.flatten(1))

    def posterior(self, x: Float[Tensor, "b t d"]) -> tuple[Float[Tensor, "b t q"], Float[Tensor, "t q q"]]:
        """Means of p(z_t | x_1 .. x_T), and covariances, which do not depend on x."""
        loading = torch.kron(torch.eye(self.length, dtype=torch.float64), self.loading)
        across = self.latent_covariance @ loading.T
        gain = torch.cholesky_solve(across.T, self.marginal.cholesky[0]).T
        blocks = (self.latent_covariance - gain @ across.T).unflatten(0, (self.length, -1))
        blocks = blocks.unflatten(2, (self.length, -1)).diagonal(dim1=0, dim2=2)
        mean = (x.flatten(1).double() @ gain.T).unflatten(1, (self.length, -1))
        return mean, rearrange(blocks, "q r t -> t q r")

    def entropy(self, draws: int = 0, seed: int = 0) -> Entropy:
        """Exact entropy, log det(2 pi e Sigma) / 2."""
        half_log_det = self.marginal.cholesky[0].diagonal().log().sum().item()
        size = self.length * len(self.loading)
        return Entropy(half_log_det + 0.5 * size * math.log(2 * math.pi * math.e), 0.0)

    def sample(self, rng: Rng) -> Float[Tensor, "b t d"]:
        return self.sample_joint(rng)[0]

    def sample_joint(self, rng: Rng) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b t q"]]:
        """Draw (x, z)."""
        q, d = len(self.dynamics), len(self.loading)
        scales = [torch.linalg.cholesky(each) for each in (self.stationary, self.process, self.noise)]
        z = [rng.fork("latent", 0).normal(q).double() @ scales[0].T]
        for t in range(1, self.length):
            z.append(z[-1] @ self.dynamics.T + rng.fork("latent", t).normal(q).double() @ scales[1].T)
        latent = torch.stack(z, 1)
        eps = rng.fork("noise").normal(self.length, d).double()
        return (latent @ self.loading.T + eps @ scales[2].T).float(), latent.float()
