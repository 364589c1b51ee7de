"""A recipe made again: what is measured now beside what is stored.

Time budgets buy other numbers of steps on other machines, so that figures differ in their digits. What is asked is whether their
95 % intervals meet.
"""

__all__ = ["RECIPES", "Finding", "Interval", "Recipe", "findings", "recipe", "run"]

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from morphogen.catalogue import look_up
from morphogen.recipes.binarised import binarised
from morphogen.recipes.comparison import comparison
from morphogen.recipes.distilled import distilled
from morphogen.recipes.guided_ddpm import guided_ddpm
from morphogen.recipes.language import language
from morphogen.recipes.sketched import sketched
from morphogen.recipes.smollm2 import smollm2
from morphogen.recipes.translation import translation
from morphogen.recipes.unconditional import unconditional
from morphogen.recipes.wavenet_voice import wavenet_voice
from morphogen.recipes.ways_down import ways_down


@dataclass(frozen=True)
class Recipe:
    """What is measured, in how many minutes on two cores, and by what function.

    `measure(directory=PATH)` measures what an earlier training has left there; without, it trains.
    """

    what: str
    minutes: int
    measure: Callable[..., dict[str, Any]]


SIX = "mixture", "gated_pixelcnn", "vae", "realnvp", "wgan_gp", "ddpm"
THREE = "pixelcnn", "gated_pixelcnn", "pixelcnn_pp"
FOUR = "ngram", "rnn_lm", "gpt", "llama"
KINDS = "diffusion_2015", "improved_ddpm", "ncsn", "score_sde", "edm", "flow_matching", "dit"
SYMBOLS = "bytes", "bpe:1000", "unigram:1000"
RECIPES: Mapping[str, Recipe] = {
    "digits": Recipe("one model per family on digits of 8 x 8, 30 s each", 7, partial(comparison, "digits", 30.0)),
    "digits-ddpm": Recipe("DDPM on digits of 8 x 8, steered by its label", 6, partial(guided_ddpm, "digits", 280.0)),
    "mnist-5k": Recipe("one model per family on 5,000 digits of MNIST, 6 min each", 35, partial(comparison, "mnist-5k", 360.0, SIX, 500)),
    "mnist-5k-ddpm": Recipe("DDPM on 5,000 digits of MNIST, steered by its label", 9, partial(guided_ddpm, "mnist-5k", 360.0)),
    "asterisk-wavenet": Recipe("WaveNet as a vocoder of one voice, beside Griffin-Lim from the same mels", 20, wavenet_voice),
    "fashion-mnist": Recipe("one model per family on clothes, 2 min each", 20, partial(comparison, "fashion-mnist", 120.0, SIX, 300)),
    "fashion-pixels": Recipe("three PixelCNNs on clothes, 4 min each", 20, partial(comparison, "fashion-mnist", 240.0, THREE, 500)),
    "fashion-diffusion": Recipe(
        "one diffusion of clothes, 20 min, by every sampler in few calls and many, steered and measured", 35, ways_down
    ),
    "fashion-distilled": Recipe("that diffusion's students of 8, 4, 2 and 1 steps, 10 min; its own training, 20", 35, distilled),
    "fashion-sketches": Recipe("clothes drawn from sketches, 4 min", 7, sketched),
    "fashion-diffusions": Recipe(
        "one diffusion of each kind on clothes, 4 min each", 40, partial(comparison, "fashion-mnist", 240.0, KINDS, 500)
    ),
    "emoji": Recipe("emoji in colour, asked for nothing", 9, partial(unconditional, "emoji", "v_diffusion", 360.0)),
    "mnist-10k-binarised": Recipe(
        "PixelCNN and PixelRNN on black and white digits, 5 epochs each", 12, partial(binarised, "mnist-10k", 5, ("pixelcnn", "pixelrnn"))
    ),
    "smollm2": Recipe("SmolLM2 from its GGUF file beside transformers, lighter, constrained, k-shot", 20, smollm2),
    "shakespeare": Recipe(
        "four language models on Shakespeare, 4 min each", 16, partial(language, "shakespeare", 240.0, FOUR, ("characters",))
    ),
    "shakespeare-d3pm": Recipe(
        "diffusion of characters on Shakespeare, 4 min",
        6,
        partial(language, "shakespeare", 240.0, ("d3pm_text",), ("characters",), rows=512),
    ),
    "bible-tokens": Recipe("GPT in bytes and in pieces, 4 min each", 16, partial(language, "kjv+shakespeare", 240.0, ("gpt",), SYMBOLS)),
    "code": Recipe("GPT on Python's own library", 9, partial(language, "stdlib", 360.0, ("ngram", "gpt"), ("bpe:1000",))),
    "translation": Recipe("English verses into Spanish ones, beside a dictionary", 12, translation),
}


class Interval(NamedTuple):
    """A figure and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Finding:
    """One figure: as measured now, and as stored (None: it was not)."""

    name: str
    measured: Interval
    stored: Interval | None

    @property
    def agrees(self) -> bool | None:
        """Whether the two intervals meet; None: there is nothing to compare with."""
        return None if self.stored is None else self.measured.low <= self.stored.high and self.stored.low <= self.measured.high


def recipe(name: str) -> Recipe:
    """A recipe by its name. Errors: UnknownName with the nearest names."""
    return look_up(RECIPES, name, "recipe", "morphogen reproduce")


def run(name: str, directory: Path | None = None) -> dict[str, Any]:
    """What a recipe finds, from the start or from what a training has left in `directory`."""
    return {"recipe": name} | recipe(name).measure(directory=directory)


def findings(measured: Mapping[str, Any], stored: Mapping[str, Any] | None) -> list[Finding]:
    """Every figure of a record that has an interval, beside the stored record's."""
    known = {} if stored is None else dict(_intervals(stored["figures"]))
    return [Finding(" ".join(path), interval, known.get(path)) for path, interval in _intervals(measured["figures"])]


def _intervals(figures: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Interval]]:
    """Every value with its interval, however deep it stands."""
    for name, node in figures.items():
        if not isinstance(node, Mapping):
            continue
        value = node.get("value", node.get("bits_per_dim"))
        if value is not None:
            yield (*path, name), Interval(value, node["low"], node["high"])
        else:
            yield from _intervals(node, (*path, name))
