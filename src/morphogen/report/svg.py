"""SVG drawings and axis scales.

A drawing is a tree of elements, so that text is always escaped. Elements have CSS classes instead of colours;
page.css defines light and dark colours for them. Scales map data to drawing units.
"""

__all__ = ["Drawing", "Scale", "linear", "logarithmic"]

import math
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

# average width of a character relative to the font size, in wide sans-serif fonts
CHAR_WIDTH, BOLD_WIDTH = 0.62, 0.71


class Drawing:
    """An SVG with its own units, scaled to the available width.

    Arguments:
        width, height: size in units; text of size 12 is 12 units high.
        title: description for screen readers.
        css_class: class of the root element.
    """

    def __init__(self, width: float, height: float, title: str, css_class: str = ""):
        view = f"0 0 {width:g} {height:g}"
        self._root = ElementTree.Element(
            "svg", {"viewBox": view, "class": css_class, "role": "img", "aria-label": title}
        )
        self._open = [self._root]

    def add(
        self, tag: str, css_class: str = "", text: str = "", **attributes: float | str
    ) -> ElementTree.Element:
        """Add an element; underscores in attribute names become hyphens, numbers have two decimals."""
        formatted = {
            name.replace("_", "-"): v if isinstance(v, str) else f"{round(v, 2):g}"
            for name, v in attributes.items()
        }
        if css_class:
            formatted = {"class": css_class} | formatted
        element = ElementTree.SubElement(self._open[-1], tag, formatted)
        element.text = text or None
        return element

    def line(self, x1: float, y1: float, x2: float, y2: float, css_class: str) -> None:
        """Add a line from (x1, y1) to (x2, y2)."""
        self.add("line", css_class, x1=x1, y1=y1, x2=x2, y2=y2)

    def text(self, x: float, y: float, text: str, css_class: str = "", anchor: str = "start") -> None:
        """Add text that starts at a point, is centred on it, or ends there."""
        self.add("text", css_class, text, x=x, y=y, text_anchor=anchor)

    def link(self, anchor: str, title: str) -> "Drawing":
        """Context manager: elements added inside link to an anchor of the page."""
        self._open.append(self.add("a", href=f"#{anchor}"))
        self.add("title", text=title)
        return self

    def __enter__(self) -> "Drawing":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.pop()

    def stand_alone(self, style: str) -> None:
        """Give the drawing a namespace and a stylesheet, for a file or an image of its own."""
        self._root.set("xmlns", "http://www.w3.org/2000/svg")
        self.add("style", text=style)

    def __str__(self) -> str:
        return ElementTree.tostring(self._root, encoding="unicode", short_empty_elements=False)


@dataclass(frozen=True)
class Scale:
    """Map from data to drawing units, and the values of its ticks."""

    at: Callable[[float], float]
    ticks: tuple[float, ...]


def linear(low: float, high: float, start: float, end: float, ticks: int = 5) -> Scale:
    """A linear scale; ticks at multiples of 1, 2 or 5 times a power of ten."""
    span = (high - low) or 1.0
    step = 10.0 ** math.floor(math.log10(span / ticks))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= ticks)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Scale(
        lambda v: start + (v - low) / span * (end - start),
        tuple(round(i * step, 12) for i in range(first, last + 1)),
    )


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """A logarithmic scale; ticks at 1, 2 and 5 times powers of ten, or at powers of ten for a wide range."""
    span = math.log(high / low) or 1.0
    digits = (1, 2, 5) if high / low < 2000 else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = tuple(
        digit * 10.0**decade for decade in decades for digit in digits if low <= digit * 10.0**decade <= high
    )
    return Scale(lambda v: start + math.log(min(max(v, low), high) / low) / span * (end - start), ticks)
