"""The training loop of every family, and the files it writes. It depends on no family and no system."""

__all__ = ["Every", "Progress", "Trained", "Validation", "train"]

from morphogen.training.checkpoint import Every
from morphogen.training.loop import train
from morphogen.training.outcome import Trained
from morphogen.training.progress import Progress
from morphogen.training.validation import Validation
