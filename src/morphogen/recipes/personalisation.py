"""Personalisation: a latent diffusion of `shapes` learns an object that its scenes lack, from ten pictures.

    rings             of samples asked for rings in six colours: a ring is drawn, in the asked colour; one of
                      the colours is in none of the ten pictures
    attributes        of what captions of scenes ask for, the fraction that is drawn, as before

The base is that of the recipe `text-to-picture`, trained there or here. A LoRA of rank 4 learns the object
alone, and another one beside pictures that the base draws of captions of scenes (Ruiz et al. 2023). The rings
are read by template matching (`rings`), whose accuracy on real pictures is stated.
"""

__all__ = ["personalisation"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from morphogen.conditioning.caption import CAPTION, caption_texts
from morphogen.contract import Batch
from morphogen.data import load_data
from morphogen.data.dataset import Dataset, Examples
from morphogen.data.prior_preservation import PriorPreservation, class_examples
from morphogen.data.shapes.scenes import COLOURS
from morphogen.evaluation.caption_fidelity import caption_fidelity
from morphogen.evaluation.features import features_for
from morphogen.evaluation.intervals import proportion
from morphogen.evaluation.sheet import sheet
from morphogen.personalisation.lora import LoRA
from morphogen.personalisation.update_files import save_updates
from morphogen.plan import Adam, Plan
from morphogen.recipes.records import environment, evaluation_settings, model_record
from morphogen.recipes.rings import COLOURS_SHOWN, read_rings, ring_captions, ring_pictures
from morphogen.recipes.shared_stages import trained
from morphogen.recipes.text_to_picture import DATA, ROWS, TRAININGS
from morphogen.recipes.train_system import SIZE
from morphogen.training import train

BASE = "latent_diffusion"
PICTURES, CLASS = 10, 100
RANKS = {"down_blocks": 4, "mid_blocks": 4, "up_blocks": 4}  # all blocks: a new shape is more than attention
PLAN = Plan(Adam(2e-3), batch=16, clip=1.0)
READ = 500  # real pictures that the reader is tested on
SCENES = 200  # captions of scenes
SAMPLER: Any = ROWS["latent diffusion"].sampler


class InMemory(Examples):
    """The rows of one batch."""

    def __init__(self, batch: Batch):
        self.batch = batch

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, indices: torch.Tensor) -> Batch:
        return self.batch[indices]


def personalisation(
    directory: Path | None = None, steps: int = 300, seed: int = 0, n: int = 120, size: str = SIZE
) -> dict[str, Any]:
    """Rings drawn, and scenes drawn as before, with and without prior preservation; rings.png is written.

    Arguments:
        directory: of the recipe `text-to-picture`, whose base is used, or trained; None: its default.
        steps: of each LoRA.
        seed: of training and samples.
        n: number of rings that are asked for, in six colours.
        size: of the base.
    """
    data, directory = load_data(DATA), Path("runs") / "text-to-picture" if directory is None else directory
    base = trained(TRAININGS[BASE], data, directory, BASE, seed, size)
    pictures = ring_pictures(PICTURES, seed)
    known = caption_texts(data.train.first(CLASS).condition[CAPTION])
    prior = class_examples(base.model, known, CLASS, SAMPLER, seed)
    rows = {"LoRA": InMemory(pictures), "LoRA, prior preserved": PriorPreservation(pictures, prior)}
    figures: dict[str, Any] = {"real pictures": _reader_accuracy(data, seed)}
    figures["before"], shown = _measured(base.model, data, n, seed)
    drawn, seconds = {"ten pictures": pictures.medium, "before": shown}, {}
    for name, examples in rows.items():
        torch.manual_seed(seed)
        lora = LoRA(base.model, RANKS, plan=PLAN)
        seconds[name] = round(train(lora, examples, steps=steps, seed=seed).seconds)
        save_updates(lora, directory / f"{name.replace(', ', '-').replace(' ', '-')}.safetensors")
        figures[name], drawn[name] = _measured(lora, data, n, seed)
    sheet(drawn, columns=10).save(directory / "rings.png", optimize=True)
    settings = evaluation_settings(data, features_for(data), n, seed)
    settings |= {"steps": steps, "seconds": seconds, "base_steps": dict(TRAININGS[BASE].steps)}
    models = {"before": model_record(TRAININGS[BASE].system, size, data, base.model)}
    return {"figures": figures, "models": models} | settings | environment()


def _measured(model: Any, data: Dataset, n: int, seed: int) -> tuple[Mapping[str, Any], torch.Tensor]:
    """The rings and the scenes that a model draws, and some of the rings."""
    colours = [list(COLOURS)[i % len(COLOURS)] for i in range(n)]
    index = torch.arange(n) % len(COLOURS)
    pictures = model.sample(n, ring_captions(colours), SAMPLER, seed=seed).tensor
    is_ring, colour = read_rings(pictures)
    shown = torch.tensor([name in COLOURS_SHOWN for name in colours])
    captions: list[str] = data.valid.captions_of(torch.arange(SCENES))
    scenes = model.sample(SCENES, captions, SAMPLER, seed=seed + 1).tensor
    figures: dict[str, Any] = {
        "rings": proportion(is_ring),
        "rings in the asked colour": proportion(is_ring & (colour == index)),
        "rings in a colour never shown": proportion((is_ring & (colour == index))[~shown]),
        "scenes": caption_fidelity(scenes, captions, data)["seen"],
    }
    return figures, pictures[:10]


def _reader_accuracy(data: Dataset, seed: int) -> dict[str, Any]:
    """How many real rings the reader finds, and in how many scenes it finds a ring that is not there."""
    rings, _ = read_rings(ring_pictures(READ, seed + 1).medium)
    scenes, _ = read_rings(data.valid.first(READ).medium)
    return {"rings": proportion(rings), "scenes read as rings": proportion(scenes)}
