"""The kernel's steps are those of torch's Adam, on any shapes and layouts, at any number of threads."""

from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from morphogen.native.kernels import available
from morphogen.plan import SGD, Adam, AdamW
from morphogen.training import fused_adam
from morphogen.training.ema import Ema
from morphogen.training.fused_adam import gradient_norm
from morphogen.training.optimizers import Player

pytestmark = pytest.mark.skipif(not available("adam"), reason="the kernel cannot be built here")
SHAPES = [(33, 7), (7,), (), (0, 3), (2, 3, 4, 5), (40_000,), (150, 150)]


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def player(shapes: Sequence[tuple[int, ...]], spec=None, seed: int = 0) -> Player:
    generator = torch.Generator().manual_seed(seed)
    parameters = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    return Player("model", parameters, spec or AdamW(1e-3, weight_decay=0.1), ("model",))


def twin(*arguments) -> Player:
    """The same player, whose steps are torch's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused_adam, "available", lambda kernel: False)
        return player(*arguments)


def take_steps(
    players: Sequence[Player], averages: Sequence[Ema | None], turns: range, without: Sequence[int] = ()
) -> None:
    """Steps with random gradients, equal for all players; some parameters have none in odd turns."""
    for turn in turns:
        generator = torch.Generator().manual_seed(turn)
        gradients = [torch.randn(p.shape, generator=generator) for p in players[0].parameters]
        for one, ema in zip(players, averages, strict=True):
            for i, (p, gradient) in enumerate(zip(one.parameters, gradients, strict=True)):
                p.grad = None if i in without and turn % 2 else gradient.clone()
            one.step(0.3, 0.5 + 0.5 / (1 + turn), turn, ema)


def largest_difference(x: Sequence[Tensor], y: Sequence[Tensor]) -> float:
    return max(float((a - b).detach().abs().max()) for a, b in zip(x, y, strict=True) if a.numel())


@pytest.mark.parametrize("spec", [Adam(1e-3, betas=(0.8, 0.99)), AdamW(1e-3, weight_decay=0.1)])
def test_fifty_steps_are_torch_s(spec, threads):
    ours, theirs = player(SHAPES, spec), twin(SHAPES, spec)
    averages = [Ema(one.parameters, 0.9) for one in (ours, theirs)]
    assert ours._fused is not None and theirs._fused is None
    take_steps([ours, theirs], averages, range(50), without=[1, 4])
    assert largest_difference(ours.parameters, theirs.parameters) < 1e-6
    assert largest_difference(averages[0].average, averages[1].average) < 1e-6
    states = [one.state()[0] for one in (ours, theirs)]
    assert states[0].keys() == states[1].keys()
    for key, value in states[0].items():
        torch.testing.assert_close(value, states[1][key], rtol=1e-5, atol=1e-7)


def test_the_number_of_threads_changes_no_bit():
    before, weights, norms = torch.get_num_threads(), [], []
    for count in (1, 2):
        torch.set_num_threads(count)
        one = player(SHAPES)
        take_steps([one], [None], range(5))
        weights.append(torch.cat([p.detach().flatten() for p in one.parameters]))
        norms.append(gradient_norm([p.grad for p in one.parameters]))
    torch.set_num_threads(before)
    assert torch.equal(*weights) and torch.equal(*norms)


@pytest.mark.parametrize("restored_by", [player, twin])
def test_a_player_continues_from_a_saved_state(restored_by):
    """Bit for bit by the kernel, to 1e-6 by the twin."""
    through, stopped = player(SHAPES), player(SHAPES)
    take_steps([through, stopped], [None, None], range(10))
    resumed = restored_by(SHAPES)
    for p, value in zip(resumed.parameters, stopped.parameters, strict=True):
        p.data.copy_(value)
    take_steps([player(SHAPES)], [None], range(1))
    resumed.restore(*stopped.state())
    take_steps([through, resumed], [None, None], range(10, 20))
    difference = largest_difference(through.parameters, resumed.parameters)
    assert difference == 0 if restored_by is player else difference < 1e-6


def test_layouts_may_differ():
    """Channels-last weights, gradients of other strides, moments that a checkpoint made contiguous."""
    shape = (4, 3, 5, 5)
    ours, theirs = player([shape, shape]), twin([shape, shape])
    ours.parameters[0].data = ours.parameters[0].data.contiguous(memory_format=torch.channels_last)
    take_steps([ours, theirs], [None, None], range(3))
    for state in ours.optimizer.state.values():
        state["exp_avg"] = state["exp_avg"].contiguous()
    ours._fused.forget()
    gradient = torch.arange(300.0).view(5, 5, 4, 3).permute(2, 3, 0, 1)
    for one in (ours, theirs):
        for p in one.parameters:  # torch's fused kernel requires equal strides
            p.grad = gradient.clone() if one is ours else gradient.contiguous()
        one.step(0.01, 1.0)
    assert ours.parameters[0].stride() != theirs.parameters[0].stride()
    assert largest_difference(ours.parameters, theirs.parameters) < 1e-6


def test_what_is_skipped_is_unchanged_and_the_average_follows_all():
    ours = player([(3,), (4,)])
    weights, ema = [p.detach().clone() for p in ours.parameters], Ema(ours.parameters, 0.5)
    ema.average[1].zero_()
    ours.parameters[0].grad = torch.ones(3)
    ours.step(1.0, 1.0, 100, ema)
    assert torch.equal(ours.parameters[1], weights[1]) and not torch.equal(ours.parameters[0], weights[0])
    torch.testing.assert_close(ema.average[1], weights[1] / 2)


def test_autograd_refuses_weights_that_a_step_has_changed():
    ours = player([(3, 3)])
    weight = ours.parameters[0]
    loss = (torch.ones(1, 3, requires_grad=True) @ weight).square().sum()
    weight.grad = torch.ones(3, 3)
    ours.step(1.0, 1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_other_optimizers_and_types_are_torch_s():
    assert player([(3,)], SGD(0.1))._fused is None
    doubles = [nn.Parameter(torch.zeros(3, dtype=torch.float64))]
    assert Player("model", doubles, Adam(), ("model",))._fused is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 6), max_size=3), min_size=1, max_size=5), st.integers(0, 3))
def test_the_norm_is_that_of_all_gradients(shapes, exponent):
    gradients = [torch.randn(shape) * 10**exponent for shape in shapes]
    expected = torch.cat([g.double().flatten() for g in gradients]).norm().float()
    torch.testing.assert_close(gradient_norm(gradients), expected, rtol=1e-6, atol=0)
    gradients = [g.transpose(0, -1) if g.ndim > 1 else g for g in gradients]
    torch.testing.assert_close(gradient_norm(gradients), expected, rtol=1e-6, atol=0)


def test_a_gradient_that_is_not_finite_has_no_finite_norm():
    for value in (float("nan"), float("inf")):
        gradient = torch.zeros(100)
        gradient[50] = value
        assert not gradient_norm([torch.ones(3), gradient]).isfinite()


def test_the_operators_pass_torch_s_checks():
    checks = ("test_schema", "test_faketensor")  # those of compilation take 10 s
    lists = [[torch.rand(3), torch.rand(2, 2)] for _ in range(5)]
    steps, factors = [torch.zeros(()) for _ in range(2)], (1.0, 1e-3, 0.9, 0.99, 1e-8, 0.1, 0.9)
    torch.library.opcheck(
        torch.ops.morphogen.adam_, (*lists[:4], steps, lists[4], *factors), test_utils=checks
    )
    torch.library.opcheck(torch.ops.morphogen.gradient_norm, (lists[0],), test_utils=checks)
