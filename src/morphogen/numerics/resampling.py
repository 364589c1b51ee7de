"""Samples at another rate: y = x at p / q times its rate, by a polyphase filter (Kaiser window)."""

__all__ = ["resample"]

import math

import numpy as np


def resample(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    """Samples [T] at `rate` per second as float64 [ceil(T to / rate)] at the rate `to`."""
    values = samples.astype(np.float64)
    if rate == to:
        return values
    from scipy.signal import resample_poly

    divisor = math.gcd(to, rate)
    resampled: np.ndarray = resample_poly(values, to // divisor, rate // divisor)
    return resampled
