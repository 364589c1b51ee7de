"""The prediction of a model: what its samplers call, and the one place where guidance changes it.

    diffusion         predict(x_t, t, context) -> Denoised (x_0, eps, variance fraction)
    D3PM              predict(x_t, t, context) -> logits of x_0
    autoregression    predict(x, context) -> next-token logits; `predict.make_cache` for cached decoding
    GAN, VAE          predict(z, context) -> the generator's or the decoder's output

A prediction is a callable (*inputs of B rows, context) -> outputs of B rows, whose rows are independent.
Guidance of every kind is a function from prediction to prediction, so several kinds compose in any order.
"""

__all__ = ["Steerable", "extrapolate", "prediction"]

from collections.abc import Callable
from functools import singledispatch
from typing import Any, Self

from torch import Tensor

from morphogen.numerics.tensors import expand_like


class Steerable:
    """An object whose samplers call its attribute `predict`; see the module."""

    @property
    def t_max(self) -> float | None:
        """Last time of the process, if the second input of `predict` is its time; None: no time."""
        return None

    def steered(self, wrap: Callable[[Any], Any]) -> Self:
        """Return a shallow copy that predicts by `wrap(predict)`.

        Arguments:
            wrap: a function from prediction to prediction.
        """
        twin = object.__new__(type(self))
        twin.__dict__ = self.__dict__ | {"predict": wrap(self.predict)}  # type: ignore[attr-defined]
        return twin


class prediction:
    """Decorator of a `predict` that is computed from an attribute, which `steered` can override.

    Arguments:
        function: returns the prediction of an object.
    """

    def __init__(self, function: Callable[[Any], Any]):
        self.function, self.__doc__ = function, function.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else self.function(instance)


@singledispatch
def extrapolate(outputs: Any, scale: float | Tensor) -> Any:
    """Return null + scale (conditional - null), of the outputs of 2B rows, the null ones first.

    Each type of output registers what of it is extrapolated (Ho & Salimans 2022).

    Arguments:
        outputs: of a prediction.
        scale: a number, or one per row [B].

    Errors: TypeError for an output that cannot be extrapolated.
    """
    raise TypeError(f"a {type(outputs).__name__} cannot be extrapolated: register it with `extrapolate`")


@extrapolate.register
def _(outputs: Tensor, scale: float | Tensor) -> Tensor:
    null, conditional = outputs.chunk(2)
    scale = expand_like(scale, null) if isinstance(scale, Tensor) else scale
    return null + scale * (conditional - null)
