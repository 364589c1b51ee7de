"""What every network of diffusion keeps that hears a vector, tokens and something in space, over one axis and over two."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import build, describe
from morphogen.conditioning.guidance import _both, _GuidedNetwork
from morphogen.contract import Context
from morphogen.networks.beside import Beside
from morphogen.networks.dit import DiT
from morphogen.networks.mlp import MLP
from morphogen.networks.pooled import Pooled
from morphogen.networks.timed import Timed
from morphogen.networks.unet import UNet

VECTOR, TOKENS = 5, 6
Make = Callable[[], tuple[nn.Module, tuple[int, ...]]]
NETWORKS: dict[str, Make] = {
    "unet, a picture": lambda: (UNet((2, 8, 12), 8, (1, 2), 1, (8,), 2, (VECTOR, TOKENS)), (2, 8, 12)),
    "unet, a line": lambda: (UNet((2, 16), 8, (1, 2), 1, (8,), 2, (VECTOR, TOKENS)), (2, 16)),
    # Of 64 channels: fewer stand in groups of one, and what shifts a whole channel is normalised away.
    "unet of ddpm, a line": lambda: (UNet((2, 16), 64, (1, 2), 1, (8,), 2, (VECTOR, TOKENS), design="ddpm"), (2, 16)),
    "unet of patches, a line that they do not fill": lambda: (UNet((1, 29), 8, (1, 2), 1, (), 1, (VECTOR, TOKENS), patch=2), (1, 29)),
    "dit, a picture": lambda: (DiT((2, 8, 4), 2, 16, 2, 2, VECTOR, TOKENS), (2, 8, 4)),
    "dit, a line": lambda: (DiT((2, 12), 3, 16, 2, 2, VECTOR, TOKENS), (2, 12)),
    "mlp": lambda: (Pooled(Timed(MLP(7, 7, 16, 2, 8), 8, VECTOR), TOKENS, VECTOR), (7,)),
    "unet of a vector": lambda: (Pooled(UNet((1, 8), 8, (1, 2), 1, vector=VECTOR), TOKENS, VECTOR), (1, 8)),
}
each = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
in_space = pytest.mark.parametrize(
    ("network", "shape"),
    [
        (lambda: UNet((3, 16), 8, (1, 2), 1), (2, 16)),
        (lambda: DiT((3, 12), 3, 16, 2, 2), (2, 12)),
        (lambda: DiT((3, 8, 4), 2, 16, 2, 2), (2, 8, 4)),
    ],
    ids=["unet, a line", "dit, a line", "dit, a picture"],
)


def shaken(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def asked(make: Make, rows: int = 3) -> tuple[nn.Module, Tensor, Tensor, Context]:
    """A network off its start, with x, t and a condition of 4 tokens for each row."""
    torch.manual_seed(0)
    network, shape = make()
    context = Context(vector=torch.randn(rows, VECTOR), tokens=torch.randn(rows, 4, TOKENS))
    return shaken(network), torch.randn(rows, *shape), torch.linspace(0.2, 0.8, rows), context


def test_what_is_new_is_silent_at_the_start() -> None:
    for make in NETWORKS.values():
        network, shape = make()
        x = network(torch.randn(2, *shape), torch.rand(2), Context(torch.randn(2, VECTOR), torch.randn(2, 4, TOKENS)))
        assert x.shape == (2, *shape) and (x == 0).all()


@each
def test_gradient_reaches_every_parameter_and_the_condition(make: Make) -> None:
    network, x, t, context = asked(make)
    assert context.vector is not None and context.tokens is not None
    heard = [context.vector.requires_grad_(), context.tokens.requires_grad_()]
    network(x, t, context).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert all(c.grad is not None and (c.grad != 0).any(-1).all() for c in heard)


@each
@torch.no_grad()
def test_time_vector_and_every_token_change_the_answer(make: Make) -> None:
    network, x, t, context = asked(make)
    assert context.vector is not None and context.tokens is not None
    before = network(x, t, context)
    others = [Context(context.vector + 1, context.tokens)]
    for i in range(4):
        moved = context.tokens.clone()
        moved[:, i] = -moved[:, i]
        others.append(Context(context.vector, moved))
    for after in [network(x, t + 0.1, context), *(network(x, t, other) for other in others)]:
        assert ((after - before).abs().flatten(1).amax(1) > 1e-5).all()


@each
@torch.no_grad()
def test_padded_is_unpadded_whatever_the_padding_holds(make: Make) -> None:
    network, x, t, context = asked(make)
    assert context.tokens is not None
    rubbish = 1e4 * torch.randn(3, 5, TOKENS)
    mask = (torch.arange(9) < 4).expand(3, -1)
    padded = Context(context.vector, torch.cat([context.tokens, rubbish], 1), mask)
    assert torch.allclose(network(x, t, padded), network(x, t, context), atol=1e-5)
    unmasked = Context(context.vector, padded.tokens)
    assert not torch.allclose(network(x, t, unmasked), network(x, t, context), atol=1e-3)


@each
def test_no_tokens_is_no_valid_token_and_leaves_numbers(make: Make) -> None:
    network, x, t, context = asked(make)
    tokens, none = context.tokens, network(x, t, Context(context.vector)).detach()
    mask = torch.tensor([[True] * 4, [False] * 4, [True, False] * 2])
    found = network(x, t, Context(context.vector, tokens, mask))
    assert torch.allclose(found[1], none[1], atol=1e-5) and not torch.allclose(found[0], none[0], atol=1e-4)
    found.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    assert tokens is not None
    assert torch.allclose(network(x, t, Context(context.vector, tokens[:, :0], mask[:, :0])), none, atol=1e-5)
    assert torch.allclose(network(x, t, None), network(x, t, Context(tokens=tokens, mask=mask & False)), atol=1e-5)


@each
@torch.no_grad()
def test_rows_do_not_touch(make: Make) -> None:
    network, x, t, context = asked(make)
    assert torch.allclose(network(x, t, context)[1:2], network(x[1:2], t[1:2], context[1:2]), atol=1e-5)


@each
@torch.no_grad()
def test_guidance_pushes_away_from_a_null_without_tokens(make: Make) -> None:
    network, x, t, context = asked(make)
    null = Context(context.vector)
    guided = _GuidedNetwork(network, 3.0, None)(x, t, Context(context.vector, context.tokens, null=null))
    by_hand = network(x, t, null) + 3.0 * (network(x, t, context) - network(x, t, null))
    assert torch.allclose(guided, by_hand, atol=1e-5)


def test_joint_contexts_keep_masks_and_pad_to_the_longer() -> None:
    long, short = torch.randn(2, 3, TOKENS), torch.randn(2, 1, TOKENS)
    kept = torch.tensor([[True, False, True], [True, True, False]])
    joint = _both(Context(tokens=long, mask=kept, null=Context(tokens=short)))
    assert joint.tokens is not None and joint.mask is not None
    assert joint.mask.tolist() == [[True, False, False]] * 2 + kept.tolist()
    assert torch.equal(joint.tokens[:2, :1], short) and torch.equal(joint.tokens[2:], long)
    plain = Context.cat(Context(tokens=long), Context(tokens=long))
    assert plain.mask is None and plain.tokens is not None and plain.tokens.shape == (4, 3, TOKENS)


@each
def test_it_is_its_config(make: Make) -> None:
    network, _ = make()
    assert describe(build(describe(network))) == describe(network)  # type: ignore[arg-type]


@in_space
def test_something_in_space_is_heard_where_it_lies_and_no_gradient_is_lost(network: Make, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    beside = shaken(Beside(network(), 1))  # type: ignore[arg-type]
    x, t, spatial = torch.randn(2, *shape), torch.tensor([0.3, 0.6]), torch.randn(2, 1, *shape[1:]).requires_grad_()
    answer = beside(x, t, Context(spatial=spatial))
    assert answer.shape == x.shape and not torch.allclose(answer, beside(x, t, None), atol=1e-4)
    assert torch.equal(beside(x, t, None), beside(x, t, Context(spatial=torch.zeros_like(spatial))))
    answer.square().sum().backward()
    assert spatial.grad is not None and (spatial.grad != 0).all()
    assert [n for n, p in beside.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    with pytest.raises(ValueError, match="the spatial condition is"):
        beside(x, t, Context(spatial=spatial[:, :, 1:]))
