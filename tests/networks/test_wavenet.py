"""WaveNet: exact receptive field, aligned local conditioning, and a cache equal to the forward pass."""

import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.contract import Causal, Context
from morphogen.families.autoregressive import Recompute
from morphogen.networks.causal_conv import CausalConv, CausalConvCache
from morphogen.networks.wavenet import WaveNet


def network(**numbers: int) -> WaveNet:
    torch.manual_seed(0)
    return WaveNet(**{"vocabulary": 7, "width": 6, "skip": 10, "cycles": 2, "layers": 3} | numbers).eval()


def test_logits_depend_on_exactly_the_receptive_field() -> None:
    net, n = network(), 24
    x = torch.randint(7, (1, n), generator=torch.Generator().manual_seed(1))
    logits = net(x, None)[0]
    depends = torch.zeros(n, n, dtype=torch.bool)
    for j in range(n):
        other = x.clone()
        other[0, j] = (other[0, j] + 3) % 7
        depends[:, j] = (net(other, None)[0] - logits).abs().amax(1) > 0
    lag = torch.arange(n)[:, None] - torch.arange(n)
    assert net.receptive_field == 15 and torch.equal(depends, (lag >= 1) & (lag <= net.receptive_field))


@pytest.mark.parametrize("dilation", [1, 2, 3, 5])
def test_a_cached_convolution_equals_the_full_one(dilation: int) -> None:
    torch.manual_seed(0)
    conv, h = CausalConv(3, 4, dilation), torch.randn(2, 17, 3)
    cache, expected = CausalConvCache(conv, 2), conv(h)
    with torch.no_grad():
        for t in range(17):
            cache.slots[t % cache.period].copy_(h[:, t])
            window, matrix = cache.windows[t % cache.period]
            torch.testing.assert_close(torch.addmm(conv.taps.bias, window, matrix), expected[:, t])


@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"vector": 3},
        {"tokens": 5, "samples_per_token": 4},
        {"vector": 3, "tokens": 5, "samples_per_token": 1, "cycles": 1},
    ],
)
def test_cached_decoding_equals_the_forward_pass(numbers: dict[str, int]) -> None:
    net = network(**numbers)
    context = Context(vector=torch.randn(2, 3), tokens=torch.randn(2, 40, 5))
    assert isinstance(net, Causal)
    cache, naive, previous = net.make_cache(2, context), Recompute(net, 2, (40,), context), None
    with torch.no_grad():
        for _ in range(40):
            logits = naive.step(previous)
            torch.testing.assert_close(cache.step(previous), logits, atol=1e-5, rtol=0)
            previous = torch.randint(7, (2,))


def test_a_token_affects_samples_from_its_first_on() -> None:
    net, x = network(tokens=5, samples_per_token=4), torch.randint(7, (1, 22))
    tokens = torch.randn(1, 6, 5)
    other = tokens.clone()
    other[:, 3] += 1
    changed = (net(x, Context(tokens=other)) - net(x, Context(tokens=tokens))).abs().amax(-1)[0] > 0
    assert not changed[:12].any() and changed[12:22].all()


def test_rows_are_independent_and_the_condition_is_optional() -> None:
    net, x, v = network(vector=3), torch.randint(7, (2, 9)), torch.randn(2, 3)
    change = (net(x, Context(vector=v)) - net(x, Context(vector=torch.stack([v[0], -v[1]])))).abs().amax(-1)
    assert (change[1] > 0).all() and (change[0] < 1e-6).all()
    assert torch.equal(net(x, None), net(x, Context()))


def test_every_parameter_has_a_gradient_and_the_config_rebuilds_the_network() -> None:
    net = network(vector=3, tokens=5, samples_per_token=2)
    x, context = torch.randint(7, (2, 30)), Context(vector=torch.randn(2, 3), tokens=torch.randn(2, 15, 5))
    net(x, context).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    again = from_config(to_config(net))
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(x, context), net(x, context))


def test_invalid_arguments_raise() -> None:
    with pytest.raises(ConfigError, match="each must be at least 1"):
        network(layers=0)
    with pytest.raises(ConfigError, match="2 tokens of 4 samples do not cover a sound of 9"):
        network(tokens=5, samples_per_token=4)(
            torch.zeros(1, 9, dtype=torch.long), Context(tokens=torch.zeros(1, 2, 5))
        )
