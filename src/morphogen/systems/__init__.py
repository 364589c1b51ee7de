"""One page per named system: a function with numbers in it, no new layer, no loss, no loop."""

__all__ = ["Size"]

from typing import Literal

Size = Literal["tiny", "small", "paper"]
