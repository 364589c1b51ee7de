"""Every bijection's log-determinant against autograd's Jacobian, an independent way to the same number."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from morphogen.contract import Context
from morphogen.families.flow import ActNorm, Bijection, Chain, Coupling, Factored, MultiScale, SingleScale, Squeezed
from morphogen.networks.coupling_resnet import CouplingResNet
from morphogen.networks.mlp import MLP

VECTOR = 3


def resnet(c: int, h: int) -> CouplingResNet:
    return CouplingResNet((c, h, h), 8, 1, VECTOR)


CASES: dict[str, tuple[Callable[[], Bijection], tuple[int, ...]]] = {
    "actnorm": (lambda: ActNorm(3), (3, 2, 2)),
    "checkerboard 0": (lambda: Coupling(resnet(1, 4), "checkerboard", 0), (1, 4, 4)),
    "checkerboard 1": (lambda: Coupling(resnet(2, 3), "checkerboard", 1), (2, 3, 3)),
    "channel 0": (lambda: Coupling(resnet(4, 2), "channel", 0), (4, 2, 2)),
    "channel 1, odd": (lambda: Coupling(resnet(3, 2), "channel", 1), (3, 2, 2)),
    "half of a vector": (lambda: Coupling(MLP(5, 10, 8, 1, VECTOR), "channel", 1), (5,)),
    "every other number": (lambda: Coupling(MLP(5, 10, 8, 1, VECTOR), "checkerboard", 0), (5,)),
    "squeezed": (lambda: Squeezed(Coupling(resnet(4, 2), "channel", 0)), (1, 4, 4)),
    "factored": (lambda: Factored(Coupling(resnet(2, 2), "checkerboard", 0)), (4, 2, 2)),
    "chain": (lambda: Chain((ActNorm(4), Coupling(resnet(4, 2), "channel", 1), ActNorm(4))), (4, 2, 2)),
    "multi-scale": (lambda: MultiScale((1, 4, 4), 8, 1, 2, 2, VECTOR), (1, 4, 4)),
    "multi-scale, three scales, colour": (lambda: MultiScale((3, 4, 4), 8, 1, 1, 3, VECTOR), (3, 4, 4)),
    "multi-scale, patches": (lambda: MultiScale((1, 4, 4), 8, 1, 2, 2, VECTOR, grid=2), (1, 4, 4)),
    "single-scale": (lambda: SingleScale(6, 8, 1, 4, VECTOR), (6,)),
}


def randomised(bijection: Bijection, seed: int = 0) -> Bijection:
    """Away from the identity at which bijections start: every parameter moved by N(0, 0.2^2)."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in bijection.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return bijection.double().eval()


@pytest.mark.parametrize("name", CASES)
def test_log_determinant_is_autograds_and_the_inverse_inverts(name: str) -> None:
    make, shape = CASES[name]
    torch.manual_seed(0)
    bijection = randomised(make())
    x, context = torch.randn(3, *shape).double(), Context(vector=torch.randn(3, VECTOR).double())
    with torch.no_grad():
        z, log_det = bijection(x, context)
        back = bijection.inverse(z, context)
    assert (z - x).abs().max() > 1e-2, "the weights were to be away from the identity"
    assert (back - x).abs().max() <= 1e-10
    for i in range(len(x)):
        one = context[slice(i, i + 1)]
        jacobian = torch.autograd.functional.jacobian(lambda v, c=one: bijection(v.reshape(1, *shape), c)[0].flatten(), x[i].flatten())
        assert abs(torch.linalg.slogdet(jacobian).logabsdet - log_det[i]) <= 1e-10


@pytest.mark.parametrize("name", CASES)
def test_the_inverse_inverts_in_single_precision(name: str) -> None:
    make, shape = CASES[name]
    torch.manual_seed(0)
    bijection = randomised(make()).float()
    x, context = torch.randn(16, *shape), Context(vector=torch.randn(16, VECTOR))
    with torch.no_grad():
        back = bijection.inverse(bijection(x, context)[0], context)
    assert (back - x).abs().max() <= 1e-5


@pytest.mark.parametrize(("mask", "parity"), [("checkerboard", 0), ("checkerboard", 1), ("channel", 0), ("channel", 1)])
def test_a_coupling_keeps_what_it_sees_and_moves_the_rest(mask: str, parity: int) -> None:
    torch.manual_seed(0)
    coupling = randomised(Coupling(resnet(4, 4), mask, parity))  # type: ignore[arg-type]
    assert isinstance(coupling, Coupling) and isinstance(coupling.network, nn.Module)
    x = torch.randn(2, 4, 4, 4).double()
    with torch.no_grad():
        z, _ = coupling(x, None)
    seen = coupling.seen(x).expand_as(x) == 1
    assert torch.equal(z[seen], x[seen]) and (z != x)[~seen].all()
    assert seen.float().mean() == 0.5
