"""The 1797 handwritten digits that come with scikit-learn: 8 x 8, 17 levels, 10 classes (Alpaydin & Kaynak 1998, UCI)."""

__all__ = ["load_digits"]

import numpy as np
import torch

from morphogen.data.assemble import Labelled, by_content
from morphogen.data.dataset import Dataset


def load_digits() -> Dataset:
    """The digits, on this machine wherever scikit-learn is."""
    from sklearn import datasets  # a second of start-up that no other data set needs

    source = datasets.load_digits()
    values = torch.from_numpy(source.images.astype(np.uint8)[:, None])
    return by_content("digits", Labelled(values, torch.from_numpy(source.target).long()), tuple("0123456789"), levels=17)
