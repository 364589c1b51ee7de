"""diffusers' `StableDiffusionPipeline` (Rombach et al. 2022) with random weights, in a folder that it wrote.

The weights are perturbed, so that zero-initialized layers count. The tokenizer is of CLIP's kind, with the
letters of bytes and two merges.
"""

__all__ = ["LENGTH", "SCHEDULER", "SIZES", "parameters", "prepared", "write_pipeline"]

import json
from pathlib import Path
from typing import Any

import torch

PIECES = ["<|startoftext|>", "<|endoftext|>"]
MERGES = ["r e", "re d</w>"]
LENGTH = 12  # tokens of a caption
SIZES: dict[str, dict[str, Any]] = {  # those of tests, and of benchmarks
    "tiny": {"widths": (32, 64), "blocks": 1, "vae": (32, 32), "text": 16, "layers": 2, "side": 8},
    "small": {
        "widths": (64, 128, 256, 256),
        "blocks": 2,
        "vae": (32, 64, 64, 64),
        "text": 128,
        "layers": 4,
        "side": 32,
    },
}
SCHEDULER = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def write_pipeline(folder: Path, size: str = "tiny", linear: bool = False) -> Any:
    """Write the folder of a pipeline; returns the pipeline.

    Arguments:
        folder: to write to.
        size: "tiny", of pictures of 16 x 16 pixels, or "small", of 256 x 256.
        linear: whether the projections of the U-Net are linear layers and each level has its own number of
            heads, as in 2.x.
    """
    import diffusers

    torch.manual_seed(0)
    sizes, tokenizer = SIZES[size], _tokenizer(folder / "words")
    unet, vae, text = _unet(sizes, linear), _vae(sizes), _text_encoder(sizes, tokenizer.get_vocab())
    for part in (unet, vae, text):
        for parameter in part.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    pipeline = diffusers.StableDiffusionPipeline(
        vae, text, tokenizer, unet, diffusers.DDIMScheduler(**SCHEDULER), None, None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    return pipeline


def parameters(pipeline: Any) -> int:
    """The number of parameters of its networks."""
    parts = (pipeline.unet, pipeline.vae, pipeline.text_encoder)
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


def prepared(pipeline: Any, dtype: torch.dtype, best: bool) -> Any:
    """The pipeline in a precision; channels-last for vs-best."""
    pipeline = pipeline.to(dtype=dtype)
    for part in (pipeline.unet, pipeline.vae) if best else ():
        part.to(memory_format=torch.channels_last)
    return pipeline


def _unet(sizes: dict[str, Any], linear: bool) -> Any:
    """A U-Net with cross-attention at all levels but the coarsest."""
    from diffusers import UNet2DConditionModel

    levels = len(sizes["widths"])
    heads: Any = tuple(2 ** (level + 1) for level in range(levels)) if linear else 4
    return UNet2DConditionModel(
        sample_size=sizes["side"], block_out_channels=sizes["widths"], layers_per_block=sizes["blocks"],
        cross_attention_dim=sizes["text"], attention_head_dim=heads, use_linear_projection=linear,
        down_block_types=(*("CrossAttnDownBlock2D",) * (levels - 1), "DownBlock2D"),
        up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * (levels - 1)),
    )  # fmt: skip


def _vae(sizes: dict[str, Any]) -> Any:
    from diffusers import AutoencoderKL

    scales = len(sizes["vae"])
    return AutoencoderKL(
        block_out_channels=sizes["vae"], latent_channels=4, sample_size=2 * sizes["side"],
        layers_per_block=1, down_block_types=("DownEncoderBlock2D",) * scales,
        up_block_types=("UpDecoderBlock2D",) * scales,
    )  # fmt: skip


def _text_encoder(sizes: dict[str, Any], ids: dict[str, int]) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    start, end = (ids[piece] for piece in PIECES)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(ids), hidden_size=sizes["text"], intermediate_size=2 * sizes["text"],
            num_hidden_layers=sizes["layers"], num_attention_heads=2, max_position_embeddings=LENGTH,
            bos_token_id=start, eos_token_id=end, pad_token_id=end,
        )
    )  # fmt: skip


def _tokenizer(folder: Path) -> Any:
    """CLIP's layout: the letters of bytes, the same at the end of a word, merges, special tokens."""
    from transformers import CLIPTokenizer

    letters = [chr(33 + i) for i in range(94)] + [chr(161 + i) for i in range(12)]
    letters += [chr(174 + i) for i in range(82)] + [chr(256 + i) for i in range(68)]
    pieces = letters + [f"{letter}</w>" for letter in letters] + [pair.replace(" ", "") for pair in MERGES]
    folder.mkdir(parents=True)
    vocabulary = {piece: i for i, piece in enumerate([*pieces, *PIECES])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]))
    return CLIPTokenizer.from_pretrained(folder, model_max_length=LENGTH)
