"""Check the medium as a person gives it: arrays of the right type, shape and range, or why not in one line.

    x of int64 from 0 to 16, where pictures are floats from -1 to 1     write x * (2 / 16) - 1
    x of [N, 32, 32, 3], where the model takes [N, 3, 32, 32]           write x.permute(0, 3, 1, 2)

`Representation.check` calls these where a person calls the library (`log_prob`, `edit`, the first batch of a
training), not in its inner loops.
"""

__all__ = [
    "FEW",
    "FULL_SCALES",
    "TOLERANCE",
    "as_tensor",
    "check_finite",
    "check_medium",
    "check_range",
    "check_shape",
    "feature_sets",
    "features_of",
    "medium_of",
    "rows_like",
    "tensor_of",
]

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.numerics.arrays import tensor_of_array
from morphogen.numerics.decimals import double_of

TOLERANCE = 1e-3  # by which a value may exceed its range, as decoders and 16-bit floats do
FEW = 32  # below which whole numbers of pictures are few levels; from here on they are dark bytes
FULL_SCALES = (255, 65535)  # of 8 and 16 bits


def check_medium(given: Any, what: str, takes_condition: bool = True) -> None:
    """Errors: ConfigError for a data set, rows, a batch or samples, with the expression for their medium.

    Arguments:
        given: what should be numbers.
        what: they are, for errors.
        takes_condition: whether the caller also takes their condition.
    """
    if parts := getattr(type(given), "medium_at", ()):
        where = ", ".join(part for part in parts if takes_condition or not part.startswith("with "))
        raise ConfigError(f"{what} are of type {type(given).__name__}: give {where}")


def medium_of(given: Any) -> Any:
    """The medium of `Samples`; anything else as it is."""
    return given.tensor if hasattr(type(given), "to_displayable") else given


def tensor_of(given: Any, what: str, dtype: torch.dtype | None = None) -> Shaped[Tensor, "..."]:
    """A tensor, an array or nested lists of numbers as a tensor.

    Arguments:
        given: the numbers.
        what: they are, for errors.
        dtype: of floats; None: torch's default. float64 has narrower floats by their shortest decimals.

    Errors: ConfigError for anything else.
    """
    values = as_tensor(given, what)
    if not values.is_floating_point():
        return values
    return double_of(values) if dtype == torch.float64 else values.to(dtype or torch.get_default_dtype())


def as_tensor(given: Any, what: str, like: Shaped[Tensor, "..."] | None = None) -> Shaped[Tensor, "..."]:
    """A tensor, an array or nested lists of numbers as a tensor; floats of the type of those of `like`.

    Errors: ConfigError for anything else.
    """
    check_medium(given, what)
    try:
        if isinstance(given, str | Mapping):
            raise TypeError
        values = given if isinstance(given, Tensor) else tensor_of_array(given)
    except (TypeError, ValueError, RuntimeError):
        kind = type(given).__name__
        raise ConfigError(f"{what} are a {kind}: give a tensor or an array of numbers") from None
    if values.is_complex() or not values.ndim or not len(values):
        found = f"{_type(values)} {list(values.shape)}"
        raise ConfigError(f"{what} are {found}: give one or more rows of numbers")
    if values.dtype in (torch.uint16, torch.uint32, torch.uint64):  # in which torch does not compute
        values = values.long()
    both_real = like is not None and like.is_floating_point() and values.is_floating_point()
    return values.to(like) if both_real else values


def features_of(given: Any, what: str) -> Shaped[Tensor, "n d"]:
    """Features [N, D] as a tensor, for the metrics. Errors: ConfigError for other shapes."""
    values = as_tensor(given, what)
    if values.ndim != 2:
        shape = list(values.shape)
        raise ConfigError(
            f"{what} have shape {shape}: give features [N, D], as mg.metrics.features_for(data)(x)"
        )
    return values


def rows_like(
    given: Any, what: str, like: Shaped[Tensor, "..."], representation: Any = None
) -> Shaped[Tensor, "n ..."]:
    """Rows of the same medium as others, for the metrics.

    Arguments:
        given: the rows.
        what: they are, for errors.
        like: rows of the data.
        representation: of the data, which checks shape and range; None: not known.

    Errors: ConfigError for other shapes, types and ranges.
    """
    values = as_tensor(representation.check(given) if representation else given, what, like)
    if values.is_floating_point() != like.is_floating_point():
        found, wanted = _type(values), "floats" if like.is_floating_point() else "whole numbers"
        raise ConfigError(f"{what} are {found}, the data {wanted}: give the medium, such as samples.tensor")
    is_fixed = like.is_floating_point() or values.ndim != like.ndim  # texts may have another length
    if is_fixed and values.shape[1:] != like.shape[1:]:
        shapes = f"{list(values.shape)}, the data have [N, {', '.join(map(str, like.shape[1:]))}]"
        raise ConfigError(f"{what} have shape {shapes}: {_reshaped(values.shape, like.shape[1:], given)}")
    return values


def feature_sets(real: Any, fake: Any) -> tuple[Shaped[Tensor, "n d"], Shaped[Tensor, "m d"]]:
    """Real features [N, D] and those of samples [M, D] as floats.

    Errors: ConfigError for another D, ValueError for what is not finite.
    """
    x, y = features_of(real, "real features"), features_of(fake, "features of samples")
    if x.shape[1] != y.shape[1]:
        shapes = f"{list(x.shape)}, those of samples {list(y.shape)}"
        raise ConfigError(f"real features have shape {shapes}: give both in the same feature space")
    if not (_is_finite(x) and _is_finite(y)):
        raise ValueError("features are not finite: the samples contain NaN or infinity")
    return (x if x.is_floating_point() else x.double()), (y if y.is_floating_point() else y.double())


def check_shape(
    values: Shaped[Tensor, "..."], shape: Sequence[int | None], what: str, given: Any = None
) -> None:
    """Check the shape of a row. Errors: ConfigError with the axes to move, if that helps.

    Arguments:
        values: the rows.
        shape: of a row; None: any size.
        what: they are, for errors.
        given: what the values were made of, in whose library the remedy is; None: the values.
    """
    found = list(values.shape[1:])
    if len(found) == len(shape) and all(b in (a, None) for a, b in zip(found, shape, strict=True)):
        return
    wanted = ", ".join(["N", *("T" if size is None else str(size) for size in shape)])
    remedy = _reshaped(values.shape, shape, values if given is None else given)
    raise ConfigError(f"{what} have shape {list(values.shape)}, the model takes [{wanted}]: {remedy}")


def check_finite(values: Shaped[Tensor, "..."], what: str) -> None:
    """Errors: ConfigError for NaN and infinity, with the first such row."""
    if not _is_finite(values):
        row = int((~values.isfinite()).flatten(1).any(1).nonzero()[0])
        raise ConfigError(f"{what} are not finite in row {row}: fill in or remove what is missing")


def check_range(values: Shaped[Tensor, "..."], what: str, full_scale: int) -> None:
    """Check floats in [-1, 1]. Errors: ConfigError with the expression that converts other numbers.

    Arguments:
        values: finite numbers.
        what: they are, for the message.
        full_scale: the largest value of the medium as integers from 0.
    """
    low, high = values.min().item(), values.max().item()
    if values.is_floating_point() and low >= -1 - TOLERANCE and high <= 1 + TOLERANCE:
        return
    top = next((top for top in (full_scale, *FULL_SCALES) if high <= top), None)
    remedy = f"write x * (2 / {top}) - 1" if low >= 0 and top else "scale them"
    remedy = "write x * 2.0 - 1" if values.dtype == torch.bool else remedy
    found = f"{_type(values)} from {low:g} to {high:g}"
    raise ConfigError(f"{what} are {found}, the model takes floats from -1 to 1: {remedy}")


def _is_finite(values: Tensor) -> bool:
    """Whether all are finite. Their sum, which is much faster, is finite only then, but it may overflow."""
    return bool(values.sum().isfinite()) or bool(values.isfinite().all())


def _reshaped(found: Sequence[int], shape: Sequence[int | None], given: Any) -> str:
    """The expression that makes rows of a shape, from an array of another one; else what to give."""
    rows, permute = list(found[1:]), "permute" if isinstance(given, Tensor) else "transpose"
    single = [list(shape), list(shape[1:])] if shape and shape[0] == 1 else [list(shape)]
    if list(found) in single:
        return "write x[None] for a single one"
    if len(shape) == 3 and list(found) == [*shape[1:], shape[0]]:
        return f"write x.{permute}(2, 0, 1)[None] for a single one"
    if shape and shape[0] == 1 and rows == list(shape[1:]):
        return "write x[:, None]"
    if len(shape) == 3 and rows == [*shape[1:], shape[0]]:
        return f"write x.{permute}(0, 3, 1, 2)"
    if rows == [math.prod(size or 0 for size in shape)]:
        return f"write x.reshape({', '.join(map(str, (-1, *shape)))})"
    return "give rows of that shape"


def _type(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")
