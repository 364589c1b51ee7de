"""Rows by number, as lists have them: `data.train[0]`, `data.train[:3]`, and what a whole data set lacks."""

__all__ = ["needs_part", "takes_numbers"]

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import torch
from torch import Tensor

from morphogen.wrong_calls import WrongCall


def takes_numbers(get: Callable[..., Any]) -> Callable[..., Any]:
    """A `__getitem__` of tensors of row numbers that also takes a number, a slice or a list of them.

    The decorated method raises IndexError for a number beyond the rows, and WrongCall for other values.
    """

    @wraps(get)
    def rows(self: Any, indices: Any) -> Any:
        if isinstance(indices, Tensor) and indices.ndim and indices.dtype == torch.long:
            return get(self, indices)
        try:
            numbers = indices if isinstance(indices, slice) else torch.as_tensor(indices)
            chosen = torch.arange(len(self))[numbers]
        except IndexError:
            raise IndexError(f"row {indices!r:.40}: there are {len(self)} rows, from 0") from None
        except (TypeError, ValueError, RuntimeError):
            raise WrongCall(f"row {indices!r:.40}: give the numbers of rows, such as data.train[0]") from None
        return get(self, chosen.reshape(-1))

    return rows


def needs_part(example: str) -> Callable[..., NoReturn]:
    """An operator of a whole data set, which raises WrongCall with the same operation on a part."""

    def refuse(self: Any, *given: Any) -> NoReturn:
        raise WrongCall(f"data have the parts data.train, data.valid and data.test: write {example}")

    return refuse
