"""diffusers (von Platen et al. 2022): `UNet2DModel`, its training loop, pipeline and guided loop.

The training loop is that of the documentation's "Train a diffusion model": batches of 16 from a shuffling
`DataLoader`, `DDPMScheduler` with 1000 steps, AdamW at 1e-4 with a cosine schedule after 500 steps of
warm-up, gradients clipped to norm 1, the loss read every step. The network has the default arguments (two
layers per block, attention heads of 8 channels, 32 groups), except for the sizes that the benchmark sets. The
guided loop follows "Understanding pipelines, models and schedulers" line by line. `copy_weights` and
`copy_classes` copy the weights into our network.
"""

__all__ = ["copy_classes", "copy_weights", "guiding", "sampling", "training", "unet2d"]

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.networks.unet import UNet

BATCH, LR, WARMUP, CLIP = 16, 1e-4, 500, 1.0


def unet2d(
    shape: tuple[int, int, int],
    channels: int,
    multipliers: tuple[int, ...],
    attention: tuple[int, ...],
    classes: int = 0,
) -> Any:
    """diffusers' network, with attention at the given heights; label `classes`, if any, is the null class."""
    from diffusers import UNet2DModel

    attends = [shape[1] // 2**level in attention for level in range(len(multipliers))]
    return UNet2DModel(
        sample_size=shape[1], in_channels=shape[0], out_channels=shape[0],
        block_out_channels=tuple(channels * multiplier for multiplier in multipliers),
        down_block_types=tuple("AttnDownBlock2D" if at else "DownBlock2D" for at in attends),
        up_block_types=tuple("AttnUpBlock2D" if at else "UpBlock2D" for at in reversed(attends)),
        num_class_embeds=classes + 1 if classes else None,
    )  # fmt: skip


def training(net: Any, x: Tensor, steps: int, precision: torch.dtype, best: bool) -> Callable[[], None]:
    """Return a function that trains for `steps` steps of the documented loop on x [N, C, H, W]."""
    from diffusers import DDPMScheduler
    from diffusers.optimization import get_cosine_schedule_with_warmup
    from torch.utils.data import DataLoader

    net = _channels_last(net.train(), best)
    noise_scheduler = DDPMScheduler(num_train_timesteps=1000)
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, fused=best or None)
    lr_scheduler = get_cosine_schedule_with_warmup(
        optimizer, num_warmup_steps=WARMUP, num_training_steps=100 * WARMUP
    )
    loader: DataLoader = DataLoader(x, batch_size=BATCH, shuffle=True)  # type: ignore[arg-type]

    def run() -> None:
        for _, clean in zip(range(steps), _endless(loader), strict=False):
            clean = clean.to(memory_format=torch.channels_last) if best else clean
            noise = torch.randn_like(clean)
            timesteps = torch.randint(
                0, noise_scheduler.config.num_train_timesteps, (len(clean),), dtype=torch.int64
            )
            noisy = noise_scheduler.add_noise(clean, noise, timesteps)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
                loss = F.mse_loss(net(noisy, timesteps, return_dict=False)[0], noise)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), CLIP)
            optimizer.step()
            lr_scheduler.step()
            optimizer.zero_grad()
            loss.detach().item()

    return run


def sampling(net: Any, n: int, steps: int, precision: torch.dtype, best: bool) -> Callable[[], None]:
    """Return a function that samples n images with `DDIMPipeline`.

    The pipeline does not support bf16 weights, since it ends in numpy, which has no bf16; autocast is used
    instead and is equally fast.
    """
    from diffusers import DDIMPipeline, DDIMScheduler

    pipeline = DDIMPipeline(_channels_last(net.eval(), best), DDIMScheduler(num_train_timesteps=1000))
    pipeline.set_progress_bar_config(disable=True)

    def run() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
            pipeline(batch_size=n, num_inference_steps=steps, generator=torch.Generator().manual_seed(0))

    return run


def guiding(
    net: Any, labels: Tensor, null: int, steps: int, scale: float, precision: torch.dtype, best: bool
) -> Callable[[], Tensor]:
    """Return a function that samples an image per label [N] with the documented guided loop.

    It returns them before the conversion to bytes, [N, C, H, W]; `null` is the null class.
    """
    from diffusers import DDIMScheduler

    net, scheduler = _channels_last(net.eval(), best), DDIMScheduler(num_train_timesteps=1000)
    shape = (len(labels), net.config.in_channels, *[net.config.sample_size] * 2)
    class_labels = torch.cat([torch.full_like(labels, null), labels])

    @torch.no_grad()
    @torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16)
    def run() -> Tensor:
        latents = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * scheduler.init_noise_sigma
        scheduler.set_timesteps(steps)
        for t in scheduler.timesteps:
            latent_model_input = scheduler.scale_model_input(torch.cat([latents] * 2), timestep=t)
            noise_pred = net(latent_model_input, t, class_labels=class_labels).sample
            noise_pred_uncond, noise_pred_text = noise_pred.chunk(2)
            noise_pred = noise_pred_uncond + scale * (noise_pred_text - noise_pred_uncond)
            latents = scheduler.step(noise_pred, t, latents).prev_sample
        return latents

    return run


@torch.no_grad()
def copy_weights(theirs: Any, ours: UNet) -> None:
    """Copy their weights into our network of design "ddpm".

    Their time embedding has the cosines first; their t counts 0 .. T-1 where ours is 1 / T .. 1.
    """
    first = theirs.time_embedding.linear_1
    ours.time.inner.weight.copy_(first.weight.roll(first.in_features // 2, 1))
    ours.time.inner.bias.copy_(first.bias)
    for own, other in _layers(theirs, ours):
        own.load_state_dict(other.state_dict())
    for own, other in _attentions(theirs, ours):
        own.norm.load_state_dict(other.group_norm.state_dict())
        own.attention.out.load_state_dict(other.to_out[0].state_dict())
        parts = (other.to_q, other.to_k, other.to_v)
        own.attention.queries_keys_values.weight.copy_(torch.cat([part.weight for part in parts]))
        own.attention.queries_keys_values.bias.copy_(torch.cat([part.bias for part in parts]))


@torch.no_grad()
def copy_classes(theirs: Any, ours: Any, conditioner: Any) -> None:
    """Copy their class embeddings, with the null class last, into our conditioner.

    Our projection becomes the identity, so that both add the embedding to that of the time.
    """
    embeddings = theirs.class_embedding.weight
    conditioner.conditioner.embedding.weight.copy_(embeddings[:-1])
    conditioner.null["vector"].copy_(embeddings[-1])
    nn.init.eye_(ours.condition.weight)
    nn.init.zeros_(ours.condition.bias)


def _channels_last(net: Any, best: bool) -> Any:
    """The network, channels-last for vs-best."""
    return net.to(memory_format=torch.channels_last) if best else net


def _layers(theirs: Any, ours: UNet) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Corresponding layers, ours first."""
    yield from ((ours.time.outer, theirs.time_embedding.linear_2), (ours.stem, theirs.conv_in))
    yield from ((ours.norm, theirs.conv_norm_out), (ours.out, theirs.conv_out))
    stages: list[Any] = [*ours.down_blocks, *ours.mid_blocks, *ours.up_blocks]
    for own, other in zip((stage.block for stage in stages), _blocks(theirs), strict=True):
        if hasattr(other, "conv"):
            yield own.conv, other.conv
            continue
        yield from ((own.norm1, other.norm1), (own.norm2, other.norm2))
        yield from ((own.conv1, other.conv1), (own.conv2, other.conv2))
        yield own.shift, other.time_emb_proj
        if other.conv_shortcut is not None:
            yield own.skip, other.conv_shortcut


def _blocks(theirs: Any) -> Iterator[Any]:
    """Their residual and resampling blocks, in the order of the forward pass."""
    for block in theirs.down_blocks:
        yield from [*block.resnets, *(block.downsamplers or [])]
    yield from theirs.mid_block.resnets
    for block in theirs.up_blocks:
        yield from [*block.resnets, *(block.upsamplers or [])]


def _attentions(theirs: Any, ours: UNet) -> Iterator[tuple[Any, Any]]:
    """Corresponding attention layers, ours first."""
    stages: list[Any] = [*ours.down_blocks, *ours.mid_blocks, *ours.up_blocks]
    own = [stage.attention for stage in stages if not isinstance(stage.attention, nn.Identity)]
    blocks = [*theirs.down_blocks, theirs.mid_block, *theirs.up_blocks]
    other = [attention for block in blocks for attention in getattr(block, "attentions", [])]
    yield from zip(own, other, strict=True)


def _endless(loader: Any) -> Iterator[Tensor]:
    while True:
        yield from loader
