"""`sd-sample`: a small Stable Diffusion with the same weights in ours and diffusers' pipeline.

One picture of 256 x 256 pixels from a caption: 32 x 32 latents, a U-Net of four levels with 64 to 256
channels, 25 calls of DDIM, guidance scale 7.5 with the null caption in the same batch, and the decoder. Both
encode the captions once per picture. tests/parity/test_stable_diffusion_pipeline.py compares the samples.
"""

__all__ = ["sd_sample"]

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch

from benchmarks.figure import Comparison
from benchmarks.limits import operations
from benchmarks.names import Name
from benchmarks.peers import diffusers_pipeline as peer
from benchmarks.precisions import best_dtype, describe_precisions, ours_precision
from morphogen.conditioning.guidance import Guided
from morphogen.families.diffusion import DDIM, LeadingTimesteps
from morphogen.inference import BFloat16, Quantized
from morphogen.interop.stable_diffusion import read_stable_diffusion
from morphogen.model import Model, parameters
from morphogen.numerics.precision import native_bf16

SIZE, PROMPT, STEPS, SCALE = "small", "a red cat", 25, 7.5


def sd_sample(name: Name) -> list[Comparison]:
    """Pictures per second of guided sampling."""
    with TemporaryDirectory() as folder:
        pipeline = peer.write_pipeline(Path(folder), SIZE)
        model = read_stable_diffusion(folder).requires_grad_(False)
    sizes = {"ours": parameters(model), "peer": peer.parameters(pipeline)}
    low = ours_precision(name) == "auto" and native_bf16(model.device)
    ours_model = Quantized(model, BFloat16()) if low else model
    sampler = Guided(DDIM(STEPS, spacing=LeadingTimesteps()), SCALE)
    pipeline = peer.prepared(pipeline, best_dtype(name), name.best)

    def ours() -> None:
        ours_model.sample(1, PROMPT, sampler, seed=0, precision=ours_precision(name))

    def theirs() -> None:
        generator = torch.Generator().manual_seed(0)
        pipeline(PROMPT, num_inference_steps=STEPS, guidance_scale=SCALE, generator=generator)

    of_a_step = operations(lambda: _call(model))
    of_decoding = operations(lambda: model.representation.decode(torch.zeros(1, *model.representation.shape)))
    config = {"parameters": sizes, "steps": STEPS, "scale": SCALE} | describe_precisions(name)
    config["operations"] = STEPS * of_a_step + of_decoding
    config |= {
        "ours": f"{'Quantized(model, BFloat16())' if low else 'Model'}.sample(Guided(DDIM), precision=...)",
        "peer": "StableDiffusionPipeline with DDIMScheduler" + ", channels-last" * name.best,
    }
    return [Comparison(ours, theirs, (1, 1), "pictures/s", config)]


@torch.no_grad()
def _call(model: Model) -> None:
    """One call of the U-Net, with the caption and without."""
    context = model.context(model.conditions(PROMPT, 2), 2)
    cast(Any, model.objective).network(torch.zeros(2, *model.representation.shape), torch.zeros(2), context)
