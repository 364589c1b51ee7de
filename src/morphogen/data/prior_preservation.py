r"""DreamBooth's data: pictures of one object beside pictures of its class, which the model drew itself.

    L = E l(x, "a sks star") + lambda E l(x', "a star"),     x' ~ p(x' | "a star") before training

    prior = class_examples(model, "a star", 100)
    mg.train(LoRA(model, 4), PriorPreservation(pictures, prior))

The first term teaches the object, under a rare token; the second keeps what the model knows of the class and
of everything else. The rows of both are trained together, so that any model can be: one whose weights are all
trained (`warm_start=True`), or a `LoRA` of it.

DreamBooth: Fine tuning text-to-image diffusion models for subject-driven generation, Ruiz, Li, Jampani,
Pritch, Rubinstein & Aberman, 2023 (first in 2022), equation 2.
"""

__all__ = ["PriorPreservation", "class_examples"]

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Batch, Sampler
from morphogen.data.dataset import Examples
from morphogen.numerics.trees import cat_padded


class PriorPreservation(Examples):
    """Examples of an object and of its class in turn, whose losses add up to Ruiz et al.'s equation 2.

    Row 2 i is an example of the object, row 2 i + 1 one of its class; of the kind with fewer examples each
    occurs several times. A row's loss has the weight 2 or, of the class, 2 lambda, so that the mean over a
    batch estimates L.

    Arguments:
        instances: examples of the object, with the condition that is to mean it; or one batch of them.
        prior: examples of its class, with theirs, such as `class_examples`.
        weight: lambda; 0: the object alone.

    Errors: ConfigError without examples of the class, for other conditions, and for a negative weight.
    """

    def __init__(self, instances: Examples | Batch, prior: Examples | Batch, weight: float = 1.0):
        if weight < 0:
            raise ConfigError(f"PriorPreservation: weight is {weight:g}: give lambda, 0 or more, such as 1")
        for name, part in (("instances", instances), ("prior", prior)):
            if not len(part):
                how = "draw them: class_examples(model, caption, 100)" if name == "prior" else "give some"
                raise ConfigError(f"PriorPreservation: {name} has no examples: {how}")
        self.instances, self.prior, self.weight = instances, prior, weight
        first = [set(part[torch.arange(1)].condition) for part in (instances, prior)]
        if first[0] != first[1]:
            object_has, class_has = (", ".join(sorted(names)) or "none" for names in first)
            raise ConfigError(
                f"PriorPreservation: the object has the conditions {object_has}, its class {class_has}: give "
                "both the same ones"
            )
        if isinstance(instances, Examples):
            self.belong_to(instances)

    def __len__(self) -> int:
        return 2 * max(len(self.instances), len(self.prior))

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        kinds = (self.instances, 2.0), (self.prior, 2 * self.weight)
        rows = [indices[indices % 2 == kind] // 2 for kind in range(2)]
        parts = [part[own % len(part)] for (part, _), own in zip(kinds, rows, strict=True)]
        back = torch.cat([(indices % 2 == kind).nonzero()[:, 0] for kind in range(2)]).argsort()
        trees = ([getattr(part, name) for part in parts] for name in ("medium", "condition"))
        medium, condition = map(cat_padded, trees)
        weights = [torch.full((len(own),), weight) for (_, weight), own in zip(kinds, rows, strict=True)]
        return Batch(medium, condition, torch.cat(weights))[back]

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield from super().contents()
        yield torch.tensor(self.weight)


def class_examples(
    model: Any, condition: Any, n: int = 100, sampler: Sampler | None = None, seed: int = 0
) -> Batch:
    """Samples of a model as examples of a class, drawn before it is trained any further (Ruiz et al. 2023).

    Arguments:
        model: as it is before the training.
        condition: of the class, as `sample` takes it: "a star".
        n: number of examples; 100 to 200 in the paper.
        sampler: None: the model's own.
        seed: of the samples.

    Errors: ConfigError for fewer than one example.
    """
    if n < 1:
        raise ConfigError(f"class_examples: n is {n}: give the number of pictures of the class, such as 100")
    samples = model.sample(n, condition, sampler, seed=seed)
    return Batch(samples.tensor, samples.condition)
