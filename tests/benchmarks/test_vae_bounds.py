"""pythae's models in our networks: both sides' estimates of the bound agree, and the best epoch is kept."""

import math

import pytest
import torch
from torch import Tensor

from benchmarks.peers import pythae_iwae
from morphogen.catalogue import build_system
from morphogen.representations.pixels import Pixels

PIXELS = Pixels(2, (1, 4, 4))


def pictures(n: int) -> Tensor:
    return (torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(1)) < 0.3).float() * 2 - 1


@pytest.mark.parametrize("samples", [1, 5])
def test_both_estimates_of_the_likelihood_agree(samples: int) -> None:
    """k = 2000 for each of 8 pictures, seed 0: the difference is below 5 standard errors of both."""
    pytest.importorskip("pythae")
    torch.manual_seed(0)
    model, x = (
        build_system("iwae", PIXELS, size="tiny", changes={"objective.bound_samples": 2000}),
        pictures(8),
    )
    settings = {"per_device_train_batch_size": 8}
    trainer = pythae_iwae._trainer(model.objective.encoder, model.objective.network, x, samples, settings)
    ours = model.log_prob(x)
    theirs = trainer.model.get_nll((x + 1) / 2, n_samples=2000)
    assert ours.stderr is not None
    error = math.sqrt(2 * ours.stderr.square().sum().item()) / len(x)
    assert theirs == pytest.approx(ours.nats.mean().item(), abs=5 * error) and error < 0.05


def test_the_weights_of_the_best_epoch_return() -> None:
    pytest.importorskip("pythae")
    torch.manual_seed(0)
    model, validated, seen = build_system("iwae", PIXELS, size="tiny"), iter([3.0, 1.0, 2.0]), []

    def validate() -> float:
        seen.append(model.objective.network.body[-1].bias.clone())
        return next(validated)

    networks, settings = (model.objective.encoder, model.objective.network), {"learning_rate": 0.01}
    assert pythae_iwae.train(*networks, pictures(32), 5, 6, settings, validate, every=2) == 4
    assert torch.equal(model.objective.network.body[-1].bias, seen[1]) and not torch.equal(seen[1], seen[2])
