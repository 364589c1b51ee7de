r"""Energy-based models: p(x | c) = exp(-E(x, c)) / Z(c), with any network as the energy.

    -grad log p(x+) = grad E(x+) - E_{x- ~ p}[grad E(x-)]

The gradient of the log-likelihood lowers the energy of the data and raises that of the model's own samples;
the intractable Z is not needed, but samples are (Ackley, Hinton & Sejnowski 1985). They are the ends of
Markov chains: contrastive divergence (Hinton 2002), persistent chains (Tieleman 2008), Langevin dynamics of
deep networks (Implicit generation and modeling with energy based models, Du & Mordatch 2019).

Example: with E(x) = w x, data at 1 and chains that stay there, the two terms cancel.

    >>> class Linear(nn.Module):
    ...     def forward(self, x, context): return 2 * x[:, 0]
    >>> from morphogen.families.energy import FromData
    >>> still = Langevin(steps=1, step_size=1e-12, noise=0.0)
    >>> model = EnergyBased(Linear(), still, FromData(), regularizer=0.5)
    >>> x, rng = Encoded(torch.ones(3, 1), torch.zeros(3), torch.ones(3)), Rng(seed=0, rows=3)
    >>> losses = model.losses(x, None, rng, "model")
    >>> losses.terms["contrast"].tolist(), losses.terms["regularizer"].tolist()  # 0.5 (2^2 + 2^2)
    ([0.0, 0.0, 0.0], [4.0, 4.0, 4.0])
"""

__all__ = ["EnergyBased"]

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses, Objective
from morphogen.families.energy.chain_starts import ChainStart
from morphogen.families.energy.langevin import Langevin
from morphogen.networks.lipschitz import constrain_parts
from morphogen.numerics.randomness import Rng
from morphogen.objective_values import check_result


class EnergyBased(Objective):
    r"""Maximum likelihood of an energy by the samples of its own chains (Du & Mordatch 2019, algorithm 1).

        loss = E(x+) - E(x-) + regularizer (E(x+)^2 + E(x-)^2)

    x+ is an example, and x- the end of a chain, through which no gradient passes. The second term keeps the
    energies, which only their differences determine, near 0. There is no `log_prob`, as Z is not known; two
    values of `energy` compare the probabilities of two x with the same condition.

    Arguments:
        network: the energy, `(x, context) -> [B]`, smooth in x.
        sampler: of the chains, in training and by default for samples.
        start: where the chains of the training begin.
        regularizer: weight of the squared energies, at least 0 (1 in Du & Mordatch 2019).
        noise: standard deviation of the noise that is added to the examples in training, at least 0; against
            infinitely low energies at data that lie on a grid or on a surface.

    Errors: ConfigError for arguments out of range.
    """

    unmeasured = (
        "{} has no likelihood, as its normalizing constant is not known: rank rows by "
        "objective.energy(x, context), or evaluate its samples"
    )

    def __init__(
        self,
        network: nn.Module,
        sampler: Langevin,
        start: ChainStart,
        regularizer: float = 1.0,
        noise: float = 0.0,
    ):
        super().__init__()
        if not (0 <= regularizer < math.inf and 0 <= noise < math.inf):
            raise ConfigError(
                f"EnergyBased: regularizer={regularizer:g}, noise={noise:g}: give numbers of at least 0"
            )
        self.network, self.sampler, self.start = network, sampler, start
        self.regularizer, self.noise = regularizer, noise

    def energy(self, x: Float[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, " b"]:
        """E(x, c) = -log p(x | c) - log Z(c) of each row, in nats: low where x is likely; differentiable."""
        energy = check_result(self.network, self.network(x, context), x.shape[:1])
        return energy if energy.dtype == torch.float64 else energy.float()

    def predict(self, x: Float[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ..."]:
        """The score, -grad E(x) = grad log p(x | c); without a graph."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.energy(x, context).sum(), x)
        return -gradient

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        context = None if context is None else context.detach()
        chains = self.start.begin(x.x, None if context is None else context.vector, rng.fork("start"))
        fake = self.sampler.run(self.predict, chains.x, chains.context, rng.fork("chain"))
        real = x.x + self.noise * rng.fork("noise").normal(*x.x.shape[1:]).to(x.x)
        below, above = self.energy(real, context), self.energy(fake, chains.context)
        terms = {"contrast": below - above}
        if self.regularizer:
            terms["regularizer"] = self.regularizer * (below.square() + above.square())
        metrics = {"energy of data": below.detach(), "energy of samples": above.detach()}
        statistics = {"rows": below.new_tensor(float(len(below)))}
        statistics |= self.start.statistics(replace(chains, x=fake))
        return Losses(terms, metrics=metrics, statistics=statistics)

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """Keep the ends of the chains, and bring spectral norms up to date."""
        self.start.update(statistics)
        constrain_parts(self.network)

    def default_sampler(self) -> Langevin:
        return self.sampler
