r"""Text encoders compared: a frozen language model, a transformer trained with the pictures, a bag of words.

    language model     MiniLM, trained on text alone and frozen, as Imagen has it (Saharia et al. 2022)
    trained tower      a transformer that is trained together with the decoder, as GLIDE has it
    bag of words       embeddings that are trained together with the decoder, and do not know their order

The decoder is the first stage of `imagen` at size "small", a diffusion of `shapes` reduced to 16 x 16 pixels;
examples, batches, steps and seed are the same too. Samples are enlarged by bicubic interpolation, after which
the exact reader reads every real scene, for captions of the validation part. A set of words says which
shapes and colours there are, and only their order which belong together and how the objects stand.

References: Photorealistic text-to-image diffusion models with deep language understanding, Saharia et al.,
2022; GLIDE, Nichol et al., 2022.
"""

__all__ = ["ENCODERS", "build_decoder", "text_encoders"]

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from morphogen.conditioning.caption import CAPTION, Caption, Captions, caption_texts
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.frozen import Frozen
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Conditioner
from morphogen.data import load_data
from morphogen.data.dataset import Dataset
from morphogen.data.language_models import language_model
from morphogen.data.shapes import SceneStream
from morphogen.evaluation.caption_fidelity import caption_fidelity
from morphogen.evaluation.sheet import sheet
from morphogen.families.diffusion import DDIM
from morphogen.model import Model, evaluating, parameters
from morphogen.networks.text_encoder import BagOfWords
from morphogen.numerics.randomness import Rng
from morphogen.recipes.records import environment, function_record
from morphogen.recipes.shared_stages import precomputed
from morphogen.systems import Size
from morphogen.systems.imagen import first_stage
from morphogen.systems.latent_diffusion import text_transformer
from morphogen.training import train

DATA = "shapes"
SIZE: Size = "small"
ROWS = 20_000  # training scenes, whose captions the language model encodes once
TOKENS, WIDTH, LAYERS, HEADS = 32, 128, 2, 4  # of the encoders that are trained
SAMPLER = Guided(DDIM(25), 3.0)
AT_ONCE, SHOWN = 100, 20


ENCODERS: Mapping[str, Callable[[Captions], Conditioner]] = {
    "language model": lambda caption: Frozen(language_model("minilm")),
    "trained tower": lambda caption: Caption(
        caption.text, text_transformer(caption, TOKENS, WIDTH, LAYERS, HEADS)
    ),
    "bag of words": lambda caption: Caption(caption.text, BagOfWords(caption.text.vocabulary, TOKENS, WIDTH)),
}


def text_encoders(
    directory: Path | None = None, seed: int = 0, steps: int = 2000, n: int = 500, rows: int = ROWS
) -> dict[str, Any]:
    """Caption fidelity of the same decoder with each encoder; drawn.png is written to the directory.

    Arguments:
        directory: its subdirectories keep the trainings, which are resumed; None: runs/text-encoders.
        seed: of initial weights, training and samples.
        steps: of each training.
        n: number of captions.
        rows: number of training scenes.

    Errors: DataError if the weights of the language model are not in the cache.
    """
    data, directory = load_data(DATA), Path("runs") / "text-encoders" if directory is None else directory
    asked = data.valid.first(n)
    captions, examples = caption_texts(asked.condition[CAPTION]), SceneStream("train", rows)
    figures, models, cost = dict[str, Any](), dict[str, Any](), dict[str, Any]()
    shown = {"real": asked.medium[:SHOWN]}
    for name in ENCODERS:
        torch.manual_seed(seed)  # of the initial weights
        model = build_decoder(name)
        if not figures:
            figures["real pictures, enlarged"] = _fidelity(_reduced(model, asked.medium), captions, data)
        place = directory / name.replace(" ", "-")
        done = train(model, precomputed(model, examples), steps=steps, seed=seed, directory=place)
        cost[name] = {"parameters": parameters(model), "seconds": round(done.seconds)}
        condition = {CAPTION: asked.condition[CAPTION]}
        samples = model.sample(n, condition, SAMPLER, seed=seed, batch=AT_ONCE).tensor
        figures[name] = _fidelity(samples, captions, data)
        shown[name] = _enlarged(samples[:SHOWN])
        encoder = model.conditioner.conditioner
        parts = {"frozen": encoder} if isinstance(encoder, Frozen) else {}
        models[name] = function_record(build_decoder, parts, encoder=name)
    sheet(shown).save(directory / "drawn.png", optimize=True)
    settings = {"data": data.name, "split": data.split, "n": n, "seed": seed, "steps": steps, "rows": rows}
    settings |= {"sampler": repr(SAMPLER), "trainings": cost}
    return {"figures": figures, "models": models} | settings | environment()


def build_decoder(encoder: str, frozen: Conditioner | None = None) -> Any:
    """The untrained decoder; one caption in ten is dropped in training.

    Arguments:
        encoder: a name of `ENCODERS`.
        frozen: in place of this encoder, one with another's weights or none; None: the encoder.
    """
    data = load_data(DATA)
    caption: Any = data.conditions[CAPTION]
    pixels: Any = data.representation
    conditioner = ENCODERS[encoder](caption) if frozen is None else frozen
    return first_stage(pixels, ConditionDropout(conditioner, 0.1), SIZE)


def _reduced(model: Model, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c r s"]:
    """Pictures at the resolution of the decoder."""
    with evaluating(model):
        x: Any = model.representation.encode(pictures, Rng(0, len(pictures)), measure=False).x
    return x


def _enlarged(pictures: Float[Tensor, "n c r s"]) -> Float[Tensor, "n c h w"]:
    return F.interpolate(pictures, scale_factor=2, mode="bicubic").clamp(-1, 1)


def _fidelity(small: Float[Tensor, "n c r s"], captions: list[str], data: Dataset) -> dict[str, Any]:
    """The fidelity of pictures after they are enlarged to the size that the reader reads."""
    return dict(caption_fidelity(_enlarged(small), captions, data))
