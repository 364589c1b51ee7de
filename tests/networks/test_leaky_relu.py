"""Leaky ReLU: PyTorch's values and first derivatives, and no second one."""

import pytest
import torch
from torch import nn

from morphogen.families.gan import R1, GradientPenalty, Penalty
from morphogen.networks.dcgan import DCGANDiscriminator
from morphogen.networks.leaky_relu import LeakyReLU, leaky_relu
from morphogen.numerics.randomness import Rng

SHAPE = (1, 8, 8)


def test_values_and_derivatives_are_those_of_pytorch() -> None:
    x = torch.cat([Rng(0, 100).normal(3).flatten(), torch.tensor([0.0, -0.0, 1e-40, -1e-40])])
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        ours, theirs = (x.to(dtype, copy=True).requires_grad_(True) for _ in range(2))
        one, other = leaky_relu(ours, 0.2), nn.functional.leaky_relu(theirs, 0.2)
        for y in (one, other):
            y.square().sum().backward()
        assert torch.equal(one, other) and torch.equal(ours.grad, theirs.grad)
    assert torch.autograd.gradgradcheck(leaky_relu, (Rng(1, 9).normal(2).double().requires_grad_(True),))


def penalized(critic: nn.Module, penalty: Penalty) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
    """A penalty and its gradients, fp64; None where the penalty does not depend on a parameter."""
    real, fake = (Rng(seed, 4).normal(*SHAPE).double() for seed in (0, 1))
    total = penalty(critic, real, fake, None, Rng(2, 4)).sum()
    return total, list(torch.autograd.grad(total, list(critic.parameters()), allow_unused=True))


@pytest.mark.parametrize("penalty", [GradientPenalty(10.0), R1(1.0)])
def test_a_penalty_does_not_pass_through_the_layers_twice(penalty: Penalty) -> None:
    """Biases have no effect on the slopes almost everywhere: their gradient is not computed.

    Mutant: PyTorch's layer gives the same gradients, and zeros for the biases, for which it passes through
    the whole network again.
    """
    torch.manual_seed(0)
    critic = DCGANDiscriminator(SHAPE, 8, norm="none").double()
    total, ours = penalized(critic, penalty)
    for i, layer in enumerate(critic.body):
        if isinstance(layer, LeakyReLU):
            critic.body[i] = nn.LeakyReLU(0.2)
    same, theirs = penalized(critic, penalty)
    assert torch.equal(total, same)
    for parameter, one, other in zip(critic.parameters(), ours, theirs, strict=True):
        if parameter.ndim == 1:
            assert one is None and other is not None and not other.any()
        else:
            assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)
