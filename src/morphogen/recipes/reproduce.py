"""Repeat a recipe and compare its figures with the stored ones.

A time budget gives a different number of steps on another machine, so the figures differ slightly. Two
figures agree if their 95 % intervals overlap. They are not compared if they were measured otherwise.
"""

__all__ = ["RECIPES", "Finding", "Interval", "Recipe", "findings", "recipe", "run"]

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from morphogen.catalogue import look_up
from morphogen.evaluation.provenance import incomparable
from morphogen.recipes.binary_digits import binarised
from morphogen.recipes.binary_vaes import binary_vaes
from morphogen.recipes.comparison import comparison
from morphogen.recipes.conditional import GUIDED, conditional
from morphogen.recipes.distillation import distilled
from morphogen.recipes.emoji_by_name import emoji_by_name
from morphogen.recipes.emoji_retrieval import emoji_retrieval
from morphogen.recipes.flow_densities import flow_densities
from morphogen.recipes.gan_rings import gan_rings
from morphogen.recipes.hmm_text import hmm_text
from morphogen.recipes.language import language
from morphogen.recipes.latent_attributes import latent_attributes
from morphogen.recipes.personalisation import personalisation
from morphogen.recipes.picture_flows import picture_flows
from morphogen.recipes.records import stamped
from morphogen.recipes.sampler_sweep import sampler_sweep
from morphogen.recipes.sketches import sketched
from morphogen.recipes.smollm2 import smollm2
from morphogen.recipes.table_densities import table_densities
from morphogen.recipes.text_encoders import text_encoders
from morphogen.recipes.text_to_picture import text_to_picture
from morphogen.recipes.translation import translation
from morphogen.recipes.unconditional import unconditional
from morphogen.recipes.unpaired import unpaired
from morphogen.recipes.wavenet_voice import wavenet_voice


@dataclass(frozen=True)
class Recipe:
    """A recipe: a description, its minutes on two cores, and the function that measures it.

    `measure(directory=PATH)` measures the models that an earlier training saved there; without `directory`,
    it trains.
    """

    description: str
    minutes: int
    measure: Callable[..., dict[str, Any]]


FAMILIES = "mixture", "gated_pixelcnn", "vae", "realnvp", "wgan_gp", "ddpm"
PIXEL_MODELS = "pixelcnn", "gated_pixelcnn", "pixelcnn_pp"
AUTOENCODERS = "vae", "hierarchical_vae", "vqvae", "autoencoder_kl_ddpm"
GANS = "mixture", "dcgan", "lsgan", "wgan_gp", "sngan", "stylegan2"
LANGUAGE_MODELS = "ngram", "rnn_lm", "gpt", "llama"
DIFFUSIONS = "diffusion_2015", "improved_ddpm", "ncsn", "score_sde", "edm", "flow_matching", "dit"
TOKENIZERS = "bytes", "bpe:1000", "unigram:1000"
RECIPES: Mapping[str, Recipe] = {
    "digits": Recipe(
        "one model per family on 8 x 8 digits, 30 s each", 7, partial(comparison, "digits", 30.0)
    ),
    "digits-ddpm": Recipe(
        "DDPM on 8 x 8 digits, with classifier-free guidance",
        6,
        partial(conditional, "digits", "ddpm", 280.0, GUIDED),
    ),
    "mnist-5k": Recipe(
        "one model per family on 5,000 MNIST digits, 6 min each",
        35,
        partial(comparison, "mnist-5k", 360.0, FAMILIES, 500),
    ),
    "mnist-5k-ddpm": Recipe(
        "DDPM on 5,000 MNIST digits, with classifier-free guidance",
        9,
        partial(conditional, "mnist-5k", "ddpm", 360.0, GUIDED),
    ),
    "asterisk-wavenet": Recipe(
        "WaveNet as a vocoder of one voice, compared with Griffin-Lim on the same mel frames",
        20,
        wavenet_voice,
    ),
    "fashion-mnist": Recipe(
        "one model per family on Fashion-MNIST, 2 min each",
        20,
        partial(comparison, "fashion-mnist", 120.0, FAMILIES, 300),
    ),
    "fashion-pixels": Recipe(
        "three PixelCNNs on Fashion-MNIST, 4 min each",
        20,
        partial(comparison, "fashion-mnist", 240.0, PIXEL_MODELS, 500),
    ),
    "fashion-diffusion": Recipe(
        "v-prediction diffusion of Fashion-MNIST, 20 min: samplers by number of calls, guidance, likelihood",
        35,
        sampler_sweep,
    ),
    "fashion-distilled": Recipe(
        "that diffusion distilled to 8, 4, 2 and 1 steps, 10 min; its own training, 20 min", 35, distilled
    ),
    "fashion-sketches": Recipe("Fashion-MNIST images from sketches, 4 min", 7, sketched),
    "fashion-controlnet": Recipe(
        "Fashion-MNIST images from sketches by ControlNet, 800 steps of the base and 800 of the control",
        12,
        partial(sketched, system="controlnet", steps=1600),
    ),
    "personalisation": Recipe(
        "an object learned from ten pictures by LoRA, with and without prior preservation, beside the base "
        "of text-to-picture",
        5,
        personalisation,
    ),
    "emoji-pix2pix": Recipe(
        "emoji from sketches with pix2pix, 5 min", 7, partial(sketched, "emoji", 300.0, system="pix2pix")
    ),
    "mnist-5k-cyclegan": Recipe(
        "digits from their outlines and outlines from digits, learned without pairs, 5 min", 8, unpaired
    ),
    "fashion-diffusions": Recipe(
        "seven kinds of diffusion model on Fashion-MNIST, 4 min each",
        40,
        partial(comparison, "fashion-mnist", 240.0, DIFFUSIONS, 500),
    ),
    "emoji": Recipe(
        "unconditional diffusion of colour emoji, 6 min",
        9,
        partial(unconditional, "emoji", "v_diffusion", 360.0),
    ),
    "emoji-dcgan": Recipe(
        "a DCGAN of colour emoji, 5 min", 7, partial(unconditional, "emoji", "dcgan", 300.0)
    ),
    "emoji-by-name": Recipe(
        "emoji drawn from their names by latent diffusion, scored by a CLIP of its own", 70, emoji_by_name
    ),
    "emoji-retrieval": Recipe(
        "CLIP and ALIGN on captioned emoji: retrieval of held-out ones, classes of clothes by prompts",
        25,
        emoji_retrieval,
    ),
    "fashion-autoencoders": Recipe(
        "VAEs, and models of codes and latents, on Fashion-MNIST, 8 min each",
        40,
        partial(comparison, "fashion-mnist", 480.0, AUTOENCODERS, 500),
    ),
    "fashion-flows": Recipe(
        "Glow and RealNVP on Fashion-MNIST without labels, 12 min each, beside PNG", 30, picture_flows
    ),
    "fashion-gans": Recipe(
        "five GANs and a mixture of Gaussians on Fashion-MNIST, 5 min each",
        35,
        partial(comparison, "fashion-mnist", 300.0, GANS, 500),
    ),
    "mnist-5k-conditional-gan": Recipe(
        "a conditional GAN of digits, 4 min: are its samples read as asked?",
        5,
        partial(conditional, "mnist-5k", "conditional_gan", 240.0, n=1000),
    ),
    "mnist-10k-attributes": Recipe(
        "attribute arithmetic in the latent space of a conditional VAE of digits, 4 min", 6, latent_attributes
    ),
    "mnist-10k-binarised": Recipe(
        "PixelCNN and PixelRNN on binarised digits, 5 epochs each",
        12,
        partial(binarised, "mnist-10k", 5, ("pixelcnn", "pixelrnn")),
    ),
    "mnist-10k-vaes": Recipe(
        "IWAEs with k = 1, 5, 50 and a hierarchical VAE on binarised digits, 30 epochs each",
        20,
        partial(binary_vaes, "mnist-10k", 30),
    ),
    "gaussian-rings": Recipe(
        "three GANs on a ring of 8 and a grid of 25 Gaussians, five seeds each", 10, gan_rings
    ),
    "flow-densities": Recipe(
        "neural spline flow, MAF, RealNVP and FFJORD on densities of the plane, 1 to 3 min each",
        25,
        flow_densities,
    ),
    "hmm-text": Recipe(
        "a hidden Markov model, an LSTM and a GPT on text of known entropy rate, 3 min each",
        10,
        hmm_text,
    ),
    "table-densities": Recipe(
        "nine models of five tables, at most 40 s each: bits per cell and usefulness of their rows",
        35,
        table_densities,
    ),
    "text-encoders": Recipe(
        "what reads captions of `shapes`: a frozen language model, a trained transformer, a bag of words",
        30,
        text_encoders,
    ),
    "text-to-picture": Recipe(
        "pictures from captions of `shapes`: how much of what is asked for each system draws, 12 min each",
        70,
        text_to_picture,
    ),
    "smollm2": Recipe(
        "SmolLM2 from its GGUF file: parity with transformers, low precision, constrained decoding, k-shot",
        20,
        smollm2,
    ),
    "shakespeare": Recipe(
        "four language models on Shakespeare, 4 min each",
        16,
        partial(language, "shakespeare", 240.0, LANGUAGE_MODELS, ("characters",)),
    ),
    "shakespeare-d3pm": Recipe(
        "discrete diffusion of characters on Shakespeare, 4 min",
        6,
        partial(language, "shakespeare", 240.0, ("d3pm_text",), ("characters",), rows=512),
    ),
    "bible-tokens": Recipe(
        "GPT on bytes, BPE and unigram tokens, 4 min each",
        16,
        partial(language, "kjv+shakespeare", 240.0, ("gpt",), TOKENIZERS),
    ),
    "code": Recipe(
        "n-grams and GPT on Python's standard library, 6 min each",
        9,
        partial(language, "stdlib", 360.0, ("ngram", "gpt"), ("bpe:1000",)),
    ),
    "translation": Recipe(
        "English-Spanish translation of Bible verses, with a word-for-word baseline", 12, translation
    ),
}


class Interval(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Finding:
    """One figure, as measured now and as stored (None if it was not), and why they are not comparable."""

    name: str
    measured: Interval
    stored: Interval | None
    reason: str | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether the two intervals overlap; None without a stored one, or one that is not comparable."""
        if self.stored is None or self.reason is not None:
            return None
        return self.measured.low <= self.stored.high and self.stored.low <= self.measured.high


def recipe(name: str) -> Recipe:
    """The recipe of a name. Errors: UnknownName with the nearest names."""
    return look_up(RECIPES, name, "recipe", "morphogen reproduce")


def run(name: str, directory: Path | None = None) -> dict[str, Any]:
    """Measure a recipe, from the start or from the models that an earlier training saved in `directory`."""
    return stamped({"recipe": name} | recipe(name).measure(directory=directory))


def findings(measured: Mapping[str, Any], stored: Mapping[str, Any] | None) -> list[Finding]:
    """Every figure of a record that has an interval, with the stored record's; see `incomparable`."""
    known = {} if stored is None else dict(_figures(stamped(stored)["figures"]))
    return [
        Finding(
            " ".join(path),
            _interval(figure),
            _interval(known[path]) if path in known else None,
            incomparable(known[path], figure) if path in known else None,
        )
        for path, figure in _figures(stamped(measured)["figures"])
    ]


def _interval(figure: Mapping[str, Any]) -> Interval:
    return Interval(figure.get("value", figure.get("bits_per_dim")), figure["low"], figure["high"])


def _figures(
    figures: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every figure with an interval, at any depth, with its path of keys."""
    for name, node in figures.items():
        if not isinstance(node, Mapping):
            continue
        if node.get("value", node.get("bits_per_dim")) is not None:
            yield (*path, name), node
        else:
            yield from _figures(node, (*path, name))
