"""Glow: steps of flow, invertible convolutions, split priors; extreme inputs, and the trained flow."""

import math

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Batch, Context, Encoded
from morphogen.data import load_data
from morphogen.families.flow import (
    ActNorm,
    Additive,
    Affine,
    Bijection,
    Chain,
    Elementwise,
    Flow,
    FlowSampler,
    FlowSteps,
    InvertibleConv,
    SigmoidAffine,
    SplitCoupling,
    TopPrior,
)
from morphogen.networks.coupling_convnet import CouplingConvNet, ZeroConv
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.systems.glow import glow
from morphogen.training import train

TRANSFORMS = {"affine": Affine, "sigmoid": SigmoidAffine, "additive": Additive}


def encoded(x: torch.Tensor) -> Encoded:
    return Encoded(x, x.new_zeros(len(x)), x.new_full((len(x),), x[0].numel()))


def randomised(bijection: Bijection, by: float = 0.1) -> Bijection:
    """Add N(0, by^2) to every parameter, since couplings are initialized as the identity."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in bijection.parameters():
            parameter.add_(by * torch.randn(parameter.shape, generator=generator))
    return bijection.eval()


def steps_of(transform: Elementwise | None = None, vector: int = 0, by: float = 0.1) -> Bijection:
    torch.manual_seed(0)
    return randomised(FlowSteps((1, 8, 8), 16, 3, 2, vector, transform), by)


def relative_error(bijection: Bijection, x: torch.Tensor) -> float:
    """Largest error of the inverse, relative to the largest entry of the row, at least 1."""
    with torch.no_grad():
        back = bijection.inverse(bijection(x, None)[0], None)
    size = x.flatten(1).abs().amax(1).clamp_min(1)
    return float(((back - x).flatten(1).abs().amax(1) / size).max())


@pytest.mark.parametrize("size", [1.0, 100.0, 1e4])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_inverse_of_extreme_inputs(name: str, size: float) -> None:
    x = size * torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    x[0], x[1] = size, -size  # constant pictures at the ends
    flow = steps_of(TRANSFORMS[name](), by=0.05)
    assert relative_error(flow, x) <= 1e-5
    assert relative_error(flow.double(), x.double()) <= 1e-10


def test_inverse_of_thirty_two_steps_per_scale() -> None:
    """28 x 28 pixels of size 100: below 1e-5, and above where fp32 rounds between the steps."""
    torch.manual_seed(0)
    flow = randomised(FlowSteps((1, 28, 28), 16, 32, 2), 0.05)
    x = 100 * torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    assert relative_error(flow, x) <= 5e-6
    assert relative_error(flow.double(), x.double()) <= 1e-10
    in_fp32 = Chain(flow.float().bijections).eval()  # type: ignore[attr-defined]
    assert relative_error(in_fp32, x) > 1e-5


def test_the_sigmoid_map_inverts_at_both_ends_of_its_scale() -> None:
    """s' = -100 and 100: the scale is the lower bound and 1."""
    transform, x = SigmoidAffine(), torch.tensor([[-100.0], [-1.0], [3.0], [100.0]])
    for raw, scale in ((-100.0, 0.5), (0.0, 0.5 + 0.5 / (1 + math.exp(-2))), (100.0, 1.0)):
        theta = torch.tensor([[raw, 0.5]]).expand(4, 2)
        z, log_det = transform(x, theta)
        assert torch.allclose(z, (x + 0.5) * scale) and torch.allclose(log_det.exp(), torch.tensor(scale))
        assert torch.allclose(transform.inverse(z, theta), x, atol=1e-5)


def test_an_invertible_convolution_starts_as_a_rotation_of_the_seed() -> None:
    torch.manual_seed(3)
    first = InvertibleConv(12)
    torch.manual_seed(3)
    same, other = InvertibleConv(12), InvertibleConv(12)
    x = torch.randn(5, 12, 2, 2)
    z, log_det = first(x, None)
    assert torch.allclose(z.norm(dim=1), x.norm(dim=1), atol=1e-4) and log_det.abs().max() <= 1e-4
    assert torch.equal(same(x, None)[0], z) and not torch.allclose(other(x, None)[0], z)


def test_the_log_determinant_of_a_convolution_is_that_of_its_matrix_at_every_pixel() -> None:
    torch.manual_seed(0)
    conv = randomised(InvertibleConv(6), 0.3).double()
    matrix = conv(torch.eye(6).double(), None)[0].T
    log_det = conv(torch.randn(2, 6, 3, 5).double(), None)[1]
    assert torch.allclose(log_det, 15 * torch.linalg.slogdet(matrix).logabsdet)
    assert torch.allclose(conv.inverse(torch.eye(6).double(), None).T @ matrix, torch.eye(6).double())


def test_density_of_a_picture_of_two_channels_integrates_to_one() -> None:
    torch.manual_seed(0)
    steps: list[Bijection] = []
    for _ in range(3):
        coupling = SplitCoupling(CouplingConvNet(1, 2, 8), "blocks", 0, SigmoidAffine())
        steps += [ActNorm(2), InvertibleConv(2), coupling]
    chain = Chain((*steps, SplitCoupling(ZeroConv(1, 2), "blocks", 0), TopPrior((2, 1, 1))))
    flow = Flow(randomised(chain, 0.25)).double()
    axis = torch.linspace(-12, 12, 481, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)[:, :, None, None]
    with torch.no_grad():
        log_p = flow.log_prob(encoded(grid), None, Rng(0, len(grid))).nats
    assert abs(log_p.exp().sum() * (axis[1] - axis[0]) ** 2 - 1) <= 2e-3


def test_the_first_batch_prepares_every_step() -> None:
    """Every actnorm gives the first batch mean 0 and variance 1, whatever the convolution before it."""
    torch.manual_seed(0)
    flow = Flow(FlowSteps((1, 8, 8), 16, 3, 2))
    x = 3 + 2 * torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    flow.prepare(encoded(x), None, Rng(0, 64))
    norms = [part for part in flow.modules() if isinstance(part, ActNorm)]
    assert len(norms) == 6 and all(norm.shift.abs().max() > 0 for norm in norms)
    z, _ = flow.bijection(x, None)
    assert z.mean().abs() <= 1e-5 and (z.std() - 1).abs() <= 0.1  # s = 0.94 in untrained couplings


def test_a_split_prior_standardises_one_half_given_the_other() -> None:
    """x_a = 2 x_b + 0.5 eps is standard normal, and independent of x_b, under the true mean and scale."""
    conv = ZeroConv(1, 2)
    coupling = SplitCoupling(conv, "blocks", 0)
    with torch.no_grad():
        coupling.transform.scale.fill_(2 * math.log(2))  # type: ignore[union-attr]
        conv.conv.bias.copy_(torch.tensor([math.atanh(0.5), 0.0]))  # type: ignore[union-attr]
        conv.conv.weight[1, 0, 1, 1] = -4.0
    x_b, eps = torch.randn(2, 4000, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    z, log_det = coupling(torch.cat([x_b, 2 * x_b + 0.5 * eps], 1), None)
    assert torch.allclose(z[:, 1:], eps, atol=1e-4) and torch.allclose(log_det, torch.tensor(math.log(2)))


def test_the_context_reaches_every_prior_and_coupling() -> None:
    torch.manual_seed(0)
    flow = randomised(FlowSteps((1, 8, 8), 16, 2, 2, vector=4), 0.1)
    x, vector = torch.randn(6, 1, 8, 8), torch.randn(6, 4, requires_grad=True)
    z, log_det = flow(x, Context(vector=vector))
    (z.square().sum() - log_det.sum()).backward()
    assert vector.grad is not None and (vector.grad.abs().sum(1) > 0).all()
    missing = [n for n, p in flow.named_parameters() if p.grad is None or not p.grad.abs().any()]
    assert missing == []


@pytest.mark.parametrize("indices", [[3], [7, 2], [6, 5, 4, 3, 2, 1, 0]])
def test_a_sample_does_not_depend_on_its_batch(indices: list[int]) -> None:
    flow = Flow(steps_of())
    with torch.no_grad():
        batch = FlowSampler()(flow, (1, 8, 8), None, Rng(5, 8))
        part = FlowSampler()(flow, (1, 8, 8), None, Rng(5, torch.tensor(indices)))
    assert (part - batch[indices]).abs().max() <= 1e-5


def test_bf16_networks_leave_the_map_and_its_log_determinant_in_fp32() -> None:
    """The parameters of a map are rounded once; z, x and the log-determinant are not."""
    torch.manual_seed(0)
    coupling = randomised(SplitCoupling(CouplingConvNet(2, 4, 16), "blocks", 0, SigmoidAffine()))
    x = torch.randn(4, 4, 4, 4)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        z, log_det = coupling(x, None)
        back = coupling.inverse(z, None)
    assert (z.dtype, log_det.dtype) == (torch.float32, torch.float32)
    assert (back - x).abs().max() <= 1e-5  # the network receives the same half in both directions


def test_the_paper_has_the_parameters_of_the_published_code() -> None:
    """openai/glow (model.py, tfops.py) on CIFAR-10, 44.1 million without the channel that marks the edges.

    Hidden convolutions have an actnorm in place of the bias, and the last one a scale, so that ours has less.
    """
    width, published = 512, 0
    for channels in (12, 24, 48):
        half = channels // 2
        network = 9 * half * width + 2 * width + width**2 + 2 * width + 9 * width * channels + 2 * channels
        published += 32 * (2 * channels + channels**2 + network)
    split_priors = sum(9 * half * 2 * half + 4 * half for half in (6, 12))
    published += split_priors + 9 * 96 * 96 + 2 * 96
    with torch.device("meta"):
        model = glow(Pixels(256, (3, 32, 32)), None, "paper")
    ours = sum(p.numel() for p in model.parameters())
    assert published == 44_135_856 and -0.005 <= ours / published - 1 <= 0


def test_a_network_of_other_halves_is_refused() -> None:
    x = torch.zeros(2, 3, 4, 4)
    SplitCoupling(ZeroConv(1, 4), "blocks", 0)(x, None)
    with pytest.raises(ConfigError, match=r"\[2, 4, 4, 4\]"):
        SplitCoupling(ZeroConv(1, 2), "blocks", 0)(x, None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InvertibleConv(0), "channels=0: give at least 1"),
        (lambda: FlowSteps((0, 8, 8), 8, 1, 1), "0 channels of 8 x 8 pixels"),
        (lambda: FlowSteps((1, 8, 8), 8, 1, 0), "0 scales: give at least 1"),
        (lambda: FlowSteps((1, 8, 8), 8, 0, 1), "steps_per_scale=0: give at least 1"),
        (lambda: FlowSteps((1, 28, 28), 8, 1, 3), "not a multiple of 8: use resolution=32"),
        (lambda: SigmoidAffine(0.0), r"least=0 is not in \(0, 1\)"),
    ],
)
def test_settings_that_cannot_be_inverted_are_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.slow
def test_inverse_and_log_determinant_after_a_thousand_training_steps() -> None:
    """Digits, seed 0: inverts to 1e-5 (1e-10 in fp64), also far from all data; log-determinant."""
    data = load_data("digits")
    torch.manual_seed(0)
    model = glow(data.representation, None, "tiny")
    train(model, data.train, steps=1000, seed=0)
    flow = model.objective.bijection.eval()
    x, _ = model.encode_batch(Batch(data.test.first(8).medium), Rng(0, 8))
    assert relative_error(flow, x.x) <= 1e-5
    noise = 100 * torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert relative_error(flow, noise) <= 1e-5
    flow = flow.double()
    assert max(relative_error(flow, v.double()) for v in (x.x, noise)) <= 1e-10
    row = x.x[:1].double()
    jacobian = torch.autograd.functional.jacobian(
        lambda v: flow(v.reshape(row.shape), None)[0].flatten(), row.flatten()
    )
    with torch.no_grad():
        assert abs(torch.linalg.slogdet(jacobian).logabsdet - flow(row, None)[1][0]) <= 1e-8
