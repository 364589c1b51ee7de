"""The maps are the weights that the network uses, and a picture of them is made from a run."""

from pathlib import Path

import torch
from PIL import Image

from morphogen.networks.decoders import gpt2, llama
from morphogen.recipes.attention_maps import SIDE, _tiled, attention_weights


def test_weights_give_back_what_attention_averages() -> None:
    torch.manual_seed(0)
    for network in (gpt2(7, 6, 16, 2, 4), llama(7, 6, 16, 2, 4, 2, 24)):
        ids, kept = torch.randint(7, (6,)), []
        network.blocks[1].attention.register_forward_hook(lambda part, x, out, kept=kept: kept.append((x[0], out)))
        weights = attention_weights(network, ids)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 6))
        assert (weights.triu(1) == 0).all()
        attention, (x, out) = network.blocks[1].attention, kept[0]
        values = attention.project(x, 0)[2].repeat_interleave(4 // attention.shared, 1)[0]
        torch.testing.assert_close(attention.out((weights[1] @ values).transpose(0, 1).flatten(1)), out[0], atol=1e-5, rtol=1e-4)


def test_a_picture_has_a_square_for_each_head(tmp_path: Path) -> None:
    page = _tiled(torch.eye(5).expand(2, 3, 5, 5))
    page.save(tmp_path / "maps.png")
    assert Image.open(tmp_path / "maps.png").size == page.size == (3 * (5 * SIDE + 8) + 8, 2 * (5 * SIDE + 8) + 8)
    assert page.getpixel((9, 9)) == 0 and page.getpixel((9 + SIDE, 9)) == 255
