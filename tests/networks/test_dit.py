"""The transformer over patches: the paper's number of parameters, the identity at the start, and who hears what."""

import pytest
import torch

from morphogen.component import ConfigError, build, describe
from morphogen.contract import Context
from morphogen.model import parameters
from morphogen.networks.dit import DiT


def shaken(**options: int) -> DiT:
    torch.manual_seed(0)
    network = DiT((1, 8, 8), 2, 32, 2, 2, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network.eval()


@pytest.mark.parametrize(("width", "layers", "heads", "millions"), [(384, 12, 6, 33), (1152, 28, 16, 675)])
def test_the_papers_sizes(width: int, layers: int, heads: int, millions: int) -> None:
    """Table 1 at patch 2, over codes of 4 x 32 x 32; there a label has a row of its own, and the variance is learned too."""
    with torch.device("meta"):
        ours = parameters(DiT((4, 32, 32), 2, width, layers, heads))
    theirs = ours + 1001 * width + (width + 1) * 16
    assert round(theirs / 1e6) == millions


def test_it_says_nothing_at_the_start() -> None:
    assert (DiT((3, 8, 8), 4, 16, 2, 2)(torch.randn(2, 3, 8, 8), torch.rand(2)) == 0).all()


@torch.no_grad()
def test_every_patch_hears_every_other_the_time_and_the_condition() -> None:
    network, x, t = shaken(vector=5), torch.randn(1, 1, 8, 8), torch.tensor([0.3])
    context = Context(vector=torch.randn(1, 5))
    before = network(x, t, context)
    y = x.clone()
    y[0, 0, 7, 7] += 1
    assert ((network(y, t, context) - before).abs() > 1e-7).all()
    assert ((network(x, t + 0.2, context) - before).abs() > 1e-7).all()
    assert ((network(x, t, Context(vector=torch.randn(1, 5))) - before).abs() > 1e-7).all()


@torch.no_grad()
def test_places_are_told_apart() -> None:
    """Without its waves it would give moved patches moved answers."""
    network, x, t = shaken(), torch.randn(1, 1, 8, 8), torch.tensor([0.3])
    moved = network(x.roll(2, 3), t).roll(-2, 3)
    assert (moved - network(x, t)).abs().max() > 1e-3
    network.places.zero_()
    assert torch.allclose(network(x.roll(2, 3), t).roll(-2, 3), network(x, t), atol=1e-5)


def test_it_is_its_config_and_refuses_what_patches_do_not_fill() -> None:
    network = DiT((1, 8, 8), 4, 16, 1, 2, 3)
    assert describe(build(describe(network))) == describe(network)
    with pytest.raises(ConfigError, match="patches of 3 do not fill pictures of 8 x 8"):
        DiT((1, 8, 8), 3, 16, 1, 2)
    with pytest.raises(ConfigError, match="patches of 3 do not fill lines of 8"):
        DiT((1, 8), 3, 16, 1, 2)
    with pytest.raises(ConfigError, match=r"shape \(8,\) is neither"):
        DiT((8,), 1, 16, 1, 2)


@torch.no_grad()
def test_tokens_add_to_the_identity_at_the_start_and_leave_other_weights_alone() -> None:
    """The paper's: a network without text is the beginning of one with it."""
    torch.manual_seed(0)
    told = DiT((1, 8), 2, 16, 2, 2, tokens=3)
    plain = DiT((1, 8), 2, 16, 2, 2)
    names = [name for name in told.state_dict() if ".tokens." not in name]
    assert names == list(plain.state_dict())
    plain.load_state_dict({name: told.state_dict()[name] for name in names})
    for network in (told, plain):
        torch.nn.init.ones_(network.out.weight)
    x, t = torch.randn(2, 1, 8), torch.rand(2)
    assert torch.equal(told(x, t, Context(tokens=torch.randn(2, 4, 3))), plain(x, t))
