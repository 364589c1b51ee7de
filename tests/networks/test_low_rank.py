"""LoRA: what is trained, what stays as it is, merging, stacking and saving."""

from typing import Any

import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.contract import Context, owned
from morphogen.networks.low_rank import LowRank
from morphogen.networks.unet import UNet


def unet() -> UNet:
    torch.manual_seed(0)
    network = UNet((2, 8, 8), 8, (1, 2), 1, (8,), 2, (0, 6), design="latent")
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network.eval()


def trained(lora: LowRank) -> LowRank:
    for update in lora.updates.values():
        torch.nn.init.normal_(update.up, std=0.3)  # type: ignore[arg-type]
    return lora


def inputs() -> tuple[Any, ...]:
    torch.manual_seed(1)
    return torch.randn(2, 2, 8, 8), torch.tensor([0.1, 0.9]), Context(tokens=torch.randn(2, 3, 6))


RANKS = {"cross": 2, "conv1": 3, "project_in": 1}


def test_it_is_the_network_at_initialization_and_at_scale_0() -> None:
    network = unet()
    expected = network(*inputs())
    assert torch.equal(LowRank(network, RANKS)(*inputs()), expected)
    assert torch.equal(trained(LowRank(network, RANKS, scale=0.0))(*inputs()), expected)
    assert not torch.allclose(trained(LowRank(network, RANKS))(*inputs()), expected, atol=1e-2)


def test_only_the_updates_are_owned_and_the_network_stays_equal_to_the_bit() -> None:
    network = unet()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    lora = trained(LowRank(network, RANKS))
    assert set(owned(lora)) == {p for update in lora.updates.values() for p in update.parameters()}
    optimizer = torch.optim.SGD(list(owned(lora)), 0.1)
    lora(*inputs()).square().mean().backward()
    optimizer.step()
    lora.merged()
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is not None and p.grad.any() for p in owned(lora))


def test_merged_equals_unmerged_and_so_do_stacked_updates() -> None:
    network = unet()
    lora = trained(LowRank(network, RANKS, scale=0.7))
    assert type(lora.merged()) is UNet
    assert torch.allclose(lora.merged()(*inputs()), lora(*inputs()), atol=1e-5)
    stacked = trained(LowRank(lora, {"cross": 1}))
    assert not torch.allclose(stacked(*inputs()), lora(*inputs()), atol=1e-3)
    assert type(stacked.merged()) is UNet
    assert torch.allclose(stacked.merged()(*inputs()), stacked(*inputs()), atol=1e-5)


def test_it_is_rebuilt_from_its_config() -> None:
    lora = trained(LowRank(unet(), RANKS, scale=0.5))
    again = from_config(to_config(lora))
    again.load_state_dict(lora.state_dict())
    assert torch.equal(again.eval()(*inputs()), lora(*inputs()))


@pytest.mark.parametrize(
    ("ranks", "words"),
    [({"crosss": 2}, "'crosss': no layer to adapt; known parts: .*cross"), ({"cross": 0}, "at least 1")],
)
def test_unknown_layers_and_ranks_are_refused(ranks: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        LowRank(unet(), ranks)
