"""Arrays as tensors. What torch cannot share is copied: read-only arrays, and those with negative strides."""

__all__ = ["tensor_of_array"]

from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor


def tensor_of_array(given: Any) -> Shaped[Tensor, "..."]:
    """What NumPy reads as an array, as a tensor of its own type, which shares its memory if torch can.

    Errors: those of torch for an array of anything but numbers.
    """
    array = np.asarray(given)
    is_shared = array.flags.writeable and all(stride >= 0 for stride in array.strides)
    return torch.from_numpy(array if is_shared else array.copy())
