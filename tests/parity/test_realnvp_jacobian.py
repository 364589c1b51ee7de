"""Log-determinants of the bijections of flows against the Jacobian from autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from morphogen.contract import Context
from morphogen.families.flow import (
    ActNorm,
    Additive,
    Bijection,
    Chain,
    Coupling,
    FactorOut,
    Flatten,
    FlowSteps,
    Inverse,
    InverseAutoregressiveFlow,
    InvertibleConv,
    LULinear,
    MaskedAutoregressive,
    MaskedAutoregressiveFlow,
    MultiScale,
    Permuted,
    RationalQuadraticSpline,
    SigmoidAffine,
    SingleScale,
    SplitCoupling,
    Squeeze,
    TopPrior,
    keyed,
)
from morphogen.networks.coupling_convnet import CouplingConvNet, ZeroConv
from morphogen.networks.coupling_resnet import CouplingResNet
from morphogen.networks.made import MADE
from morphogen.networks.mlp import MLP

VECTOR = 3


def resnet(c: int, h: int) -> CouplingResNet:
    return CouplingResNet((c, h, h), 8, 1, VECTOR)


class Convolution(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.layer = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.layer(x)


def spline(bins: int = 5) -> RationalQuadraticSpline:
    """Without slopes of 0.01 or less, which turn the 1e-7 of a z in fp32 to 1e-5."""
    return RationalQuadraticSpline(bins, bound=2.0, floor=0.05)


def convnet(channels_in: int, channels_out: int) -> CouplingConvNet:
    return CouplingConvNet(channels_in, channels_out, 8, VECTOR)


CASES: dict[str, tuple[Callable[[], Bijection], tuple[int, ...]]] = {
    "actnorm": (lambda: ActNorm(3), (3, 2, 2)),
    "checkerboard 0": (lambda: Coupling(resnet(1, 4), "checkerboard", 0), (1, 4, 4)),
    "checkerboard 1": (lambda: Coupling(resnet(2, 3), "checkerboard", 1), (2, 3, 3)),
    "channel 0": (lambda: Coupling(resnet(4, 2), "channel", 0), (4, 2, 2)),
    "channel 1, odd": (lambda: Coupling(resnet(3, 2), "channel", 1), (3, 2, 2)),
    "alternate entries": (lambda: SplitCoupling(MLP(3, 4, 8, 1, VECTOR), "alternate", 0), (5,)),
    "squeeze": (lambda: Squeeze(Coupling(resnet(4, 2), "channel", 0)), (1, 4, 4)),
    "factor out": (lambda: FactorOut(Coupling(resnet(2, 2), "checkerboard", 0)), (4, 2, 2)),
    "chain": (lambda: Chain((ActNorm(4), Coupling(resnet(4, 2), "channel", 1), ActNorm(4))), (4, 2, 2)),
    "multi-scale": (lambda: MultiScale((1, 4, 4), 8, 1, 2, 2, VECTOR), (1, 4, 4)),
    "multi-scale, three scales, colour": (lambda: MultiScale((3, 4, 4), 8, 1, 1, 3, VECTOR), (3, 4, 4)),
    "multi-scale, patches": (lambda: MultiScale((1, 4, 4), 8, 1, 2, 2, VECTOR, max_resolution=2), (1, 4, 4)),
    "invertible convolution": (lambda: InvertibleConv(5), (5, 2, 3)),
    "invertible convolution of vectors": (lambda: InvertibleConv(4), (4,)),
    "halves": (lambda: SplitCoupling(convnet(2, 4), "blocks", 0), (4, 2, 2)),
    "halves, sigmoid": (lambda: SplitCoupling(convnet(2, 4), "blocks", 0, SigmoidAffine()), (4, 2, 2)),
    "halves, additive": (lambda: SplitCoupling(convnet(3, 3), "blocks", 0, Additive()), (6, 2, 1)),
    "split prior": (lambda: SplitCoupling(ZeroConv(2, 4, VECTOR), "blocks", 0), (4, 2, 2)),
    "top prior": (lambda: TopPrior((3, 2, 2), VECTOR), (3, 2, 2)),
    "glow": (lambda: FlowSteps((1, 4, 4), 8, 2, 2, VECTOR), (1, 4, 4)),
    "glow, colour, additive": (lambda: FlowSteps((3, 2, 4), 8, 2, 1, VECTOR, Additive()), (3, 2, 4)),
    "flatten": (lambda: Flatten(SingleScale(4, 8, 1, 4, VECTOR)), (1, 2, 2)),
    "single-scale": (lambda: SingleScale(6, 8, 1, 4, VECTOR), (6,)),
    "single-scale, odd": (lambda: SingleScale(3, 8, 1, 4, VECTOR), (3,)),
    "single-scale, one entry": (lambda: SingleScale(1, 8, 1, 2, VECTOR), (1,)),
    "single-scale, splines": (lambda: SingleScale(5, 8, 1, 4, VECTOR, transform=spline()), (5,)),
    "blocks of a vector": (lambda: SplitCoupling(MLP(2, 6, 8, 1, VECTOR), "blocks", 0), (5,)),
    "the other block": (lambda: SplitCoupling(MLP(3, 4, 8, 1, VECTOR), "blocks", 1), (5,)),
    "every other entry": (lambda: SplitCoupling(MLP(2, 6, 8, 1, VECTOR), "alternate", 1), (5,)),
    "splines of pictures": (
        lambda: Coupling(Convolution(2, 2 * 11), "checkerboard", 1, spline(4)),
        (2, 3, 3),
    ),
    "autoregressive": (lambda: MaskedAutoregressive(MADE(5, 2, 12, 2, VECTOR)), (5,)),
    "autoregressive, splines": (lambda: MaskedAutoregressive(MADE(5, 14, 12, 2, VECTOR), spline()), (5,)),
    "inverse": (lambda: Inverse(MaskedAutoregressive(MADE(5, 2, 12, 2, VECTOR))), (5,)),
    "MAF": (lambda: MaskedAutoregressiveFlow(4, 12, 2, 3, VECTOR), (4,)),
    "IAF": (lambda: InverseAutoregressiveFlow(4, 12, 2, 3, VECTOR), (4,)),
    "permuted": (lambda: Permuted(SingleScale(5, 8, 1, 2, VECTOR), keyed(5, seed=1)), (5,)),
    "linear": (lambda: LULinear(5), (5,)),
}


def randomised(bijection: Bijection, seed: int = 0) -> Bijection:
    """Add N(0, 0.2^2) to every parameter, since bijections are initialized as the identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in bijection.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return bijection.double().eval()


@pytest.mark.parametrize("name", CASES)
def test_log_determinant_equals_autograd_and_inverse_inverts_forward(name: str) -> None:
    make, shape = CASES[name]
    torch.manual_seed(0)
    bijection = randomised(make())
    x, context = torch.randn(3, *shape).double(), Context(vector=torch.randn(3, VECTOR).double())
    with torch.no_grad():
        z, log_det = bijection(x, context)
        back = bijection.inverse(z, context)
    assert (z - x).abs().max() > 1e-2, "the perturbed bijection must differ from the identity"
    assert (back - x).abs().max() <= 1e-10
    for i in range(len(x)):
        row = context[slice(i, i + 1)]
        jacobian = torch.autograd.functional.jacobian(
            lambda v, c=row: bijection(v.reshape(1, *shape), c)[0].flatten(), x[i].flatten()
        )
        assert abs(torch.linalg.slogdet(jacobian).logabsdet - log_det[i]) <= 1e-10


@pytest.mark.parametrize("name", CASES)
def test_inverse_inverts_forward_in_single_precision(name: str) -> None:
    make, shape = CASES[name]
    torch.manual_seed(0)
    bijection = randomised(make()).float()
    x, context = torch.randn(16, *shape), Context(vector=torch.randn(16, VECTOR))
    with torch.no_grad():
        back = bijection.inverse(bijection(x, context)[0], context)
    assert (back - x).abs().max() <= 1e-5


@pytest.mark.parametrize(
    ("mask", "parity"), [("checkerboard", 0), ("checkerboard", 1), ("channel", 0), ("channel", 1)]
)
def test_a_coupling_copies_masked_entries_and_changes_the_rest(mask: str, parity: int) -> None:
    torch.manual_seed(0)
    coupling = randomised(Coupling(resnet(4, 4), mask, parity))  # type: ignore[arg-type]
    assert isinstance(coupling, Coupling) and isinstance(coupling.network, nn.Module)
    x = torch.randn(2, 4, 4, 4).double()
    with torch.no_grad():
        z, _ = coupling(x, None)
    mask = coupling.binary_mask(x).expand_as(x) == 1
    assert torch.equal(z[mask], x[mask]) and (z != x)[~mask].all()
    assert mask.float().mean() == 0.5
