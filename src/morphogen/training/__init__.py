"""The training loop of every family, and the files it writes. It depends on no family and no system."""

__all__ = ["Every", "Progress", "Trained", "train"]

from morphogen.training.checkpoint import Every
from morphogen.training.loop import Trained, train
from morphogen.training.progress import Progress
