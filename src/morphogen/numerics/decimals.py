"""Floats of 16 and 32 bits as float64 by their shortest decimals: 0.1 of float32 is 0.1, not 0.10000000149.

The shortest decimal that rounds to a float is what its `repr` shows, and what a table in a file has. Values
read in this way are the same in an array, a tensor and a DataFrame of either precision.

Reference: How to print floating-point numbers accurately, Steele & White, 1990.
"""

__all__ = ["double_of", "shortest_decimals"]

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor


def shortest_decimals(values: Float[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """An array of floats of 16, 32 or 64 bits as float64; the last are unchanged."""
    if values.itemsize >= 8:
        return values
    texts = (float(str(value)) for value in values.flat)
    return np.fromiter(texts, np.float64, values.size).reshape(values.shape)


def double_of(values: Float[Tensor, "..."]) -> Float64[Tensor, "..."]:
    """A tensor of floats as float64 on its device, those of 16 and 32 bits by their shortest decimals."""
    if values.dtype == torch.float64:
        return values
    short = values.float() if values.dtype == torch.bfloat16 else values  # NumPy has no bfloat16
    return torch.from_numpy(shortest_decimals(short.detach().cpu().numpy())).to(values.device)
