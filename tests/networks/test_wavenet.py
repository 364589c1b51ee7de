"""WaveNet looks back exactly as far as it says, hears its condition at the right time, and its memory answers as its pass does."""

import pytest
import torch

from morphogen.component import ConfigError, build, describe
from morphogen.contract import Causal, Context
from morphogen.families.autoregressive import Recompute
from morphogen.networks.causal_conv import CausalConv, Taps
from morphogen.networks.wavenet import WaveNet


def network(**numbers: int) -> WaveNet:
    torch.manual_seed(0)
    return WaveNet(**{"vocabulary": 7, "width": 6, "skip": 10, "cycles": 2, "layers": 3} | numbers).eval()


def test_logits_depend_on_exactly_the_samples_within_reach() -> None:
    net, n = network(), 24
    x = torch.randint(7, (1, n), generator=torch.Generator().manual_seed(1))
    before = net(x, None)[0]
    depends = torch.zeros(n, n, dtype=torch.bool)
    for j in range(n):
        other = x.clone()
        other[0, j] = (other[0, j] + 3) % 7
        depends[:, j] = (net(other, None)[0] - before).abs().amax(1) > 0
    age = torch.arange(n)[:, None] - torch.arange(n)
    assert net.reach == 15 and torch.equal(depends, (age >= 1) & (age <= net.reach))


@pytest.mark.parametrize("dilation", [1, 2, 3, 5])
def test_taps_give_the_convolution_step_by_step(dilation: int) -> None:
    torch.manual_seed(0)
    conv, h = CausalConv(3, 4, dilation), torch.randn(2, 17, 3)
    taps, whole = Taps(conv, 2), conv(h)
    with torch.no_grad():
        for t in range(17):
            taps.slots[t % taps.period].copy_(h[:, t])
            window, matrix = taps.windows[t % taps.period]
            torch.testing.assert_close(torch.addmm(conv.taps.bias, window, matrix), whole[:, t])


@pytest.mark.parametrize("numbers", [{}, {"vector": 3}, {"tokens": 5, "hold": 4}, {"vector": 3, "tokens": 5, "hold": 1, "cycles": 1}])
def test_memory_gives_the_logits_of_the_pass(numbers: dict[str, int]) -> None:
    net = network(**numbers)
    context = Context(vector=torch.randn(2, 3), tokens=torch.randn(2, 40, 5))
    assert isinstance(net, Causal)
    memory, naive, previous = net.cache(2, context), Recompute(net, 2, (40,), context), None
    with torch.no_grad():
        for _ in range(40):
            logits = naive.step(previous)
            torch.testing.assert_close(memory.step(previous), logits, atol=1e-5, rtol=0)
            previous = torch.randint(7, (2,))


def test_a_token_is_heard_from_its_first_sample_on() -> None:
    net, x = network(tokens=5, hold=4), torch.randint(7, (1, 22))
    tokens = torch.randn(1, 6, 5)
    other = tokens.clone()
    other[:, 3] += 1
    moved = (net(x, Context(tokens=other)) - net(x, Context(tokens=tokens))).abs().amax(-1)[0] > 0
    assert not moved[:12].any() and moved[12:22].all()


def test_rows_do_not_meet_and_without_a_condition_there_is_a_law_too() -> None:
    net, x, v = network(vector=3), torch.randint(7, (2, 9)), torch.randn(2, 3)
    change = (net(x, Context(vector=v)) - net(x, Context(vector=torch.stack([v[0], -v[1]])))).abs().amax(-1)
    assert (change[1] > 0).all() and (change[0] < 1e-6).all()
    assert torch.equal(net(x, None), net(x, Context()))


def test_every_parameter_learns_and_the_config_builds_it_again() -> None:
    net = network(vector=3, tokens=5, hold=2)
    x, context = torch.randint(7, (2, 30)), Context(vector=torch.randn(2, 3), tokens=torch.randn(2, 15, 5))
    net(x, context).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    again = build(describe(net))
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(x, context), net(x, context))


def test_what_cannot_be_is_refused_in_a_line() -> None:
    with pytest.raises(ConfigError, match="each must be at least 1"):
        network(layers=0)
    with pytest.raises(ConfigError, match="2 tokens of 4 samples end before a sound of 9"):
        network(tokens=5, hold=4)(torch.zeros(1, 9, dtype=torch.long), Context(tokens=torch.zeros(1, 2, 5)))
