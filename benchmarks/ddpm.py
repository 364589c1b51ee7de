"""`ddpm-train`, `ddim50-sample`, `guided-sample`: 32 x 32 grey pictures, 64 channels (1, 2, 2), attention at 16, the same weights in both.

Ours has design "ddpm", which is diffusers' `UNet2DModel` (tests/parity/test_unet_diffusers.py), and the numbers of its loop.

    ddim50-sample              the 50 steps of DDIM that its pipeline takes by default
    ddim50-sample compiled     our network compiled, its weights frozen; the peer is as its documentation has it
    guided-sample              ten classes and none, guidance of 3 in one pass of twice the rows

Four pictures at once: eight repetitions of 50 steps of more do not fit a bench's time on two cores. Guidance asks for twice the rows,
and so takes half the steps.
"""

__all__ = ["ddim50_sample", "ddpm_train", "guided_sample"]

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from benchmarks.figure import Duel
from benchmarks.names import Name
from benchmarks.peers import diffusers_unet as peer
from benchmarks.precisions import best_dtype, ours_precision, told
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.label import Label
from morphogen.contract import Sampler
from morphogen.data import Pictures
from morphogen.families.diffusion import DDIM, Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.inference import BFloat16, Quantized
from morphogen.model import Model, parameters
from morphogen.networks.unet import UNet
from morphogen.numerics.precision import native_bf16
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.training import train

SHAPE, CHANNELS, MULTIPLIERS, ATTENTION = (1, 32, 32), 64, (1, 2, 2), (16,)
HEADS = 16  # of 8 channels, diffusers' default
TRAIN_STEPS, PICTURES, STEPS, GUIDED_STEPS = 2, 4, 50, 25
CLASSES, SCALE = 10, 3.0


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


def ddim50_sample(name: Name) -> list[Duel]:
    """Pictures a second, of 50 steps each."""
    theirs, model, config = _both(name)
    light = _light(name, model)
    pipeline = peer.sampling(theirs, PICTURES, STEPS, best_dtype(name), name.best)
    said = config | {"batch": PICTURES, "steps": STEPS} | {
        "ours": _said(light, "DDIM") + ", the network by torch.compile, frozen" * name.compiled,
        "peer": "DDIMPipeline" + ", channels-last" * name.best,
    }  # fmt: skip
    duel = _drawn(_drawing(name, light, DDIM(STEPS)), pipeline, said)
    if not name.compiled:
        return [duel]
    cast(Any, light.objective).network.compile(dynamic=False, options={"freezing": True})
    return [replace(duel, first=_drawing(name, light, DDIM(1)))]  # its one step compiles


def guided_sample(name: Name) -> list[Duel]:
    """Pictures a second, each pushed towards its class."""
    theirs, model, config = _both(name, CLASSES)
    light, labels = _light(name, model), torch.arange(PICTURES) % CLASSES
    loop = peer.guiding(theirs, labels, CLASSES, GUIDED_STEPS, SCALE, best_dtype(name), name.best)
    said = config | {"batch": PICTURES, "steps": GUIDED_STEPS, "classes": CLASSES, "scale": SCALE} | {
        "ours": _said(light, "Guided(DDIM)"), "peer": "diffusers' documented loop with DDIMScheduler" + ", channels-last" * name.best,
    }  # fmt: skip
    return [_drawn(_drawing(name, light, Guided(DDIM(GUIDED_STEPS), SCALE), labels), loop, said)]


def _light(name: Name, model: Model) -> Model | Quantized:
    """Its weights in the precision that it multiplies in."""
    return Quantized(model, BFloat16()) if ours_precision(name) == "auto" and native_bf16(model.device) else model


def _said(model: Model | Quantized, sampler: str) -> str:
    """What of ours runs."""
    return ("Quantized(model, BFloat16())" if isinstance(model, Quantized) else "Model") + f".sample({sampler}, precision=...)"


def _drawing(name: Name, model: Model | Quantized, sampler: Sampler, labels: Tensor | None = None) -> Callable[[], None]:
    """`PICTURES` of ours."""

    def ours() -> None:
        model.sample(PICTURES, labels, sampler, seed=0, precision=ours_precision(name))

    return ours


def _drawn(ours: Callable[[], object], loop: Callable[[], object], config: dict[str, Any]) -> Duel:
    """Both draw as many."""
    return Duel(ours, loop, (PICTURES, PICTURES), "pictures/s", config)


def _both(name: Name, classes: int = 0) -> tuple[Any, Model, dict[str, Any]]:
    """Their network, our model with its weights, and what is to be said of both."""
    torch.manual_seed(0)
    theirs = peer.unet2d(SHAPE, CHANNELS, MULTIPLIERS, ATTENTION, classes)
    vector = 4 * CHANNELS if classes else 0  # as wide as theirs, which adds a class to the time as it is
    network = UNet(SHAPE, CHANNELS, MULTIPLIERS, attention=ATTENTION, heads=HEADS, vector=vector, design="ddpm")
    conditioner = ConditionDropout(Label(classes, vector)) if classes else None
    peer.copy_weights(theirs, network)
    if classes:
        peer.copy_classes(theirs, network, conditioner)
    plan = Plan(AdamW(peer.LR), batch=peer.BATCH, schedule=Cosine(peer.WARMUP), clip=peer.CLIP)
    model = Model(Diffusion(network, LinearBetas(), DiscretizedGaussian(256)), Pixels(256, SHAPE), conditioner, plan)
    sizes = {"ours": parameters(model), "peer": sum(p.numel() for p in theirs.parameters())}
    return theirs, model, {"parameters": sizes} | told(name)
