"""`ddpm-train`, `ddpm-sample`: 32 x 32 grey pictures, 64 channels (1, 2, 2), attention at 16, the same weights in both.

Ours has design "ddpm", which is diffusers' `UNet2DModel` (tests/parity/test_unet_diffusers.py), and the numbers of its loop.
"""

__all__ = ["ddpm_sample", "ddpm_train"]

from typing import Any

import torch

from benchmarks.figure import Duel
from benchmarks.names import Name
from benchmarks.peers import diffusers_unet as peer
from benchmarks.precisions import best_dtype, ours_precision, told
from morphogen.data import Pictures
from morphogen.families.diffusion import DDIM, Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.model import Model, parameters
from morphogen.networks.unet import UNet
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.training import train
from morphogen.training.precision import autocast

SHAPE, CHANNELS, MULTIPLIERS, ATTENTION = (1, 32, 32), 64, (1, 2, 2), (16,)
HEADS = 16  # of 8 channels, diffusers' default
TRAIN_STEPS, SAMPLE_STEPS, PICTURES = 2, 6, 16


def ddpm_train(name: Name) -> list[Duel]:
    """Pictures a second, in batches of 16."""
    theirs, model, config = _both(name)
    values = torch.randint(256, (512, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    examples, pictures = Pictures(values), TRAIN_STEPS * peer.BATCH

    def ours() -> None:
        train(model, examples, steps=TRAIN_STEPS, device="cpu", precision=ours_precision(name))

    loop = peer.training(theirs, values / 127.5 - 1, TRAIN_STEPS, best_dtype(name), name.best)
    ran = {"ours": "morphogen.train", "peer": "diffusers' documented loop" + ", channels-last, AdamW fused" * name.best}
    return [Duel(ours, loop, (pictures, pictures), "pictures/s", config | {"batch": peer.BATCH, "steps": TRAIN_STEPS} | ran)]


def ddpm_sample(name: Name) -> list[Duel]:
    """Pictures a second, 16 at once, in a few steps of DDIM; more take as much longer."""
    theirs, model, config = _both(name)

    def ours() -> None:
        with autocast(ours_precision(name), model.device):
            model.sample(PICTURES, sampler=DDIM(steps=SAMPLE_STEPS), seed=0)

    pipeline = peer.sampling(theirs, PICTURES, SAMPLE_STEPS, best_dtype(name), name.best)
    ran = {"ours": "Model.sample", "peer": "DDIMPipeline" + ", channels-last" * name.best}
    return [Duel(ours, pipeline, (PICTURES, PICTURES), "pictures/s", config | {"batch": PICTURES, "steps": SAMPLE_STEPS} | ran)]


def _both(name: Name) -> tuple[Any, Model, dict[str, Any]]:
    """Their network, our model with its weights, and what is to be said of both."""
    torch.manual_seed(0)
    theirs = peer.unet2d(SHAPE, CHANNELS, MULTIPLIERS, ATTENTION)
    network = UNet(SHAPE, CHANNELS, MULTIPLIERS, attention=ATTENTION, heads=HEADS, design="ddpm")
    peer.copy_weights(theirs, network)
    plan = Plan(AdamW(peer.LR), batch=peer.BATCH, schedule=Cosine(peer.WARMUP), clip=peer.CLIP)
    model = Model(Diffusion(network, LinearBetas(), DiscretizedGaussian(256)), Pixels(256, SHAPE), plan=plan)
    sizes = {"ours": parameters(model), "peer": sum(p.numel() for p in theirs.parameters())}
    return theirs, model, {"parameters": sizes} | told(name)
