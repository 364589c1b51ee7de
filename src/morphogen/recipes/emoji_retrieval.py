r"""CLIP and ALIGN on captioned emoji: retrieval of held-out ones, and classes of clothes by prompts.

    retrieval     R@k of the names of 200 held-out emoji by their pictures ("texts"), and of the pictures by
                  their names ("pictures"); chance is k / 200
    nearest name  what one finds without a model of both: for a name, the training name that MiniLM embeds
                  nearest, whose picture ranks the candidates by the distance of their pixels; for a picture,
                  the training picture of the nearest pixels, whose name ranks the candidates by MiniLM
    clothes       the share of Fashion-MNIST's test pictures whose class is that of the nearest prompts: of
                  CLIP trained on emoji, which has seen none of them, and of one that has also seen clothes
                  with captions, by prompts that are none of these captions

Clothes are black on white and 32 pixels a side, as emoji are. The numbers of steps are those of
the budget; each model's retrieval is stated on the validation part too, on which alone sizes may be chosen.

References: Learning transferable visual models from natural language supervision (CLIP), Radford et al.,
2021; Scaling up visual and vision-language representation learning with noisy text supervision (ALIGN), Jia
et al., 2021; MiniLM, Wang et al., 2020.
"""

__all__ = ["NearestName", "black_on_white", "emoji_retrieval", "with_clothes"]

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from morphogen.catalogue import build_system
from morphogen.conditioning.caption import CAPTION, caption_bytes, caption_texts
from morphogen.data import Dataset, Pictures, load_data
from morphogen.data.captioned import captioned
from morphogen.evaluation.features import SentenceFeatures
from morphogen.evaluation.intervals import proportion
from morphogen.evaluation.picture_text import recall_at, retrieval, zero_shot
from morphogen.inference.matching import Matcher
from morphogen.recipes.records import environment, model_record
from morphogen.representations.text import Bytes
from morphogen.run_directory import next_directory
from morphogen.training import train

SIZE = "small"
STEPS: Mapping[str, int] = {"clip": 1500, "align": 380}  # eight minutes at most on one core
WORN = 1500  # pictures of clothes in training
CAPTIONS = ("{}", "a {}", "clothes: {}", "a {} to wear")  # of clothes in training
PROMPTS = ("a picture of a {}", "a grey {} on white")
LABELLED = 2000  # test pictures of clothes


def emoji_retrieval(
    directory: Path | None = None, seed: int = 0, n: int = 200, steps: Mapping[str, int] = STEPS,
    size: str = SIZE,
) -> dict[str, Any]:  # fmt: skip
    """Retrieval of held-out emoji, and classes of clothes by prompts.

    Arguments:
        directory: its subdirectories keep the trainings, which are resumed; None: a new one in runs/.
        seed: of the initial weights and of training.
        n: number of held-out emoji.
        steps: of each system; CLIP is trained on clothes for as many.
        size: of the systems.
    """
    root = next_directory(Path("runs"), "emoji-retrieval") if directory is None else directory
    emoji, clothes = load_data("emoji-captions"), load_data("fashion-mnist")
    both = with_clothes(emoji, clothes)
    trained = {
        "clip": ("clip", emoji),
        "align": ("align", emoji),
        "clip with clothes": ("clip", both),
    }
    figures: dict[str, Any] = {"nearest name": NearestName(emoji).retrieval(emoji.test, n)}
    records, costs = {}, {}
    for name, (system, data) in trained.items():
        torch.manual_seed(seed)  # of the initial weights
        model = build_system(system, data, size=size)
        folder = root / name.replace(" ", "-")
        run = train(model, data.train, steps=steps[system], seed=seed, directory=folder)
        costs[name] = {"steps": run.steps, "seconds": round(run.seconds)}
        matcher = Matcher(model.eval())
        figures[name] = {
            "retrieval": _retrieved(matcher, data.test, n),
            "validation": _retrieved(matcher, data.valid, n),
            "clothes": _classified(matcher, clothes),
        }
        records[name] = model_record(system, size, data, model)
    settings = {"data": emoji.name, "split": emoji.split, "n": n, "seed": seed, "costs": costs}
    chance = {f"R@{k}": k / min(n, len(emoji.test)) for k in (1, 5)} | {"clothes": 1 / len(clothes.classes)}
    return {"figures": figures, "models": records} | settings | {"chance": chance} | environment()


class NearestName:
    """Finds pictures by names, and names by pictures, through the nearest ones of the training part.

    Arguments:
        data: captioned pictures.

    Errors: DataError without the weights of MiniLM.
    """

    def __init__(self, data: Dataset):
        self.embed = SentenceFeatures(Bytes(1))
        train: Any = data.train
        self.pictures = train.pictures.first().medium.flatten(1)
        self.names = self.embed(caption_bytes(train.captions))

    def retrieval(self, part: Any, n: int) -> dict[str, Any]:
        """R@1 and R@5 of the first n rows of a part, as `evaluation.picture_text.retrieval` has them."""
        rows = part.first(n)
        texts = caption_texts(rows.condition[CAPTION])
        names, pictures = self.embed(rows.condition[CAPTION]), rows.medium.flatten(1)
        as_named = self.pictures[(names @ self.names.T).argmax(1)]
        called = self.names[torch.cdist(pictures, self.pictures).argmin(1)]
        found = recall_at(called @ names.T, texts)
        return {
            "retrieval": {
                "texts": found["texts"],
                "pictures": recall_at(-torch.cdist(pictures, as_named), texts)["pictures"],
            }
        }


def with_clothes(emoji: Dataset, clothes: Dataset, rows: int = WORN) -> Dataset:
    """The emoji, with clothes in the train part, whose captions are made from their labels.

    Arguments:
        emoji: captioned pictures of three channels and 32 pixels a side.
        clothes: pictures of 28 pixels with labels.
        rows: pictures of clothes.
    """
    worn: Any = clothes.train
    texts = [[text.format(name.lower()) for text in CAPTIONS] for name in clothes.classes]
    captions = [texts[label] for label in worn.labels[:rows].tolist()]
    train, *others = (_unlabelled(part) for part in (emoji.train, emoji.valid, emoji.test))
    values = torch.cat([train.values, black_on_white(worn.values[:rows])])
    learned = Pictures(values, captions=[*train.captions, *map(tuple, captions)])
    name, (valid, test) = f"{emoji.name}+{clothes.name}", others
    joined = replace(emoji, name=name, conditions={}, train=learned, valid=valid, test=test)
    data: Dataset = captioned(joined).windows()
    return data


def black_on_white(values: UInt8[Tensor, "n 1 h w"], side: int = 32) -> UInt8[Tensor, "n 3 s s"]:
    """Grey pictures on black as pictures in colour on white, with a margin."""
    margin = side - values.shape[-1]
    before, after = margin // 2, margin - margin // 2
    return F.pad(255 - values, (before, after, before, after), value=255).expand(-1, 3, -1, -1).contiguous()


def _unlabelled(part: Any) -> Pictures:
    """The pictures of a part, each with all its captions."""
    return Pictures(part.values, captions=[tuple(texts) for texts in part.texts])


def _retrieved(matcher: Matcher, part: Any, n: int) -> dict[str, Any]:
    """R@1 and R@5 of the first n rows of a part."""
    rows = part.first(n)
    found = retrieval(matcher, rows.medium, rows.condition[CAPTION])
    return {name: found[name] for name in ("texts", "pictures")}


def _classified(matcher: Matcher, clothes: Dataset, prompts: Sequence[str] = PROMPTS) -> Any:
    """The share of test pictures of clothes that prompts classify rightly."""
    test: Any = clothes.test
    pictures: Float[Tensor, "n c h w"] = Pictures(black_on_white(test.values[:LABELLED])).first().medium
    names = [name.lower() for name in clothes.classes]
    found = zero_shot(matcher, pictures, names, prompts).argmax(1)
    return proportion(found.cpu() == test.labels[:LABELLED])
