"""The recurrent network looks back only, its state answers as its pass does, and every layer reads and is read."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Causal, Context
from morphogen.families.autoregressive import Recompute
from morphogen.networks.recurrent import Recurrent
from morphogen.numerics.tensors import raster, unraster

SHAPES = [(12,), (3, 2, 2)]
CELLS = ["lstm", "gru"]


def network(cell: str = "lstm", layers: int = 2, vector: int = 0, dropout: float = 0.0) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(7, 8, layers, cell, dropout, vector).eval()  # type: ignore[arg-type]


def symbols(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(7, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_depend_on_exactly_the_symbols_before(cell: str, shape: tuple[int, ...]) -> None:
    net, x = network(cell).double(), symbols(1, *shape)
    before, depends = raster(net(x, None), shape)[0], torch.zeros(12, 12, dtype=torch.bool)
    for j in range(12):
        s = raster(x, shape).clone()
        s[0, j] = (s[0, j] + 3) % 7
        depends[:, j] = (raster(net(unraster(s, shape), None), shape)[0] - before).abs().amax(1) > 1e-15
    assert torch.equal(depends, torch.ones(12, 12).tril(-1).bool())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", SHAPES)
def test_memory_gives_the_logits_of_the_pass(cell: str, shape: tuple[int, ...]) -> None:
    net, context = network(cell, vector=3), Context(vector=torch.randn(2, 3))
    assert isinstance(net, Causal)
    memory, naive, previous = net.cache(2, context), Recompute(net, 2, shape, context), None
    with torch.no_grad():
        for i in range(12):
            torch.testing.assert_close(memory.step(previous), naive.step(previous), atol=1e-5, rtol=0)
            previous = symbols(2, seed=i)


def test_the_condition_is_heard_by_every_symbol() -> None:
    net, x = network(vector=3), symbols(2, 12)
    change = (net(x, Context(vector=torch.ones(2, 3))) - net(x, None)).abs().amax(-1)
    assert (change > 0).all()


@pytest.mark.parametrize("silent", [0, 1, 2])
def test_every_layer_has_a_way_of_its_own(silent: int) -> None:
    """With one layer's state held at nothing, the input still comes through the others to the output."""
    net = network(layers=3)
    for parameter in net.stack[silent].parameters():
        parameter.data.zero_()
    x, y = symbols(1, 12), symbols(1, 12, seed=2)
    assert (net(x, None) - net(y, None)).abs().amax(-1)[0, 1:].min() > 0


@pytest.mark.parametrize("cell", CELLS)
def test_every_parameter_learns(cell: str) -> None:
    net = network(cell, vector=3)
    net(symbols(2, 12), Context(vector=torch.ones(2, 3))).square().sum().backward()
    silent = [name for name, p in net.named_parameters() if not p.grad.any()]  # type: ignore[union-attr]
    assert not silent
    assert net.symbols.weight.grad[7].any()  # the start symbol's too


def test_the_forget_gate_starts_open() -> None:
    layer = network().stack[1]
    total = layer.bias_ih_l0 + layer.bias_hh_l0
    assert torch.equal(total[8:16], torch.ones(8)) and not (total == 1)[[*range(8), *range(16, 32)]].any()


def test_dropout_is_for_training_only() -> None:
    net, x = network(dropout=0.5), symbols(4, 12)
    assert torch.equal(net(x, None), net(x, None))
    net.train()
    assert not torch.equal(net(x, None), net(x, None))


@pytest.mark.usefixtures("untyped")
def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(ConfigError, match="cell 'rnn': there are lstm, gru"):
        network("rnn")
