"""DiT: the paper's parameter counts, zero output at initialisation, dependence on every input."""

import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.contract import Context
from morphogen.model import parameters
from morphogen.networks.dit import DiT


def perturbed(**options: int) -> DiT:
    torch.manual_seed(0)
    network = DiT((1, 8, 8), 2, 32, 2, 2, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network.eval()


@pytest.mark.parametrize(("width", "layers", "heads", "millions"), [(384, 12, 6, 33), (1152, 28, 16, 675)])
def test_parameter_counts_are_those_of_the_paper(width: int, layers: int, heads: int, millions: int) -> None:
    """Table 1 at patch 2 on 4 x 32 x 32 latents, plus the paper's label embedding and learned variance."""
    with torch.device("meta"):
        ours = parameters(DiT((4, 32, 32), 2, width, layers, heads))
    theirs = ours + 1001 * width + (width + 1) * 16
    assert round(theirs / 1e6) == millions


def test_the_output_is_zero_at_initialisation() -> None:
    assert (DiT((3, 8, 8), 4, 16, 2, 2)(torch.randn(2, 3, 8, 8), torch.rand(2)) == 0).all()


@torch.no_grad()
def test_every_output_depends_on_every_patch_the_time_and_the_condition() -> None:
    network, x, t = perturbed(vector=5), torch.randn(1, 1, 8, 8), torch.tensor([0.3])
    context = Context(vector=torch.randn(1, 5))
    base = network(x, t, context)
    y = x.clone()
    y[0, 0, 7, 7] += 1
    assert ((network(y, t, context) - base).abs() > 1e-7).all()
    assert ((network(x, t + 0.2, context) - base).abs() > 1e-7).all()
    assert ((network(x, t, Context(vector=torch.randn(1, 5))) - base).abs() > 1e-7).all()


@torch.no_grad()
def test_positions_are_distinguished() -> None:
    """Without the position encoding the network is equivariant to shifts of patches."""
    network, x, t = perturbed(), torch.randn(1, 1, 8, 8), torch.tensor([0.3])
    moved = network(x.roll(2, 3), t).roll(-2, 3)
    assert (moved - network(x, t)).abs().max() > 1e-3
    network.positions.zero_()
    assert torch.allclose(network(x.roll(2, 3), t).roll(-2, 3), network(x, t), atol=1e-5)


def test_config_round_trip_and_invalid_shapes() -> None:
    network = DiT((1, 8, 8), 4, 16, 1, 2, 3)
    assert to_config(from_config(to_config(network))) == to_config(network)
    with pytest.raises(ConfigError, match="patch 3 does not divide 8 x 8"):
        DiT((1, 8, 8), 3, 16, 1, 2)
    with pytest.raises(ConfigError, match="patch 3 does not divide 8"):
        DiT((1, 8), 3, 16, 1, 2)
    with pytest.raises(ConfigError, match=r"shape \(8,\) is neither"):
        DiT((8,), 1, 16, 1, 2)


@torch.no_grad()
def test_token_attention_is_zero_at_initialisation_and_adds_only_its_own_weights() -> None:
    """As in the paper, a network without text can initialise one with text."""
    torch.manual_seed(0)
    with_tokens = DiT((1, 8), 2, 16, 2, 2, tokens=3)
    plain = DiT((1, 8), 2, 16, 2, 2)
    names = [name for name in with_tokens.state_dict() if ".tokens." not in name]
    assert names == list(plain.state_dict())
    plain.load_state_dict({name: with_tokens.state_dict()[name] for name in names})
    for network in (with_tokens, plain):
        torch.nn.init.ones_(network.out.weight)
    x, t = torch.randn(2, 1, 8), torch.rand(2)
    assert torch.equal(with_tokens(x, t, Context(tokens=torch.randn(2, 4, 3))), plain(x, t))
