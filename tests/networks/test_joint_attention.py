"""Attention to positions and tokens in one softmax, of GLIDE's U-Net."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.networks.attention import GridAttention
from morphogen.networks.joint_attention import JointAttention
from morphogen.networks.unet import UNet


def attention(tokens: int = 6) -> JointAttention:
    torch.manual_seed(0)
    network = JointAttention(16, 2, tokens)
    torch.nn.init.normal_(network.out.weight)
    return network


def test_without_a_valid_token_it_is_self_attention() -> None:
    network, x, tokens = attention(), torch.randn(2, 16, 3, 4), torch.randn(2, 5, 6)
    plain = GridAttention(16, 2)
    plain.attention.queries_keys_values.load_state_dict(network.queries_keys_values.state_dict())
    plain.attention.out.load_state_dict(network.out.state_dict())
    nothing = Context(tokens=tokens, mask=torch.zeros(2, 5, dtype=torch.bool))
    for context in (None, Context(), nothing, Context(tokens=tokens[:, :0])):
        assert torch.allclose(network(x, context), plain(x), atol=1e-6)
    assert torch.allclose(attention(0)(x, Context(tokens=tokens)), attention(0)(x, None))


def test_masked_tokens_are_not_read_and_valid_ones_are() -> None:
    network, x, tokens = attention(), torch.randn(2, 16, 3, 3), torch.randn(2, 5, 6)
    mask = torch.tensor([[True, True, True, False, False], [True, True, False, False, False]])
    read = network(x, Context(tokens=tokens, mask=mask))
    other = torch.where(mask[..., None], tokens, tokens + 1)
    assert torch.equal(network(x, Context(tokens=other, mask=mask)), read)
    short = network(x[1:], Context(tokens=tokens[1:, :2]))
    assert torch.allclose(short, read[1:], atol=1e-6)
    assert not torch.allclose(network(x, Context(tokens=-tokens, mask=mask)), read)


def test_the_unet_reads_tokens_in_each_of_its_attentions() -> None:
    unet = UNet((3, 8, 8), 8, (1, 2), 1, (8, 4), 2, (5, 6), design="glide")
    joint = [part for part in unet.modules() if isinstance(part, JointAttention)]
    assert len(joint) == 7 and all(part.tokens == 6 for part in joint)


def test_heads_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(ConfigError, match="16 channels must be a multiple of 3 heads"):
        JointAttention(16, 3, 4)
