"""Recurrent networks: causality, the decoding cache, skip connections and gradients."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Causal, Context, Prefills, Reorders
from morphogen.families.autoregressive import Recompute
from morphogen.networks.recurrent import Recurrent
from morphogen.numerics.tensors import raster, unraster

SHAPES = [(12,), (3, 2, 2)]
CELLS = ["lstm", "gru"]


def network(cell: str = "lstm", layers: int = 2, vector: int = 0, dropout: float = 0.0) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(7, 8, layers, cell, dropout, vector).eval()  # type: ignore[arg-type]


def tokens(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(7, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_depend_on_exactly_the_previous_tokens(cell: str, shape: tuple[int, ...]) -> None:
    net, x = network(cell).double(), tokens(1, *shape)
    base, depends = raster(net(x, None), shape)[0], torch.zeros(12, 12, dtype=torch.bool)
    for j in range(12):
        s = raster(x, shape).clone()
        s[0, j] = (s[0, j] + 3) % 7
        depends[:, j] = (raster(net(unraster(s, shape), None), shape)[0] - base).abs().amax(1) > 1e-15
    assert torch.equal(depends, torch.ones(12, 12).tril(-1).bool())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_cache_equals_the_full_pass(cell: str, shape: tuple[int, ...]) -> None:
    net, context = network(cell, vector=3), Context(vector=torch.randn(2, 3))
    assert isinstance(net, Causal)
    cache, naive, previous = net.make_cache(2, context), Recompute(net, 2, shape, context), None
    assert isinstance(cache, Prefills) and isinstance(cache, Reorders)
    with torch.no_grad():
        for i in range(12):
            torch.testing.assert_close(cache.step(previous), naive.step(previous), atol=1e-5, rtol=0)
            previous = tokens(2, seed=i)


def test_every_position_depends_on_the_condition() -> None:
    net, x = network(vector=3), tokens(2, 12)
    change = (net(x, Context(vector=torch.ones(2, 3))) - net(x, None)).abs().amax(-1)
    assert (change > 0).all()


@pytest.mark.parametrize("disabled", [0, 1, 2])
def test_skip_connections_bypass_every_layer(disabled: int) -> None:
    """With one layer's weights zeroed, the output still depends on the input."""
    net = network(layers=3)
    for parameter in net.stack[disabled].parameters():
        parameter.data.zero_()
    x, y = tokens(1, 12), tokens(1, 12, seed=2)
    assert (net(x, None) - net(y, None)).abs().amax(-1)[0, 1:].min() > 0


@pytest.mark.parametrize("cell", CELLS)
def test_every_parameter_has_a_gradient(cell: str) -> None:
    net = network(cell, vector=3)
    net(tokens(2, 12), Context(vector=torch.ones(2, 3))).square().sum().backward()
    without_gradient = [name for name, p in net.named_parameters() if not p.grad.any()]  # type: ignore[union-attr]
    assert not without_gradient
    assert net.token_embedding.weight.grad[7].any()  # the start token's too


def test_the_forget_gate_starts_open() -> None:
    layer = network().stack[1]
    total = layer.bias_ih_l0 + layer.bias_hh_l0
    assert torch.equal(total[8:16], torch.ones(8)) and not (total == 1)[[*range(8), *range(16, 32)]].any()


def test_dropout_is_inactive_in_evaluation() -> None:
    net, x = network(dropout=0.5), tokens(4, 12)
    assert torch.equal(net(x, None), net(x, None))
    net.train()
    assert not torch.equal(net(x, None), net(x, None))


@pytest.mark.usefixtures("untyped")
def test_an_unknown_cell_is_rejected() -> None:
    with pytest.raises(ConfigError, match="unknown cell 'rnn': use lstm, gru"):
        network("rnn")
