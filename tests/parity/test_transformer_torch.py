"""The encoder-decoder is Vaswani et al.'s: torch's own layers, holding the same weights, give the same logits."""

import torch
from torch import nn
from torch.nn import functional as F

from morphogen.representations.text import Bytes
from morphogen.systems.transformer import transformer


def copied(theirs: nn.Module, block, crossed: bool) -> nn.Module:
    """A layer of theirs with the weights of a block of ours; norm3 is that of the last branch where there are three."""
    own = {"self_attn.in_proj_": block.attention.queries_keys_values, "self_attn.out_proj.": block.attention.out}
    own |= {"linear1.": block.feed_forward.inner, "linear2.": block.feed_forward.out}
    state = {f"{name}{kind}": getattr(linear, kind) for name, linear in own.items() for kind in ("weight", "bias")}
    norms = {"norm1": block.norms[0], "norm2": block.norms[2] if crossed else block.norms[1]}
    if crossed:
        norms["norm3"] = block.norms[1]
        for kind in ("weight", "bias"):
            state[f"multihead_attn.in_proj_{kind}"] = torch.cat(
                [getattr(block.cross.queries, kind), getattr(block.cross.keys_values, kind)]
            )
            state[f"multihead_attn.out_proj.{kind}"] = getattr(block.cross.out, kind)
    state |= {f"{name}.{kind}": value for name, n in norms.items() for kind, value in (("weight", n.weight), ("bias", n.shift))}
    theirs.load_state_dict(state)
    return theirs.eval()


def test_logits_equal_those_of_torchs_layers() -> None:
    torch.manual_seed(0)
    model = transformer(Bytes(12), size="tiny").eval()
    for p in model.parameters():
        p.data += 0.05 * torch.randn_like(p)
    reader, writer = model.conditioner.encoder, model.objective.network
    x, s = torch.randint(256, (3, 12)), torch.randint(256, (3, 9))
    s[0, 5:] = -1
    shape = {"d_model": 32, "nhead": 2, "dim_feedforward": 64, "dropout": 0.0, "batch_first": True}
    padding, ahead = s < 0, nn.Transformer.generate_square_subsequent_mask(12)
    read = torch.cat([torch.full((3, 1), 256), x[:, :-1]], 1)
    with torch.no_grad():
        h = reader.read * reader.symbols(s.clamp_min(0)) + reader.positions(0, 9)
        for block in reader.blocks:
            h = copied(nn.TransformerEncoderLayer(**shape), block, False)(h, src_key_padding_mask=padding)
        y = writer.head.read * writer.symbols(read) + writer.positions(0, 12)
        for block in writer.blocks:
            y = copied(nn.TransformerDecoderLayer(**shape), block, True)(y, h, tgt_mask=ahead, memory_key_padding_mask=padding)
        theirs = F.linear(y, writer.symbols.weight[:256])
        torch.testing.assert_close(writer(x, model.conditioner(s)), theirs, atol=1e-4, rtol=0)


def test_a_source_of_any_length_is_itself_alone() -> None:
    """Padding of other rows does not leak: each row's samples are those of the row by itself."""
    torch.manual_seed(0)
    model = transformer(Bytes(12), size="tiny").eval()
    for p in model.parameters():
        p.data += 0.3 * torch.randn_like(p)
    s = torch.randint(256, (4, 9))
    s[1, 3:], s[2, 7:] = -1, -1
    together = model.sample(4, s, seed=1).tensor
    for i, length in enumerate((9, 3, 7, 9)):
        assert torch.equal(model.sample(1, s[i : i + 1, :length], seed=1, indices=torch.tensor([i])).tensor[0], together[i])
