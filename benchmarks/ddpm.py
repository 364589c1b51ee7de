"""`ddpm-train`, `ddim50-sample`, `guided-sample`: the same U-Net with the same weights in ours and diffusers.

Grey images of 32 x 32, 64 channels with multipliers (1, 2, 2), attention at 16. Our U-Net has design "ddpm",
which equals diffusers' `UNet2DModel` (tests/parity/test_unet_diffusers.py); the hyperparameters are those of
its training loop.

    ddim50-sample              50 steps of DDIM, the default of its pipeline
    ddim50-sample compiled     our network compiled, its weights frozen; the peer as documented
    guided-sample              ten classes and the null class, guidance scale 3, both in one batch

The batch is 4: eight repetitions of 50 steps of a larger one do not fit in the time limit on two cores.
Guidance doubles the rows and therefore takes half the steps.
"""

__all__ = ["ddim50_sample", "ddpm_train", "guided_sample"]

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from benchmarks.figure import Comparison
from benchmarks.limits import operations
from benchmarks.names import Name
from benchmarks.peers import diffusers_unet as peer
from benchmarks.precisions import best_dtype, describe_precisions, ours_precision
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
HEADS = 16  # of 8 channels each, diffusers' default
TRAIN_STEPS, PICTURES, STEPS, GUIDED_STEPS = 2, 4, 50, 25
CLASSES, SCALE = 10, 3.0


def ddpm_train(name: Name) -> list[Comparison]:
    """Images per second of training, in batches of 16."""
    theirs, model, config = _both(name)
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(256, (512, *SHAPE), dtype=torch.uint8, generator=generator)
    examples, pictures = Pictures(values), TRAIN_STEPS * peer.BATCH

    def ours() -> None:
        train(model, examples, steps=TRAIN_STEPS, device="cpu", precision=ours_precision(name))

    loop = peer.training(theirs, values / 127.5 - 1, TRAIN_STEPS, best_dtype(name), name.best)
    config |= {
        "batch": peer.BATCH,
        "steps": TRAIN_STEPS,
        "operations": 3 * config["operations"],  # forwards, and backwards to inputs and to weights
        "ours": "morphogen.train",
        "peer": "diffusers' documented loop" + ", channels-last, AdamW fused" * name.best,
    }
    return [Comparison(ours, loop, (pictures, pictures), "pictures/s", config)]


def ddim50_sample(name: Name) -> list[Comparison]:
    """Images per second, with 50 steps each."""
    theirs, model, config = _both(name)
    ours = _sampling_model(name, model)
    pipeline = peer.sampling(theirs, PICTURES, STEPS, best_dtype(name), name.best)
    config |= {
        "batch": PICTURES,
        "steps": STEPS,
        "operations": STEPS * config["operations"],
        "ours": _description(ours, "DDIM") + ", the network by torch.compile, frozen" * name.compiled,
        "peer": "DDIMPipeline" + ", channels-last" * name.best,
    }
    comparison = _comparison(_sample(name, ours, DDIM(STEPS)), pipeline, config)
    if not name.compiled:
        return [comparison]
    cast(Any, ours.objective).network.compile(dynamic=False, options={"freezing": True})
    return [replace(comparison, setup=_sample(name, ours, DDIM(1)))]  # its one step compiles


def guided_sample(name: Name) -> list[Comparison]:
    """Images per second with classifier-free guidance."""
    theirs, model, config = _both(name, CLASSES)
    ours, labels = _sampling_model(name, model), torch.arange(PICTURES) % CLASSES
    loop = peer.guiding(theirs, labels, CLASSES, GUIDED_STEPS, SCALE, best_dtype(name), name.best)
    config |= {
        "batch": PICTURES,
        "steps": GUIDED_STEPS,
        "operations": 2 * GUIDED_STEPS * config["operations"],
        "classes": CLASSES,
        "scale": SCALE,
        "ours": _description(ours, "Guided(DDIM)"),
        "peer": "diffusers' documented loop with DDIMScheduler" + ", channels-last" * name.best,
    }
    return [_comparison(_sample(name, ours, Guided(DDIM(GUIDED_STEPS), SCALE), labels), loop, config)]


def _sampling_model(name: Name, model: Model) -> Model | Quantized:
    """The model, with bfloat16 weights if it samples in bf16."""
    if ours_precision(name) == "auto" and native_bf16(model.device):
        return Quantized(model, BFloat16())
    return model


def _description(model: Model | Quantized, sampler: str) -> str:
    """What runs on our side, for the record."""
    kind = "Quantized(model, BFloat16())" if isinstance(model, Quantized) else "Model"
    return f"{kind}.sample({sampler}, precision=...)"


def _sample(
    name: Name, model: Model | Quantized, sampler: Sampler, labels: Tensor | None = None
) -> Callable[[], None]:
    """Draw `PICTURES` samples of our model."""

    def ours() -> None:
        model.sample(PICTURES, labels, sampler, seed=0, precision=ours_precision(name))

    return ours


def _comparison(ours: Callable[[], object], loop: Callable[[], object], config: dict[str, Any]) -> Comparison:
    """Both sides draw `PICTURES` samples per repetition."""
    return Comparison(ours, loop, (PICTURES, PICTURES), "pictures/s", config)


def _both(name: Name, classes: int = 0) -> tuple[Any, Model, dict[str, Any]]:
    """Their network, our model with its weights, and what to record of both."""
    torch.manual_seed(0)
    theirs = peer.unet2d(SHAPE, CHANNELS, MULTIPLIERS, ATTENTION, classes)
    width = 4 * CHANNELS if classes else 0  # as wide as theirs, which adds the class to the time embedding
    network = UNet(
        SHAPE, CHANNELS, MULTIPLIERS, attention=ATTENTION, heads=HEADS, vector=width, design="ddpm"
    )
    conditioner = ConditionDropout(Label(classes, width)) if classes else None
    peer.copy_weights(theirs, network)
    if classes:
        peer.copy_classes(theirs, network, conditioner)
    plan = Plan(AdamW(peer.LR), batch=peer.BATCH, schedule=Cosine(peer.WARMUP), clip=peer.CLIP)
    objective = Diffusion(network, LinearBetas(), DiscretizedGaussian(256))
    model = Model(objective, Pixels(256, SHAPE), conditioner, plan)
    sizes = {"ours": parameters(model), "peer": sum(p.numel() for p in theirs.parameters())}
    of_a_call = operations(lambda: network(torch.zeros(1, *SHAPE), torch.zeros(1)))
    return theirs, model, {"parameters": sizes, "operations": of_a_call} | describe_precisions(name)
