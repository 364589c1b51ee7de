"""Training: one loop for every family, and what it leaves on disk. Names no family and no system."""

__all__ = ["Every", "Progress", "Trained", "train"]

from morphogen.training.checkpoint import Every
from morphogen.training.loop import Trained, train
from morphogen.training.progress import Progress
