"""The 1797 handwritten digits that come with scikit-learn: 8 x 8, 17 levels, 10 classes (Alpaydin & Kaynak 1998, UCI)."""

__all__ = ["load_digits"]

import numpy as np
import torch
from sklearn import datasets

from morphogen.data.dataset import Dataset, Pictures
from morphogen.data.splits import split
from morphogen.representations.pixels import Pixels


def load_digits() -> Dataset:
    """The digits, on this machine wherever scikit-learn is."""
    source = datasets.load_digits()
    values = source.images.astype(np.uint8)[:, None]
    parts = split([value.tobytes() for value in values])
    pixels, labels = torch.from_numpy(values), torch.from_numpy(source.target).long()
    train, valid, test = (Pictures(pixels[part], 17, labels[part]) for part in (parts.train, parts.valid, parts.test))
    return Dataset("digits", "pictures", train, valid, test, tuple("0123456789"), Pixels(17, (1, 8, 8)), parts.line)
