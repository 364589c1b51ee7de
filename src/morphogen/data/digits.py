"""1,797 handwritten digits from scikit-learn: 8 x 8, 17 levels, 10 classes (Alpaydin & Kaynak 1998, UCI)."""

__all__ = ["load_digits"]

import numpy as np
import torch

from morphogen.data.assemble import Labelled, assemble
from morphogen.data.dataset import Dataset


def load_digits() -> Dataset:
    """The digits; scikit-learn carries them, so there is nothing to download."""
    from sklearn import datasets  # imported here: takes a second, and no other data set needs it

    source = datasets.load_digits()
    values = torch.from_numpy(source.images.astype(np.uint8)[:, None])
    labelled = Labelled(values, torch.from_numpy(source.target).long())
    return assemble("digits", labelled, tuple("0123456789"), levels=17)
