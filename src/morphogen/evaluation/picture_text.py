r"""What a contrastive model of pictures and texts is measured by, and what it measures.

    zero-shot      p(k | x) = softmax_k(s <f(x), g_k>),    g_k: normalized mean over prompts of class k
    retrieval      R@k: the share of queries whose own text (picture) is among the k nearest of N
    caption score  2.5 max(cos, 0) of each sample with its caption, beside that with another row's caption

References: Learning transferable visual models from natural language supervision (CLIP), Radford et al., 2021
(section 3.1.4: ensembles of prompts); CLIPScore, Hessel, Holtzman, Forbes, Le Bras & Choi, 2021.
"""

__all__ = ["caption_score", "recall_at", "retrieval", "zero_shot"]

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.conditioning.caption import CAPTION, caption_texts
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, fraction, mean
from morphogen.inference.matching import Matcher
from morphogen.numerics.randomness import Rng

WEIGHT = 2.5  # of the caption score (Hessel et al. 2021, equation 1)


class CaptionScore(TypedDict):
    """Caption scores of samples with their captions, with those of other rows, and the difference."""

    asked: Interval
    shuffled: Interval
    difference: Interval


@reads_arguments
def zero_shot(
    matcher: Matcher,
    pictures: Float[Tensor, "n ..."],
    classes: Sequence[str],
    templates: Sequence[str] = ("{}",),
) -> Float[Tensor, "n k"]:
    """Class probabilities of pictures by prompts, without having been trained on the classes.

    Arguments:
        matcher: of a trained contrastive model.
        pictures: [N, C, H, W] in [-1, 1], or `Samples`.
        classes: their names.
        templates: prompts in which {} is the name of a class; several are averaged.

    Errors: ConfigError for fewer than two classes, or a template without {}.
    """
    if len(classes) < 2:
        raise ConfigError(f"classes {list(classes)}: give the names of two or more")
    if wrong := [text for text in templates if "{}" not in text]:
        raise ConfigError(
            f"template {wrong[0]!r}: write {{}} for the name of a class, as in 'a picture of a {{}}'"
        )
    prompts = [template.replace("{}", name) for template in templates for name in classes]
    each = matcher.captions(prompts).view(len(templates), len(classes), -1)
    prototypes = F.normalize(each.mean(0), dim=1)
    return (matcher.scale * matcher.pictures(pictures) @ prototypes.T).softmax(1)


@reads_arguments
def retrieval(
    matcher: Matcher,
    pictures: Float[Tensor, "n ..."],
    texts: Sequence[str] | Int[Tensor, "m l"],
    at: Sequence[int] = (1, 5),
) -> Mapping[str, Mapping[str, Any]]:
    """R@k of texts by pictures and of pictures by texts, with intervals and the chance of random answers.

    Pictures with the same text are all right answers. Of equal matches, the wrong ones come first.

    Arguments:
        matcher: of a trained contrastive model.
        pictures: [N, C, H, W] in [-1, 1], the candidates, or `Samples`.
        texts: of each picture.
        at: the values of k.

    Returns {"texts": {"R@1": interval, ...}, "pictures": {...}, "chance": {"R@1": share, ...}}.

    Errors: ConfigError for another number of texts.
    """
    similarity = matcher.similarity(pictures, texts)  # which checks both
    return recall_at(similarity, caption_texts(texts) if isinstance(texts, Tensor) else list(texts), at)


def recall_at(
    similarity: Float[Tensor, "n m"], names: Sequence[str], at: Sequence[int] = (1, 5)
) -> Mapping[str, Mapping[str, Any]]:
    """R@k from the similarity of each picture and each text, whoever measured it; see `retrieval`.

    Arguments:
        similarity: of picture i and text j.
        names: the text of each picture.
        at: the values of k.

    Errors: ConfigError for another number of texts.
    """
    if len(similarity) != len(names):
        raise ConfigError(f"{len(names)} texts for {len(similarity)} pictures: give one for each")
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    kinds = torch.tensor([number[name] for name in names], device=similarity.device)
    right = kinds[:, None] == kinds
    found = {"texts": _hits(similarity, right, at), "pictures": _hits(similarity.T, right, at)}
    chance = {f"R@{k}": _chance(right, k) for k in at}
    return {**found, "chance": chance}


@reads_arguments
def caption_score(
    matcher: Matcher, samples: Any, texts: Sequence[str] | Int[Tensor, "m l"] | None = None, seed: int = 0
) -> CaptionScore:
    """How well samples fit their captions, beside the captions of other samples (Hessel et al. 2021).

    Arguments:
        matcher: of a trained contrastive model, preferably none that the samples were guided or ranked by.
        samples: pictures [N, C, H, W] in [-1, 1], or `Samples`.
        texts: what was asked for; None: the captions of the samples.
        seed: of the shuffled captions; each sample has the caption of another one.

    Errors: ConfigError for fewer than two samples, or without captions.
    """
    asked = getattr(samples, "condition", {}).get(CAPTION) if texts is None else texts
    if asked is None:
        raise ConfigError("caption_score: the samples have no captions: give texts")
    pictures, captions = matcher.pictures(samples), matcher.captions(asked)
    if not 2 <= len(pictures) == len(captions):
        raise ConfigError(
            f"{len(captions)} captions for {len(pictures)} samples: give 2 or more, one for each"
        )
    order = Rng(seed, len(captions), ("shuffled",)).uniform(1)[:, 0].argsort().to(captions.device)
    others = captions.new_empty(captions.shape)
    others[order] = captions[order.roll(1)]
    scores = [WEIGHT * (pictures * each).sum(1).clamp_min(0) for each in (captions, others)]
    return {"asked": mean(scores[0]), "shuffled": mean(scores[1]), "difference": mean(scores[0] - scores[1])}


def _hits(
    similarity: Float[Tensor, "n n"], right: Bool[Tensor, "n n"], at: Sequence[int]
) -> dict[str, Interval]:
    """The share of rows with fewer than k wrong answers that are at least as near as the best right one."""
    best = similarity.masked_fill(~right, -math.inf).amax(1, keepdim=True)
    wrong = ((similarity >= best) & ~right).sum(1)
    return {f"R@{k}": fraction((wrong < k).double()) for k in at}


def _chance(right: Bool[Tensor, "n n"], k: int) -> float:
    """The probability that a right answer is among k of n drawn at random, mean over rows."""
    n = len(right)
    missed = [math.comb(n - m, min(k, n)) / math.comb(n, min(k, n)) for m in right.sum(1).tolist()]
    return 1 - sum(missed) / n
