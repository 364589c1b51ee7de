r"""Emoji drawn from their names: a text-to-picture model of captioned emoji, judged by a CLIP of its own.

    score             2.5 max(cos, 0) of each sample and its caption by the judge, beside that with the
                      caption of another sample, which a model has that ignores its own (Hessel et al. 2021)
    real data         the scores of the pictures of the same names: what a perfect model would have
    seen, held_out    names of the train part, and of emoji that the model has not seen

The judge is a CLIP that neither guided nor chose anything: it has another seed and another split. It learns
from the held-out emoji, which it has to know, and from a keyed half of the others; the CLIP that chooses the
guidance scale, on validation names, learns from the train part, as the model does. prompts.png, of 24
prompts, is written to the directory.

References: High-resolution image synthesis with latent diffusion models, Rombach et al., 2022; CLIPScore,
Hessel, Holtzman, Forbes, Le Bras & Choi, 2021.
"""

__all__ = ["PROMPTS", "TRAININGS", "emoji_by_name", "split_of_the_judge"]

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from morphogen.conditioning.caption import CAPTION, caption_texts
from morphogen.conditioning.guidance import Guided
from morphogen.data import Dataset, Pictures, load_data
from morphogen.data.captioned import captioned
from morphogen.evaluation.picture_text import caption_score
from morphogen.evaluation.prompt_sheet import prompt_sheet
from morphogen.inference.matching import Matcher
from morphogen.numerics.randomness import Rng
from morphogen.recipes.records import environment, model_record
from morphogen.recipes.shared_stages import ALONE, Training, trained
from morphogen.run_directory import next_directory

SIZE, SYSTEM = "small", "latent_diffusion"
TRAININGS: Mapping[str, Training] = {
    SYSTEM: Training(SYSTEM, {"autoencoder": 3000, "prior": 10_000}),  # 55 minutes on one core
    "clip": Training("clip", {ALONE: 1500}),
}
SCALES = (1.0, 2.0, 4.0, 7.5)  # of guidance
PROMPTS = (
    "red apple", "red heart", "blue heart", "green heart", "sun with face", "full moon face",
    "grinning cat", "dog face", "pizza", "rocket", "soccer ball", "umbrella",
    "woman astronaut, dark skin tone", "man cook, light skin tone", "thumbs up", "flag: japan",
    "crying face", "red car", "sailboat", "four leaf clover",
    "a green apple and a sun", "purple dog", "blue pizza", "smiling moon",
)  # fmt: skip


def emoji_by_name(
    directory: Path | None = None, seed: int = 0, n: int = 200,
    trainings: Mapping[str, Training] = TRAININGS, size: str = SIZE,
) -> dict[str, Any]:  # fmt: skip
    """Scores of emoji that a model draws from names, beside those of other names and of the real pictures.

    Arguments:
        directory: its subdirectories keep the trainings, which are resumed; None: a new one in runs/.
        seed: of the model and of sampling; the judge has the next one.
        n: names of each kind, seen and held out.
        trainings: of the model, "latent_diffusion", and of each "clip".
        size: of the systems.
    """
    root = next_directory(Path("runs"), "emoji-by-name") if directory is None else directory
    data = load_data("emoji-captions")
    drawing, matching = trainings[SYSTEM], trainings["clip"]
    model = trained(drawing, data, root, SYSTEM, seed, size).model.eval()
    chooser = Matcher(trained(matching, data, root, "clip", seed, size).model.eval())
    other = split_of_the_judge(data, seed + 1)
    judge = Matcher(trained(matching, other, root, "judge", seed + 1, size).model.eval())
    scale = _best_scale(model, chooser, data.valid, n, seed)
    sampler = Guided(model.objective.default_sampler(), scale)
    figures: dict[str, Any] = {"real data": {}, SYSTEM: {}}
    for name, part in (("seen", data.train), ("held_out", data.test)):
        rows = part.first(n)
        texts = caption_texts(rows.condition[CAPTION])
        samples = model.sample(len(texts), {CAPTION: rows.condition[CAPTION]}, sampler, seed=seed)
        figures["real data"][name] = caption_score(judge, rows.medium, texts, seed)
        figures[SYSTEM][name] = caption_score(judge, samples, texts, seed)
    drawn = model.sample(len(PROMPTS), list(PROMPTS), sampler, seed=seed)
    prompt_sheet(drawn, PROMPTS).save(root / "prompts.png", optimize=True)
    models = {SYSTEM: model_record(SYSTEM, size, data, model)}
    settings = {"data": data.name, "split": data.split, "n": n, "seed": seed, "guidance": scale}
    settings |= {"steps": {name: dict(training.steps) for name, training in trainings.items()}}
    return {"figures": figures, "models": models} | settings | environment()


def split_of_the_judge(data: Dataset, seed: int) -> Dataset:
    """Captioned pictures split anew: the held-out ones, and a half of the others, are in train.

    Arguments:
        data: captioned pictures.
        seed: of the half.
    """
    parts: Sequence[Any] = (data.train, data.valid, data.test)
    values = torch.cat([part.values for part in parts])
    captions = [tuple(texts) for part in parts for texts in part.texts]
    known = len(parts[0].values)
    order = Rng(seed, known, ("judge",)).bits(1)[:, 0].argsort(stable=True)
    held_out = torch.arange(known, len(values))
    tenth = max(1, known // 10)
    learned = torch.cat([held_out, order[2 * tenth : 2 * tenth + known // 2]])
    train_part, valid, test = (
        Pictures(values[index], captions=[captions[i] for i in index.tolist()])
        for index in (learned, order[:tenth], order[tenth : 2 * tenth])
    )
    parted = replace(data, conditions={}, reader=None, train=train_part, valid=valid, test=test)
    split: Dataset = captioned(parted).windows()
    return split


def _best_scale(model: Any, chooser: Matcher, part: Any, n: int, seed: int) -> float:
    """The guidance scale of the highest score of validation names."""
    rows = part.first(n)
    texts = caption_texts(rows.condition[CAPTION])
    condition = {CAPTION: rows.condition[CAPTION]}
    scores = {}
    for scale in SCALES:
        sampler = Guided(model.objective.default_sampler(), scale)
        samples = model.sample(len(texts), condition, sampler, seed=seed)
        scores[scale] = caption_score(chooser, samples, texts, seed)["difference"]["value"]
    return max(scores, key=lambda scale: scores[scale])
