"""Time conditioning: the vector passed to the network, and a diffusion of points that covers all modes."""

import pytest
import torch
from torch import Tensor, nn

from morphogen.closed_form import ring
from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.diffusion import DDIM, CosineAlphas, Diffusion, GaussianDecoder
from morphogen.networks.mlp import MLP
from morphogen.networks.time_conditioned import TimeConditioned
from morphogen.numerics.randomness import Rng


class ContextRecorder(nn.Module):
    """Records the context of the last call."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        self.context = context
        return x


def test_the_vector_combines_time_and_condition_and_the_rest_is_unchanged() -> None:
    torch.manual_seed(0)
    network, t, vector = (
        TimeConditioned(ContextRecorder(), 8, 3),
        torch.tensor([0.1, 0.1, 0.6]),
        torch.randn(3, 3),
    )
    context = Context(vector, torch.randn(3, 2, 4), null=Context())
    network(torch.zeros(3, 2), t, context)
    passed = network.network.context
    assert passed.vector.shape == (3, 8) and passed.tokens is context.tokens and passed.null is None
    assert context.vector is vector
    assert torch.equal(passed.vector, nn.functional.silu(network.time(t) + network.condition(vector)))  # type: ignore[misc]
    network(torch.zeros(3, 2), t, None)
    same, also_same, other = network.network.context.vector
    assert torch.equal(same, also_same) and (also_same - other).abs().max() > 1e-2


def test_an_odd_width_is_rejected() -> None:
    with pytest.raises(ConfigError, match="width must be even, got 7; use 8"):
        TimeConditioned(MLP(2, 2, 8, 1, 7), 7)


@pytest.mark.slow
def test_diffusion_of_points_covers_every_mode_of_a_ring() -> None:
    """8 modes of sigma 0.05; 1000 steps of 256 rows, 4 s; n = 2000 samples, seed 1.

    The proportion nearest to each mode is 1/8, up to a bias of 0.02 and 4 standard errors: 0.075 .. 0.175.
    At least 85 % must be within 3 sigma of their mode (measured: 90 %; exact samples: 98.9 %).
    """
    torch.manual_seed(0)
    objective, truth = (
        Diffusion(TimeConditioned(MLP(2, 2, 64, 2, 32), 32), CosineAlphas(100), GaussianDecoder(), "v"),
        ring(),
    )
    optimizer = torch.optim.Adam(objective.parameters(), 6e-3)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)
    for step in range(1000):
        rng = Rng(0, 256, (step,))
        x = truth.sample(rng.fork("data"))
        loss = objective.losses(
            Encoded(x, torch.zeros(256), torch.full((256,), 2.0)), None, rng, "model"
        ).total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
    with torch.no_grad():
        samples = DDIM(steps=50)(objective, (2,), None, Rng(1, 2000)).double()
    distance, mode = torch.cdist(samples, truth.means).min(1)
    proportions = mode.bincount(minlength=8) / 2000
    assert ((proportions > 0.075) & (proportions < 0.175)).all()
    assert (distance < 3 * 0.05).double().mean() > 0.85
