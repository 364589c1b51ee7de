r"""Pictures from captions: which of the asked objects, attributes and relations each system draws.

    fidelity    of the things that captions of the test part ask for, the fraction that an exact reader finds
                in the samples: for pairs of shape and colour that training has (seen) and for others
                (held_out), and for the captions of other samples (shuffled)
    frechet     distance of the samples from the training part
    variations  of a system that varies pictures: the fidelity of variations of real ones to their captions

All systems have the same data, captions and seed. A training is a number of steps, so that it is the same on
every machine; its seconds are recorded. Stages that are the same model in several systems, such as an
autoencoder or CLIP, are trained once. A further system is one entry of `TRAININGS` and one of `ROWS`.
"""

__all__ = ["PROMPTS", "ROWS", "TRAININGS", "UNKNOWN", "Row", "text_to_picture"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.conditioning.best_match import BestMatch
from morphogen.conditioning.caption import CAPTION, caption_texts
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Sampler
from morphogen.data import load_data
from morphogen.data.dataset import Dataset
from morphogen.data.language_models import language_model
from morphogen.data.shapes.scenes import COLOURS, SHAPES
from morphogen.evaluation.caption_fidelity import caption_fidelity
from morphogen.evaluation.features import features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.intervals import proportion
from morphogen.evaluation.sheet import sheet
from morphogen.families.autoregressive import Ancestral
from morphogen.families.diffusion import DDIM, DDPM, DPMSolver
from morphogen.inference.best_of import best_of
from morphogen.inference.variations import vary
from morphogen.model import evaluating, parameters
from morphogen.numerics.randomness import Rng
from morphogen.recipes.records import environment, evaluation_settings, model_record
from morphogen.recipes.shared_stages import ALONE, Trained, Training, trained
from morphogen.recipes.train_system import SIZE
from morphogen.staged import Cascade

DATA = "shapes"
RANKER = "clip"  # the training whose model ranks candidates
VARIED = 2.0  # guidance scale of variations
AT_ONCE, REPEATED = 100, 100  # samples at a time, and of the unknown colour
Draw = Callable[[Sequence[str]], Float[Tensor, "n c h w"]]
PROMPTS = (
    "a large red circle",
    "a small blue triangle",
    "a big yellow square above a little green circle",
    "a small purple cross to the left of a large orange circle",
    "a large green square below a small purple circle and right of a small red cross",
    "a big blue cross over a big yellow triangle and to the left of a little orange cross",
    "a large red triangle",
    "a small blue square to the right of a large yellow circle",
)  # the last two have pairs that are held out
UNKNOWN = "a large teal square"  # a colour that no caption has


@dataclass(frozen=True)
class Row:
    """A row of the table: how a trained system is sampled.

    Arguments:
        training: its name in `TRAININGS`.
        sampler: one, or one for each stage of a cascade; None: the default one.
        candidates: samples of each caption, of which CLIP keeps the best; 1: there is no choice.
    """

    training: str
    sampler: Sampler | Mapping[str, Sampler] | None = None
    candidates: int = 1


# the scales of guidance, of variations too, are chosen by the validation part
TRAININGS: Mapping[str, Training] = {
    "latent_diffusion": Training("latent_diffusion", {"autoencoder": 900, "prior": 2500}),
    "dalle": Training("dalle", {"autoencoder": 2000, "prior": 3600}),
    "glide": Training("glide", {"low": 2400, "picture": 1400}),
    RANKER: Training("clip", {ALONE: 2000}),
    "dalle2": Training("dalle2", {"clip": 2000, "embedding": 500, "low": 3400, "high": 600}),
    "imagen": Training(
        "imagen", {"low": 2000, "picture": 1000}, {"language_model": language_model}, rows=20_000
    ),
}
ROWS: Mapping[str, Row] = {
    "latent diffusion": Row("latent_diffusion", Guided(DPMSolver(20), 2.0)),
    "DALL-E": Row("dalle", Guided(Ancestral(), 2.0)),
    "DALL-E, the best of 16": Row("dalle", Guided(Ancestral(), 2.0), candidates=16),
    "DALL-E 2": Row("dalle2", {"embedding": Guided(BestMatch(DDPM(25)), 2.0), "low": Guided(DDIM(25), 2.0)}),
    "GLIDE": Row("glide", {"low": Guided(DDIM(25), 4.0), "picture": DDIM(15)}),
    "Imagen": Row("imagen", {"low": Guided(DDIM(25), 3.0), "picture": DDIM(15)}),
}


def text_to_picture(
    rows: Sequence[str] = tuple(ROWS), directory: Path | None = None, seed: int = 0, n: int = 1000
) -> dict[str, Any]:
    """Caption fidelity and Frechet distance of each row; prompts.png is written to the directory.

    Arguments:
        rows: names of `ROWS`.
        directory: its subdirectories keep the trainings, which are resumed; None: runs/text-to-picture.
        seed: of initial weights, training and samples.
        n: number of captions of the test part; every second one has a pair that is held out.
    """
    data, directory = load_data(DATA), Path("runs") / "text-to-picture" if directory is None else directory
    measure, chosen = _Measures(data, seed, n), {name: ROWS[name] for name in rows}
    known = {name: trained(TRAININGS[name], data, directory, name, seed, SIZE) for name in _trainings(chosen)}
    figures: dict[str, Any] = {"real pictures": measure(data.test.first(n).medium)}
    shown = {}
    for name, row in chosen.items():
        model, draw = known[row.training].model, _drawer(row, known, seed)
        figures[name] = measure(draw(measure.captions)) | measure.unknown(draw)
        figures[name] |= {"training": row.training, "sampler": repr(row.sampler)}
        figures[name] |= {"candidates": row.candidates}
        if isinstance(model, Cascade) and "embedding" in model.chain:
            varied = vary(model, data.test.first(n).medium, n=1, guidance=VARIED, seed=seed)
            figures[f"{name}, variations of real pictures"] = measure(varied.tensor) | {"guidance": VARIED}
        if model.representation.source is not model.representation:
            figures[f"{name}, encoded and decoded"] = measure(_reconstructed(model, data, n))
        shown[name] = draw(PROMPTS)
    sheet(shown, columns=len(PROMPTS)).save(directory / "prompts.png", optimize=True)
    models = {name: _record(name, data, known[name].model) for name in known}
    settings = evaluation_settings(data, measure.features, n, seed) | {"prompts": PROMPTS}
    settings |= {"trainings": {name: _cost(name, done) for name, done in known.items()}}
    return {"figures": figures, "models": models} | settings | environment()


def _trainings(rows: Mapping[str, Row]) -> list[str]:
    """The trainings that rows need, in the order of `TRAININGS`."""
    wanted = {row.training for row in rows.values()}
    wanted |= {RANKER for row in rows.values() if row.candidates > 1}
    return [name for name in TRAININGS if name in wanted]


def _record(name: str, data: Dataset, model: Any) -> dict[str, Any]:
    training = TRAININGS[name]
    return model_record(training.system, SIZE, data, model, **training.built_parts())


def _cost(name: str, done: Trained) -> dict[str, Any]:
    """What a training took; stages of an earlier one are not counted again."""
    steps = dict(TRAININGS[name].steps)
    return {"parameters": parameters(done.model), "steps": steps, "seconds": dict(done.seconds)}


class _Measures:
    """What is measured of pictures of the captions of the test part.

    Arguments:
        data: with a reader.
        seed: of the shuffled captions.
        n: number of captions.
    """

    def __init__(self, data: Dataset, seed: int, n: int):
        self.data, self.seed = data, seed
        self.reader: Any = data.reader
        self.captions = caption_texts(data.test.first(n).condition[CAPTION])
        self.features = features_for(data)

    def __call__(self, pictures: Float[Tensor, "n c h w"]) -> dict[str, Any]:
        """The fidelity to each group of captions, and the Frechet distance."""
        fidelity = caption_fidelity(pictures, self.captions, self.data, self.seed)
        real = self.features.reference(self.data.train)
        return {**fidelity, "frechet": frechet_interval(real, self.features(pictures), seed=self.seed)}

    def unknown(self, draw: Draw) -> dict[str, Any]:
        """How many pictures of `UNKNOWN` have its shape, and which colours are drawn in its place."""
        shown = self.reader.read(draw([UNKNOWN] * REPEATED))
        is_square, colour = shown.shape == SHAPES.index("square"), shown.colour[shown.shape >= 0]
        drawn = colour.bincount(minlength=len(COLOURS)).double() / max(1, len(colour))
        colours = {name: round(value, 3) for name, value in zip(COLOURS, drawn.tolist(), strict=True)}
        return {"unknown colour": {"square": proportion(is_square.any(1)), "colours": colours}}


def _drawer(row: Row, known: Mapping[str, Trained], seed: int) -> Draw:
    """Samples of captions, as the row draws them."""
    sample = known[row.training].model.sample
    if row.candidates > 1:
        sample = partial(best_of, row.candidates, known[RANKER].model, known[row.training].model)
    return lambda captions: (
        sample(condition={CAPTION: list(captions)}, sampler=row.sampler, seed=seed, batch=AT_ONCE).tensor
    )


def _reconstructed(model: Any, data: Dataset, n: int) -> Float[Tensor, "n c h w"]:
    """Pictures of the test part, encoded and decoded: what a model of their latents can reach."""
    representation = model.representation
    with evaluating(model), torch.no_grad():
        parts = [data.test[rows].medium for rows in torch.arange(n).split(AT_ONCE)]
        return torch.cat([
            representation.decode(representation.encode(part, Rng(0, len(part)), measure=False).x)
            for part in parts
        ])  # fmt: skip
