"""Diffusion networks conditioned on a vector, tokens or a spatial map, for inputs of one and of two axes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import from_config, to_config
from morphogen.conditioning.guidance import _both, _GuidedPrediction
from morphogen.contract import Context
from morphogen.networks.attention_pooling import AttentionPooling
from morphogen.networks.concat_condition import ConcatCondition
from morphogen.networks.dit import DiT
from morphogen.networks.mlp import MLP
from morphogen.networks.time_conditioned import TimeConditioned
from morphogen.networks.unet import UNet

VECTOR, TOKENS = 5, 6
Make = Callable[[], tuple[nn.Module, tuple[int, ...]]]
NETWORKS: dict[str, Make] = {
    "unet, 2d": lambda: (UNet((2, 8, 12), 8, (1, 2), 1, (8,), 2, (VECTOR, TOKENS)), (2, 8, 12)),
    "unet, 1d": lambda: (UNet((2, 16), 8, (1, 2), 1, (8,), 2, (VECTOR, TOKENS)), (2, 16)),
    # With fewer than 64 channels a norm group has one channel, and a shift of the channel is normalised away.
    "unet ddpm, 1d": lambda: (
        UNet((2, 16), 64, (1, 2), 1, (8,), 2, (VECTOR, TOKENS), design="ddpm"),
        (2, 16),
    ),
    "unet with patches, padded 1d": lambda: (
        UNet((1, 29), 8, (1, 2), 1, (), 1, (VECTOR, TOKENS), patch=2),
        (1, 29),
    ),
    "dit, 2d": lambda: (DiT((2, 8, 4), 2, 16, 2, 2, VECTOR, TOKENS), (2, 8, 4)),
    "dit, 1d": lambda: (DiT((2, 12), 3, 16, 2, 2, VECTOR, TOKENS), (2, 12)),
    "mlp": lambda: (AttentionPooling(TimeConditioned(MLP(7, 7, 16, 2, 8), 8, VECTOR), TOKENS, VECTOR), (7,)),
    "unet with pooled tokens": lambda: (
        AttentionPooling(UNet((1, 8), 8, (1, 2), 1, vector=VECTOR), TOKENS, VECTOR),
        (1, 8),
    ),
}
every_network = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
spatial_networks = pytest.mark.parametrize(
    ("network", "shape"),
    [
        (lambda: UNet((3, 16), 8, (1, 2), 1), (2, 16)),
        (lambda: DiT((3, 12), 3, 16, 2, 2), (2, 12)),
        (lambda: DiT((3, 8, 4), 2, 16, 2, 2), (2, 8, 4)),
    ],
    ids=["unet, 1d", "dit, 1d", "dit, 2d"],
)


def perturbed(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def inputs(make: Make, rows: int = 3) -> tuple[nn.Module, Tensor, Tensor, Context]:
    """A network with perturbed weights, with x, t and a context of 4 tokens per row."""
    torch.manual_seed(0)
    network, shape = make()
    context = Context(vector=torch.randn(rows, VECTOR), tokens=torch.randn(rows, 4, TOKENS))
    return perturbed(network), torch.randn(rows, *shape), torch.linspace(0.2, 0.8, rows), context


def test_the_output_is_zero_at_initialisation() -> None:
    for make in NETWORKS.values():
        network, shape = make()
        x = network(
            torch.randn(2, *shape), torch.rand(2), Context(torch.randn(2, VECTOR), torch.randn(2, 4, TOKENS))
        )
        assert x.shape == (2, *shape) and (x == 0).all()


@every_network
def test_gradient_reaches_every_parameter_and_the_condition(make: Make) -> None:
    network, x, t, context = inputs(make)
    assert context.vector is not None and context.tokens is not None
    conditions = [context.vector.requires_grad_(), context.tokens.requires_grad_()]
    network(x, t, context).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert all(c.grad is not None and (c.grad != 0).any(-1).all() for c in conditions)


@every_network
@torch.no_grad()
def test_the_output_depends_on_time_vector_and_every_token(make: Make) -> None:
    network, x, t, context = inputs(make)
    assert context.vector is not None and context.tokens is not None
    base = network(x, t, context)
    others = [Context(context.vector + 1, context.tokens)]
    for i in range(4):
        moved = context.tokens.clone()
        moved[:, i] = -moved[:, i]
        others.append(Context(context.vector, moved))
    for changed in [network(x, t + 0.1, context), *(network(x, t, other) for other in others)]:
        assert ((changed - base).abs().flatten(1).amax(1) > 1e-5).all()


@every_network
@torch.no_grad()
def test_masked_padding_has_no_effect(make: Make) -> None:
    network, x, t, context = inputs(make)
    assert context.tokens is not None
    padding = 1e4 * torch.randn(3, 5, TOKENS)
    mask = (torch.arange(9) < 4).expand(3, -1)
    padded = Context(context.vector, torch.cat([context.tokens, padding], 1), mask)
    assert torch.allclose(network(x, t, padded), network(x, t, context), atol=1e-5)
    unmasked = Context(context.vector, padded.tokens)
    assert not torch.allclose(network(x, t, unmasked), network(x, t, context), atol=1e-3)


@every_network
def test_no_tokens_equals_no_valid_token_with_finite_gradients(make: Make) -> None:
    network, x, t, context = inputs(make)
    tokens, without_tokens = context.tokens, network(x, t, Context(context.vector)).detach()
    mask = torch.tensor([[True] * 4, [False] * 4, [True, False] * 2])
    output = network(x, t, Context(context.vector, tokens, mask))
    assert torch.allclose(output[1], without_tokens[1], atol=1e-5) and not torch.allclose(
        output[0], without_tokens[0], atol=1e-4
    )
    output.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    assert tokens is not None
    assert torch.allclose(
        network(x, t, Context(context.vector, tokens[:, :0], mask[:, :0])), without_tokens, atol=1e-5
    )
    assert torch.allclose(
        network(x, t, None), network(x, t, Context(tokens=tokens, mask=mask & False)), atol=1e-5
    )


@every_network
@torch.no_grad()
def test_rows_are_independent(make: Make) -> None:
    network, x, t, context = inputs(make)
    assert torch.allclose(network(x, t, context)[1:2], network(x[1:2], t[1:2], context[1:2]), atol=1e-5)


@every_network
@torch.no_grad()
def test_guidance_with_a_null_without_tokens(make: Make) -> None:
    network, x, t, context = inputs(make)
    null = Context(context.vector)
    guided = _GuidedPrediction(network, 3.0, None)(x, t, Context(context.vector, context.tokens, null=null))
    expected = network(x, t, null) + 3.0 * (network(x, t, context) - network(x, t, null))
    assert torch.allclose(guided, expected, atol=1e-5)


def test_concatenated_contexts_keep_masks_and_pad_to_the_longer() -> None:
    long, short = torch.randn(2, 3, TOKENS), torch.randn(2, 1, TOKENS)
    mask = torch.tensor([[True, False, True], [True, True, False]])
    joint = _both(Context(tokens=long, mask=mask, null=Context(tokens=short)))
    assert joint.tokens is not None and joint.mask is not None
    assert joint.mask.tolist() == [[True, False, False]] * 2 + mask.tolist()
    assert torch.equal(joint.tokens[:2, :1], short) and torch.equal(joint.tokens[2:], long)
    plain = Context.cat(Context(tokens=long), Context(tokens=long))
    assert plain.mask is None and plain.tokens is not None and plain.tokens.shape == (4, 3, TOKENS)


@every_network
def test_config_round_trip(make: Make) -> None:
    network, _ = make()
    assert to_config(from_config(to_config(network))) == to_config(network)  # type: ignore[arg-type]


@spatial_networks
def test_a_spatial_condition_is_used_and_every_parameter_has_a_gradient(
    network: Make, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    conditioned = perturbed(ConcatCondition(network(), 1))  # type: ignore[arg-type]
    x, t, spatial = (
        torch.randn(2, *shape),
        torch.tensor([0.3, 0.6]),
        torch.randn(2, 1, *shape[1:]).requires_grad_(),
    )
    output = conditioned(x, t, Context(spatial=spatial))
    assert output.shape == x.shape and not torch.allclose(output, conditioned(x, t, None), atol=1e-4)
    assert torch.equal(conditioned(x, t, None), conditioned(x, t, Context(spatial=torch.zeros_like(spatial))))
    output.square().sum().backward()
    assert spatial.grad is not None and (spatial.grad != 0).all()
    assert [
        n for n, p in conditioned.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ] == []
    with pytest.raises(ValueError, match="the spatial condition has shape"):
        conditioned(x, t, Context(spatial=spatial[:, :, 1:]))
