"""Pictures that a stylesheet can colour: a drawing is a tree of elements, so that a name can never become markup.

A drawing has classes where others have colours; page.css gives them light and dark ones. Scales map data to the drawing's units.
"""

__all__ = ["Drawing", "Scale", "linear", "logarithmic"]

import math
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

LETTER = 0.58  # width of a letter over its size, on average, in the system's sans-serif


class Drawing:
    """An SVG of a size in its own units; it fills the width it is given.

    Arguments:
        width, height: in units, of which text of size 12 is 12 high.
        title: what a screen reader says.
        kind: class of the whole, for the style sheet.
    """

    def __init__(self, width: float, height: float, title: str, kind: str = ""):
        view = f"0 0 {width:g} {height:g}"
        self._root = ElementTree.Element("svg", {"viewBox": view, "class": kind, "role": "img", "aria-label": title})
        self._open = [self._root]

    def add(self, tag: str, kind: str = "", text: str = "", **attributes: float | str) -> ElementTree.Element:
        """An element with a class; underscores in names of attributes are hyphens, numbers are rounded."""
        written = {name.replace("_", "-"): v if isinstance(v, str) else f"{round(v, 2):g}" for name, v in attributes.items()}
        element = ElementTree.SubElement(self._open[-1], tag, {"class": kind} | written if kind else written)
        element.text = text or None
        return element

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """From one point to another."""
        self.add("line", kind, x1=x1, y1=y1, x2=x2, y2=y2)

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> None:
        """Words at a point, which is their start, middle or end."""
        self.add("text", kind, text, x=x, y=y, text_anchor=anchor)

    def link(self, anchor: str, title: str) -> "Drawing":
        """What is added inside `with` leads to a part of the page."""
        self._open.append(self.add("a", href=f"#{anchor}"))
        self.add("title", text=title)
        return self

    def __enter__(self) -> "Drawing":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.pop()

    def __str__(self) -> str:
        return ElementTree.tostring(self._root, encoding="unicode", short_empty_elements=False)


@dataclass(frozen=True)
class Scale:
    """Data to units, with the values worth a tick."""

    at: Callable[[float], float]
    ticks: tuple[float, ...]


def linear(low: float, high: float, start: float, end: float, ticks: int = 5) -> Scale:
    """A straight scale; ticks at multiples of 1, 2 or 5 times a power of ten."""
    span = (high - low) or 1.0
    step = 10.0 ** math.floor(math.log10(span / ticks))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= ticks)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Scale(lambda v: start + (v - low) / span * (end - start), tuple(round(i * step, 12) for i in range(first, last + 1)))


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """A logarithmic scale of positive data; ticks at 1, 2 and 5, or, over many decades, at powers of ten."""
    span = math.log(high / low) or 1.0
    digits = (1, 2, 5) if high / low < 2000 else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = tuple(digit * 10.0**decade for decade in decades for digit in digits if low <= digit * 10.0**decade <= high)
    return Scale(lambda v: start + math.log(min(max(v, low), high) / low) / span * (end - start), ticks)
