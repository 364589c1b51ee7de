"""Attention maps have the weights that the network uses, and are drawn as one image."""

from pathlib import Path

import torch
from PIL import Image

from morphogen.networks.decoders import gpt2, llama
from morphogen.recipes.attention_maps import SIDE, _tile, attention_weights


def test_weights_reproduce_the_attention_output() -> None:
    torch.manual_seed(0)
    for network in (gpt2(7, 6, 16, 2, 4), llama(7, 6, 16, 2, 4, 2, 24)):
        ids, calls = torch.randint(7, (6,)), []
        network.blocks[1].attention.register_forward_hook(
            lambda part, x, out, calls=calls: calls.append((x[0], out))
        )
        weights = attention_weights(network, ids)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 6))
        assert (weights.triu(1) == 0).all()
        attention, (x, out) = network.blocks[1].attention, calls[0]
        values = attention.project(x, 0)[2].repeat_interleave(4 // attention.kv_heads, 1)[0]
        torch.testing.assert_close(
            attention.out((weights[1] @ values).transpose(0, 1).flatten(1)), out[0], atol=1e-5, rtol=1e-4
        )


def test_image_has_a_map_per_head(tmp_path: Path) -> None:
    image = _tile(torch.eye(5).expand(2, 3, 5, 5))
    image.save(tmp_path / "maps.png")
    assert (
        Image.open(tmp_path / "maps.png").size
        == image.size
        == (3 * (5 * SIDE + 8) + 8, 2 * (5 * SIDE + 8) + 8)
    )
    assert image.getpixel((9, 9)) == 0 and image.getpixel((9 + SIDE, 9)) == 255
