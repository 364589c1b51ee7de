"""Autoregressive flows: sampling entry by entry equals D full passes; entries that do not exist; refusals."""

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError, from_config, to_config
from morphogen.contract import Context
from morphogen.families.flow import (
    Affine,
    Bijection,
    Elementwise,
    Flow,
    FlowSampler,
    Inverse,
    InverseAutoregressiveFlow,
    LULinear,
    MaskedAutoregressive,
    MaskedAutoregressiveFlow,
    Permuted,
    RationalQuadraticSpline,
    SingleScale,
    keyed,
    reverse,
)
from morphogen.networks.made import MADE
from morphogen.numerics.randomness import Rng

FLOWS = {
    "couplings": lambda: SingleScale(5, 16, 1, 4, 3, transform=RationalQuadraticSpline(4)),
    "MAF": lambda: MaskedAutoregressiveFlow(5, 16, 2, 3, 3),
    "spline MAF": lambda: MaskedAutoregressiveFlow(5, 16, 2, 3, 3, RationalQuadraticSpline(4)),
    "IAF": lambda: InverseAutoregressiveFlow(5, 16, 2, 3, 3),
    "linear": lambda: LULinear(5),
}


def randomised(bijection: Bijection, by: float = 0.2) -> Bijection:
    generator = torch.Generator().manual_seed(0)
    for parameter in bijection.parameters():
        parameter.data.add_(by * torch.randn(parameter.shape, generator=generator))
    return bijection.eval()


@pytest.mark.parametrize("transform", [Affine(), RationalQuadraticSpline(4)])
@pytest.mark.parametrize(("dims", "width", "layers"), [(1, 3, 1), (2, 5, 2), (6, 17, 1), (6, 16, 3)])
def test_entry_by_entry_gives_the_values_of_full_passes(
    transform: Elementwise, dims: int, width: int, layers: int
) -> None:
    network = MADE(dims, transform.outputs, width, layers, vector=2)
    flow = randomised(MaskedAutoregressive(network, transform).double())
    z, context = torch.randn(9, dims).double(), Context(vector=torch.randn(9, 2).double())
    calls: list[int] = []
    network.register_forward_hook(lambda *_: calls.append(1))
    x = flow.inverse(z, context)
    assert not calls  # of the whole network
    naive = torch.zeros_like(z)
    for _ in range(dims):
        naive = transform.inverse(z, network(naive, context))
    torch.testing.assert_close(x, naive, rtol=0, atol=1e-12)


def test_the_cache_evaluates_each_hidden_unit_once() -> None:
    """The multiplications of all D steps are no more than those of one full pass."""
    network, work = MADE(16, 2, 32, 2), [0]
    addmm = torch.addmm

    def counted(bias: Tensor, weight: Tensor, h: Tensor) -> Tensor:
        work[0] += weight.numel()
        return addmm(bias, weight, h)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "addmm", counted)
        cache = network.make_cache(3, None)
        for i in range(16):
            cache.step(torch.randn(3) if i else None)
    assert 0 < work[0] <= sum(layer.weight.numel() for layer in network.body)


@pytest.mark.parametrize("name", FLOWS)
def test_entries_that_do_not_exist_remain_zero_and_do_not_matter(name: str) -> None:
    torch.manual_seed(0)
    flow = randomised(FLOWS[name]()).double()
    exists = torch.rand(8, 5) > 0.4
    x = torch.where(exists, torch.randn(8, 5).double(), 0.0)
    context = Context(vector=torch.randn(8, 3).double(), x_mask=exists)
    z, log_det = flow(x, context)
    assert (z[~exists] == 0).all() and (z - x)[exists].abs().max() > 1e-2
    back = flow.inverse(z, context)
    assert (back[~exists] == 0).all() and (back - x).abs().max() <= 1e-10
    for i in range(8):
        row, kept = context[slice(i, i + 1)], exists[i].nonzero().flatten()

        def of_existing(v: Tensor, i: int = i, row: Context = row, kept: Tensor = kept) -> Tensor:
            return flow(x[i].index_put((kept,), v)[None], row)[0][0, kept]

        jacobian = torch.autograd.functional.jacobian(of_existing, x[i, kept])
        assert abs(torch.linalg.slogdet(jacobian).logabsdet - log_det[i]) <= 1e-10


@pytest.mark.parametrize("name", FLOWS)
def test_single_precision_at_extreme_inputs(name: str) -> None:
    torch.manual_seed(0)
    flow = FLOWS[name]()
    for parameter in flow.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    x = torch.cat([torch.randn(50, 5), 100 * torch.eye(5), -100 * torch.eye(5)])
    back = flow.inverse(flow(x, None)[0], None)
    error = (back - x).abs() / x.abs().amax(1, keepdim=True).clamp_min(1)
    assert error.max() <= 1e-5


@pytest.mark.parametrize("name", FLOWS)
def test_samples_are_independent_of_their_batch(name: str) -> None:
    flow = Flow(randomised(FLOWS[name]()))
    with torch.no_grad():
        together = FlowSampler()(flow, (5,), None, Rng(5, 16))
        part = FlowSampler()(flow, (5,), None, Rng(5, torch.tensor([3, 11])))
    assert (part - together[[3, 11]]).abs().max() <= 1e-5


@pytest.mark.parametrize("transform", [None, RationalQuadraticSpline(5, 2.0)])
@pytest.mark.parametrize("stack", [MaskedAutoregressiveFlow, InverseAutoregressiveFlow, SingleScale])
def test_densities_integrate_to_one(stack: type[Bijection], transform: Elementwise | None) -> None:
    torch.manual_seed(0)
    flow = randomised(stack(2, 16, 1, 3, transform=transform), 0.1).double()  # type: ignore[call-arg]
    axis = torch.linspace(-9, 9, 361, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        z, log_det = flow(points, None)
    density = (log_det - 0.5 * z.square().sum(1)).exp() / (2 * torch.pi)
    assert abs(density.sum() * (axis[1] - axis[0]) ** 2 - 1) <= 2e-3


def test_an_inverse_swaps_both_directions() -> None:
    inner = randomised(MaskedAutoregressiveFlow(3, 8, 1, 2))
    flow, x = Inverse(inner), torch.randn(6, 3)
    z, log_det = flow(x, None)
    assert torch.equal(z, inner.inverse(x, None)) and torch.equal(log_det, -inner(z, None)[1])
    assert torch.equal(flow.inverse(z, None), inner(z, None)[0])


def test_a_permuted_map_is_the_map_of_the_entries_in_another_order() -> None:
    order = keyed(5, seed=3)
    inner = randomised(SingleScale(5, 8, 1, 2))
    flow, x = Permuted(inner, order), torch.randn(6, 5)
    z, log_det = flow(x, None)
    inside, expected = inner(x[:, list(order)], None)
    assert torch.equal(z[:, list(order)], inside) and torch.equal(log_det, expected)
    assert order == keyed(5, seed=3) != keyed(5, seed=4) and reverse(3) == (2, 1, 0)
    assert to_config(from_config(to_config(flow))) == to_config(flow)


def test_a_linear_map_is_made_of_its_matrix() -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 4).double()
    weight = weight @ weight.T + 0.1 * torch.randn(4, 4)
    flow, x = LULinear.of(weight).double(), torch.randn(3, 4).double()
    z, log_det = flow(x, None)
    torch.testing.assert_close(z, x @ weight.T, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        log_det, torch.linalg.slogdet(weight).logabsdet.expand(3), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    ("build", "problem"),
    [
        (lambda: Permuted(LULinear(3), (0, 2, 2)), r"Permuted: order \(0, 2, 2\) is not a permutation"),
        (lambda: Permuted(LULinear(3), ()), r"Permuted: order \(\) is not a permutation"),
        (lambda: Permuted(LULinear(3), (1, 2, 3)), "is not a permutation: give each of 0, 1"),
        (lambda: LULinear(0), "LULinear: dims=0: give at least 1"),
        (lambda: LULinear.of(torch.ones(2, 2)), "leading minor of order 2 is not above 0"),
        (
            lambda: LULinear.of(torch.tensor([[0.0, 1.0], [1.0, 0.0]])),
            "minor of order 1 is not above",
        ),
        (lambda: SingleScale(0), "SingleScale: dims=0: give at least 1"),
        (lambda: MaskedAutoregressiveFlow(0), "MADE: dims=0, layers=2: give at least 1"),
        (lambda: InverseAutoregressiveFlow(20, width=4), "MADE: width=4: 20 entries require at least 19"),
        (lambda: MADE(3, 2, 8, 0), "MADE: dims=3, layers=0: give at least 1"),
    ],
)
def test_maps_that_cannot_be_inverted_are_refused_at_construction(build, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as refusal:
        build()
    assert "\n" not in str(refusal.value)
