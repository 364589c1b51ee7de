r"""Re-ranking: of several samples of each caption, the one that fits it best by a contrastive model.

    x_1 .. x_k ~ p(x | c),     x = the x_j with the largest match(x_j, c)

DALL-E draws k = 512 samples and re-ranks them by CLIP. It trades diversity and time for fidelity.

Reference: Zero-shot text-to-image generation (DALL-E), Ramesh, Pavlov, Goh, Gray, Voss, Radford, Chen &
Sutskever, 2021, section 2.6.
"""

__all__ = ["best_of"]

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from morphogen.component import ConfigError
from morphogen.conditioning.caption import CAPTION, caption_bytes
from morphogen.inference.matching import Matcher
from morphogen.numerics.trees import tree_map
from morphogen.samples import Samples
from morphogen.sampling_arguments import rows_of
from morphogen.wrong_calls import explains_calls


@explains_calls
def best_of(
    candidates: int, ranker: Any, model: Any, n: int | None = None, condition: Any = None,
    texts: str | Sequence[str] | None = None, indices: Any = None, **options: Any,
) -> Samples:  # fmt: skip
    """The best of several candidates for each of n samples; their indices are those of the chosen ones.

    Sample i is chosen from the samples of indices k i to k i + k - 1, so that it depends on the seed and on i
    only, and `model.sample(indices=samples.indices, ...)` draws the same again.

    Arguments:
        candidates: k, the number of samples drawn for each.
        ranker: a trained contrastive model, or a `Matcher`.
        model: that is sampled.
        n, condition: as in `Model.sample`.
        texts: what the samples are to show, one or one each; None: their captions.
        indices: which samples to draw, [n]; None: the first n.
        options: other arguments of `Model.sample`.

    Errors: ConfigError for fewer than one candidate, and without captions or texts; Unsupported for a ranker
    of another kind.
    """
    if candidates < 1:
        raise ConfigError(f"candidates={candidates}: give the number of samples to choose from, 1 or more")
    matcher = ranker if isinstance(ranker, Matcher) else Matcher(ranker)
    named = model.conditions(condition, n)
    n = rows_of(named, indices) if n is None else n
    if texts is None and CAPTION not in named:
        raise ConfigError("best_of ranks by captions: give condition={'caption': ...}, or texts=...")
    each = [texts] * n if isinstance(texts, str) else texts
    wanted = named[CAPTION] if each is None else caption_bytes(each)
    first = torch.arange(n) if indices is None else torch.as_tensor(indices)
    drawn = (candidates * first[:, None] + torch.arange(candidates)).flatten()
    repeated = tree_map(lambda leaf: leaf.repeat_interleave(candidates, 0), model.conditions(condition, n))
    samples = model.sample(len(drawn), repeated or None, indices=drawn, **options)
    wanted = wanted.expand(n, -1) if len(wanted) == 1 else wanted
    match = matcher.match(samples.tensor, wanted.repeat_interleave(candidates, 0)).view(n, candidates).cpu()
    chosen = samples[candidates * torch.arange(n) + match.argmax(1)]
    ranked = {"best_of": candidates, "match": match.amax(1).tolist()}
    return replace(chosen, settings=chosen.settings | ranked)
