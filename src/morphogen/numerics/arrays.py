"""Arrays as tensors. What torch cannot share is copied: read-only arrays, and those with negative strides."""

__all__ = ["array_with_gaps", "tensor_of_array"]

from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor


def array_with_gaps(given: Any) -> np.ndarray:
    """What NumPy reads as an array, with NaN for the masked values of a masked array."""
    if isinstance(given, np.ma.MaskedArray) and given.dtype.kind in "biuf" and np.ma.is_masked(given):
        return np.ma.filled(given.astype(np.promote_types(given.dtype, np.float32)), np.nan)
    return np.asarray(given)


def tensor_of_array(given: Any) -> Shaped[Tensor, "..."]:
    """What NumPy reads as an array, as a tensor of its own type, which shares its memory if torch can.

    Errors: those of torch for an array of anything but numbers.
    """
    array = array_with_gaps(given)
    is_shared = array.flags.writeable and all(stride >= 0 for stride in array.strides)
    return torch.from_numpy(array if is_shared else array.copy())
