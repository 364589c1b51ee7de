"""`JointAttention` against diffusers' attention with added keys and values: equal outputs (<= 1e-5)."""

import pytest
import torch

from morphogen.contract import Context
from morphogen.networks.joint_attention import JointAttention

pytest.importorskip("diffusers")
from diffusers.models.attention_processor import Attention, AttnAddedKVProcessor


@torch.no_grad()
def test_the_same_weights_give_the_same_output() -> None:
    torch.manual_seed(0)
    theirs = Attention(
        16, heads=2, dim_head=8, bias=True, added_kv_proj_dim=6, norm_num_groups=2,
        cross_attention_norm=None, processor=AttnAddedKVProcessor(), residual_connection=True,
    )  # fmt: skip
    ours = JointAttention(16, 2, 6)
    for parameter in theirs.parameters():
        parameter.normal_(0, 0.3)
    ours.norm.load_state_dict(theirs.group_norm.state_dict())
    ours.out.load_state_dict(theirs.to_out[0].state_dict())
    for field in ("weight", "bias"):
        own = [getattr(part, field) for part in (theirs.to_q, theirs.to_k, theirs.to_v)]
        text = [getattr(part, field) for part in (theirs.add_k_proj, theirs.add_v_proj)]
        getattr(ours.queries_keys_values, field).copy_(torch.cat(own))
        getattr(ours.text_keys_values, field).copy_(torch.cat(text))
    x, tokens = torch.randn(3, 16, 4, 5), torch.randn(3, 7, 6)
    expected = theirs(x, encoder_hidden_states=tokens)
    assert (expected - x).std() > 0.1
    assert (ours(x, Context(tokens=tokens)) - expected).abs().max() <= 1e-5
