"""Ownership of parameters between nested models: a model trains what it owns, not the models inside it."""

__all__ = [
    "Boundary", "StartsTrained", "compares", "coupled_parts",
    "has_latents", "own_modules", "owned", "start_trained",
    "takes_captions", "takes_prompts",
]  # fmt: skip

from collections.abc import Iterator
from typing import Any, Protocol, Self, runtime_checkable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from morphogen.other_words import EXAMPLES, other_word
from morphogen.wrong_calls import WrongCall


class Boundary(nn.Module):
    """A module that owns its parameters: training an enclosing model never updates a nested Boundary.

    First stages and teachers are Boundaries.
    """

    def __getattr__(self, name: str) -> Any:
        """A parameter or submodule. Errors: UnknownAttribute for the method of another library."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            for kind, is_one in {**KINDS, "model": lambda model: True}.items():
                if (error := other_word(kind, name)) is not None and is_one(self):
                    raise error from None
            raise

    def train(self, mode: bool = True, *others: Any, **options: Any) -> Self:
        """Set training mode, as torch has it. Errors: WrongCall for data to train on."""
        if others or options or not isinstance(mode, bool):
            raise WrongCall(f"model.train() only sets the mode; write {EXAMPLES['train']}")
        return super().train(mode)


@runtime_checkable
class StartsTrained(Protocol):
    """A part that starts with weights of a model inside it, which may have been an earlier stage."""

    def copy_trained(self) -> None:
        """Copy the weights of the model."""


def has_latents(model: nn.Module) -> bool:
    """Whether a model, or a stage of it, has real-valued latents, that can be encoded and decoded."""
    objectives = [part._modules.get("objective") for part in model.modules() if isinstance(part, Boundary)]
    sizes = [getattr(objective, "latent_vocabulary", 0) for objective in objectives]
    return any(size is None or (isinstance(size, dict) and set(size.values()) == {None}) for size in sizes)


def takes_prompts(model: nn.Module) -> bool:
    """Whether a model continues the prompt that it is given."""
    return "prompt" in getattr(model._modules.get("conditioner"), "names", ())


def takes_captions(model: nn.Module) -> bool:
    """Whether a model, or a stage of it, draws what captions say."""
    boundaries = [part for part in model.modules() if isinstance(part, Boundary)]
    conditioners = [part._modules.get("conditioner") for part in boundaries if not compares(part)]
    return any("caption" in getattr(one, "names", ()) for one in conditioners)


def compares(model: nn.Module) -> bool:
    """Whether a model compares examples with conditions, as CLIP does."""
    return hasattr(model._modules.get("objective"), "embed_condition")


KINDS = {  # of models, for the words of other libraries that they have
    "language model": takes_prompts,
    "contrastive model": compares,
    "model of captions": takes_captions,
    "autoencoder": has_latents,
}


def own_modules(module: nn.Module) -> Iterator[nn.Module]:
    """Iterate over `module` and its submodules once each, without nested Boundaries."""
    seen: set[nn.Module] = set()

    def walk(node: nn.Module) -> Iterator[nn.Module]:
        if node not in seen:
            seen.add(node)
            yield node
            for child in node.children():
                if not isinstance(child, Boundary):
                    yield from walk(child)

    return walk(module)


def owned(module: nn.Module) -> Iterator[nn.Parameter]:
    """Iterate over the parameters of `module` once each, except those inside a nested Boundary."""
    parameters = {p: None for part in own_modules(module) for p in part._parameters.values() if p is not None}
    return iter(parameters)


def start_trained(module: nn.Module) -> None:
    """Let the parts that start with weights of a model inside them copy these, before their own training."""
    for part in own_modules(module):
        if isinstance(part, StartsTrained):
            part.copy_trained()


def coupled_parts(module: nn.Module) -> list[nn.Module]:
    """The parts whose output for a row depends on the other rows of the batch, in training.

    These are the parts that declare `coupled_rows = True`, and batch normalization. A model without any can
    be trained in micro-batches and in shards.
    """
    parts = own_modules(module)
    return [part for part in parts if getattr(part, "coupled_rows", isinstance(part, _BatchNorm))]
