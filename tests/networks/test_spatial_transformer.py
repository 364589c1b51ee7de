"""Spatial transformers, and the U-Net of latent diffusion, whose sizes are the published ones."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.networks.spatial_transformer import SpatialTransformer
from morphogen.networks.unet import UNet

STABLE_DIFFUSION = {"shape": (4, 64, 64), "channels": 320, "multipliers": (1, 2, 4, 4), "design": "latent"}


def test_it_is_the_identity_at_initialization_and_reads_the_tokens_afterwards() -> None:
    torch.manual_seed(0)
    network, x = SpatialTransformer(16, 2, tokens=6), torch.randn(2, 16, 4, 4)
    tokens = torch.randn(2, 3, 6)
    assert torch.equal(network(x, Context(tokens=tokens)), x)
    torch.nn.init.normal_(network.project_out.weight)
    read = network(x, Context(tokens=tokens))
    assert not torch.allclose(read, network(x, Context(tokens=-tokens)))
    masked = Context(tokens=tokens, mask=torch.zeros(2, 3, dtype=torch.bool))
    assert torch.allclose(network(x, masked), network(x, None), atol=1e-6)


def test_without_tokens_it_has_no_cross_attention() -> None:
    assert not any("cross" in name for name, _ in SpatialTransformer(16, 2).named_parameters())


@pytest.mark.parametrize(
    ("heads", "tokens", "parameters"), [(8, 768, 859_520_964), ((5, 10, 20, 20), 1024, 865_910_724)]
)
def test_parameters_of_stable_diffusion_1_and_2(heads: int, tokens: int, parameters: int) -> None:
    with torch.device("meta"):
        unet = UNet(attention=(64, 32, 16), heads=heads, vector=(0, tokens), **STABLE_DIFFUSION)  # type: ignore[arg-type]
    assert sum(p.numel() for p in unet.parameters()) == parameters


def test_heads_of_another_number_of_levels_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"heads \(2, 4, 4\) are not one for each of \(1, 2\)"):
        UNet((1, 8, 8), 8, (1, 2), heads=(2, 4, 4), design="latent")
