"""Our encoder-decoder transformer and torch's own layers give the same logits with the same weights."""

import torch
from torch import nn
from torch.nn import functional as F

from morphogen.representations.text import Bytes
from morphogen.systems.transformer import transformer


def with_weights_of(theirs: nn.Module, block, crossed: bool) -> nn.Module:
    """A torch layer with the weights of our block; norm3 belongs to feed-forward."""
    linears = {
        "self_attn.in_proj_": block.attention.queries_keys_values,
        "self_attn.out_proj.": block.attention.out,
    }
    linears |= {"linear1.": block.feed_forward.inner, "linear2.": block.feed_forward.out}
    state = {
        f"{name}{kind}": getattr(linear, kind)
        for name, linear in linears.items()
        for kind in ("weight", "bias")
    }
    norms = {"norm1": block.norms[0], "norm2": block.norms[2] if crossed else block.norms[1]}
    if crossed:
        norms["norm3"] = block.norms[1]
        for kind in ("weight", "bias"):
            state[f"multihead_attn.in_proj_{kind}"] = torch.cat(
                [getattr(block.cross.queries, kind), getattr(block.cross.keys_values, kind)]
            )
            state[f"multihead_attn.out_proj.{kind}"] = getattr(block.cross.out, kind)
    state |= {
        f"{name}.{kind}": value
        for name, n in norms.items()
        for kind, value in (("weight", n.weight), ("bias", n.shift))
    }
    theirs.load_state_dict(state)
    return theirs.eval()


def test_logits_equal_those_of_torchs_layers() -> None:
    torch.manual_seed(0)
    model = transformer(Bytes(12), Bytes(12), size="tiny").eval()
    for p in model.parameters():
        p.data += 0.05 * torch.randn_like(p)
    encoder, decoder = model.conditioner.encoder, model.objective.network
    x, s = torch.randint(256, (3, 12)), torch.randint(256, (3, 9))
    s[0, 5:] = -1
    shape = {"d_model": 32, "nhead": 2, "dim_feedforward": 64, "dropout": 0.0, "batch_first": True}
    padding, future = s < 0, nn.Transformer.generate_square_subsequent_mask(12)
    inputs = torch.cat([torch.full((3, 1), 256), x[:, :-1]], 1)
    with torch.no_grad():
        h = encoder.embedding_scale * encoder.token_embedding(s.clamp_min(0)) + encoder.positions(0, 9)
        for block in encoder.blocks:
            h = with_weights_of(nn.TransformerEncoderLayer(**shape), block, False)(
                h, src_key_padding_mask=padding
            )
        y = decoder.head.embedding_scale * decoder.token_embedding(inputs) + decoder.positions(0, 12)
        for block in decoder.blocks:
            y = with_weights_of(nn.TransformerDecoderLayer(**shape), block, True)(
                y, h, tgt_mask=future, memory_key_padding_mask=padding
            )
        theirs = F.linear(y, decoder.token_embedding.weight[:256])
        torch.testing.assert_close(decoder(x, model.conditioner(s)), theirs, atol=1e-4, rtol=0)


def test_padding_of_other_rows_has_no_effect() -> None:
    """Each row's samples equal those of the row sampled alone, without padding."""
    torch.manual_seed(0)
    model = transformer(Bytes(12), Bytes(12), size="tiny").eval()
    for p in model.parameters():
        p.data += 0.3 * torch.randn_like(p)
    s = torch.randint(256, (4, 9))
    s[1, 3:], s[2, 7:] = -1, -1
    together = model.sample(4, s, seed=1).tensor
    for i, length in enumerate((9, 3, 7, 9)):
        assert torch.equal(
            model.sample(1, s[i : i + 1, :length], seed=1, indices=torch.tensor([i])).tensor[0], together[i]
        )
