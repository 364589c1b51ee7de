"""Our GPT-2 and Hugging Face's give the same logits with the same weights."""

import pytest
import torch
from torch import Tensor

from morphogen.networks.decoders import gpt2
from morphogen.networks.transformer import Transformer

transformers = pytest.importorskip("transformers")


def as_gpt2(net: Transformer) -> dict[str, Tensor]:
    """The weights with the names of GPT2LMHeadModel, whose Conv1D stores them as [in, out]."""
    weights = {"wte.weight": net.token_embedding.weight, "wpe.weight": net.positions.weight}
    weights |= {"ln_f.weight": net.norm.weight, "ln_f.bias": net.norm.shift}
    for i, block in enumerate(net.blocks):
        for name, norm in (("ln_1", block.norms[0]), ("ln_2", block.norms[1])):
            weights |= {f"h.{i}.{name}.weight": norm.weight, f"h.{i}.{name}.bias": norm.shift}
        parts = {
            "attn.c_attn": block.attention.queries_keys_values,
            "attn.c_proj": block.attention.out,
            "mlp.c_fc": block.feed_forward.inner,
            "mlp.c_proj": block.feed_forward.out,
        }
        for name, linear in parts.items():
            weights |= {f"h.{i}.{name}.weight": linear.weight.T, f"h.{i}.{name}.bias": linear.bias}
    return {f"transformer.{k}": v.detach().clone() for k, v in weights.items()}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_logits_equal_those_of_gpt2(attention: str) -> None:
    torch.manual_seed(0)
    net = gpt2(50, 24, 32, 3, 4).eval()
    for p in net.parameters():
        p.data += 0.1 * torch.randn_like(p)
    config = transformers.GPT2Config(
        vocab_size=51,
        n_positions=24,
        n_embd=32,
        n_layer=3,
        n_head=4,
        attn_implementation=attention,
        bos_token_id=50,
        eos_token_id=50,
    )
    theirs = transformers.GPT2LMHeadModel(config).eval()
    missing, unknown = theirs.load_state_dict(as_gpt2(net), strict=False)
    assert not unknown and all(
        "attn.bias" in m or "masked_bias" in m or m == "lm_head.weight" for m in missing
    )
    theirs.tie_weights()
    x = torch.randint(50, (3, 24))
    inputs = torch.cat([torch.full((3, 1), 50), x[:, :-1]], 1)
    with torch.no_grad():
        torch.testing.assert_close(net(x, None), theirs(inputs).logits[..., :50], atol=1e-4, rtol=0)
