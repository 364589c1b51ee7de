"""A gist of tokens: where it goes, and that order says nothing."""

import torch
from torch import Tensor, nn

from morphogen.contract import Context
from morphogen.networks.mlp import MLP
from morphogen.networks.pooled import Pooled


class Reporting(nn.Module):
    """Answers what it was told."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        return torch.zeros_like(x) if context.vector is None else context.vector


@torch.no_grad()
def pooled(network: nn.Module) -> Pooled:
    torch.manual_seed(0)
    subject = Pooled(network, 6, 4)
    for parameter in subject.attention.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    return subject


@torch.no_grad()
def test_the_gist_is_added_to_the_vector_there_is() -> None:
    subject, tokens, vector = pooled(Reporting()), torch.randn(3, 5, 6), torch.randn(3, 4)
    x = torch.zeros(3, 4)
    gist = subject(x, Context(tokens=tokens))
    assert gist.abs().min() > 1e-3 and torch.allclose(subject(x, Context(vector, tokens)), vector + gist, atol=1e-6)
    assert torch.equal(subject(x, Context(vector)), vector) and torch.equal(subject(x, None), x)
    assert torch.allclose(subject(x, Context(tokens=tokens.flip(1))), gist, atol=1e-6)


@torch.no_grad()
def test_equal_tokens_weigh_as_one_and_a_network_without_time_is_served() -> None:
    subject, token = pooled(MLP(2, 3, 8, 1, 4)), torch.randn(2, 1, 6)
    nn.init.normal_(subject.network.leave.weight)  # type: ignore[union-attr, arg-type]
    for layer in subject.network.body:  # type: ignore[union-attr]
        nn.init.normal_(layer.film.project.weight)  # type: ignore[union-attr, arg-type]
    x = torch.randn(2, 2)
    once = subject(x, Context(tokens=token))
    assert once.shape == (2, 3) and torch.allclose(subject(x, Context(tokens=token.expand(-1, 7, -1))), once, atol=1e-5)
    assert not torch.allclose(subject(x, Context(tokens=-token)), once, atol=1e-3)
