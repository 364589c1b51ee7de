"""Columns of a table as features, standardized or one-hot; of any other tensor, its elements as columns.

No paper: standardization makes distances independent of the units, and `Gower` of the order of categories.
"""

__all__ = ["ColumnFeatures", "column_features"]

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from morphogen.data.dataset import Dataset
from morphogen.evaluation.features.space import Features, digest
from morphogen.numerics.gower import Gower


def column_features(data: Dataset) -> Features:
    """Standardized columns; of any other tensor, its elements as columns."""
    columns = getattr(data.representation.source, "columns", ())
    levels = [len(getattr(column, "levels", ())) for column in columns]
    return ColumnFeatures(data.train.first().medium.flatten(1), levels)


class ColumnFeatures(Features):
    """Columns of a table, such that units and the order of categories do not matter (see `Gower`).

    Arguments:
        train: table [N, D] that the moments are computed from, NaN where a cell is missing; a constant column
            is only centred.
        levels: number of categories of each column, 0: numbers; (): all are numbers.

    Errors: ValueError unless the table is a matrix of finite numbers and missing cells.
    """

    name = "columns"

    def __init__(self, train: Float[Tensor, "n d"], levels: Sequence[int] = ()):
        if train.ndim != 2 or train.isinf().any():
            raise ValueError(
                f"cannot standardize a table of shape {tuple(train.shape)}: "
                "pass finite numbers, [rows, columns]"
            )
        self.vectors = Gower(train, levels)
        kinds = torch.stack([torch.tensor(self.vectors.levels), self.vectors.can_be_missing.long()])
        # summed in fp64 and hashed in fp32, so that the order of summation does not change the hash
        self.sha256 = digest([self.vectors.mean.float(), self.vectors.std.float(), kinds])

    def embed(self, medium: Shaped[Tensor, "b ..."]) -> Float[Tensor, "b d"]:
        return self.vectors(medium.flatten(1)).float()
