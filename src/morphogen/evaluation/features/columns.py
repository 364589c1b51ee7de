"""Columns of a table as features, (x - mean) / std; of any other tensor, its elements as columns.

No paper: standardization makes distances independent of the units.
"""

__all__ = ["ColumnFeatures", "column_features"]

from jaxtyping import Float, Shaped
from torch import Tensor

from morphogen.data.dataset import Dataset
from morphogen.evaluation.features.space import Features, digest


def column_features(data: Dataset) -> Features:
    """Standardized columns; of any other tensor, its elements as columns."""
    return ColumnFeatures(data.train.first().medium.flatten(1))


class ColumnFeatures(Features):
    """Standardized columns of a table, (x - mean) / std, so that units do not matter.

    Arguments:
        train: table [N, D] that the moments are computed from; a constant column is only centred.

    Errors: ValueError unless the table is a matrix of finite numbers.
    """

    name = "columns"

    def __init__(self, train: Float[Tensor, "n d"]):
        if train.ndim != 2 or not train.isfinite().all():
            raise ValueError(
                f"cannot standardize a table of shape {tuple(train.shape)}: "
                "pass finite numbers, [rows, columns]"
            )
        table = train.double()
        varies = table.amax(0) > table.amin(0)
        self.mean = table.mean(0)
        self.deviation = table.std(0, correction=0).where(varies, 1.0)
        # summed in fp64 and hashed in fp32, so that the order of summation does not change the hash
        self.sha256 = digest([self.mean.float(), self.deviation.float()])

    def embed(self, medium: Shaped[Tensor, "b ..."]) -> Float[Tensor, "b d"]:
        return ((medium.flatten(1) - self.mean) / self.deviation).float()
