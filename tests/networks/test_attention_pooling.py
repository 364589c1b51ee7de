"""Attention pooling: where the pooled vector is added, and its invariance to token order."""

import torch
from torch import Tensor, nn

from morphogen.contract import Context
from morphogen.networks.attention_pooling import AttentionPooling
from morphogen.networks.mlp import MLP


class VectorEcho(nn.Module):
    """Returns the condition vector."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        return torch.zeros_like(x) if context.vector is None else context.vector


@torch.no_grad()
def pooled(network: nn.Module) -> AttentionPooling:
    torch.manual_seed(0)
    pooling = AttentionPooling(network, 6, 4)
    for parameter in pooling.attention.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    return pooling


@torch.no_grad()
def test_the_pooled_vector_is_added_to_the_condition_vector() -> None:
    pooling, tokens, vector = pooled(VectorEcho()), torch.randn(3, 5, 6), torch.randn(3, 4)
    x = torch.zeros(3, 4)
    pooled_tokens = pooling(x, Context(tokens=tokens))
    assert pooled_tokens.abs().min() > 1e-3 and torch.allclose(
        pooling(x, Context(vector, tokens)), vector + pooled_tokens, atol=1e-6
    )
    assert torch.equal(pooling(x, Context(vector)), vector) and torch.equal(pooling(x, None), x)
    assert torch.allclose(pooling(x, Context(tokens=tokens.flip(1))), pooled_tokens, atol=1e-6)


@torch.no_grad()
def test_repeated_tokens_pool_like_one_and_networks_without_time_work() -> None:
    pooling, token = pooled(MLP(2, 3, 8, 1, 4)), torch.randn(2, 1, 6)
    nn.init.normal_(pooling.network.output_layer.weight)  # type: ignore[union-attr, arg-type]
    for layer in pooling.network.body:  # type: ignore[union-attr]
        nn.init.normal_(layer.film.project.weight)  # type: ignore[union-attr, arg-type]
    x = torch.randn(2, 2)
    once = pooling(x, Context(tokens=token))
    assert once.shape == (2, 3) and torch.allclose(
        pooling(x, Context(tokens=token.expand(-1, 7, -1))), once, atol=1e-5
    )
    assert not torch.allclose(pooling(x, Context(tokens=-token)), once, atol=1e-3)
