"""Notes on parts that are too small to say much: few examples, or classes without any."""

__all__ = ["FEW", "small_parts"]

from collections.abc import Sequence

from morphogen.data.dataset import Dataset
from morphogen.data.splits import PARTS

FEW = 10  # examples of a part, below which it is noted
NAMED = 5  # classes that a note names


def small_parts(data: Dataset) -> tuple[str, ...]:
    """A note on the parts with fewer than `FEW` examples, and one on classes that valid or test lack."""
    sizes = {part: len(getattr(data, part)) for part in PARTS}
    few = [f"{size} in {part}" for part, size in sizes.items() if size < FEW]
    of_all = f"{_joined(few)}, of {sum(sizes.values()):,} in all"
    notes = [f"few examples: {of_all}; figures on so few say little"] if few else []
    lacking = {part: _without(data, part) for part in PARTS[1:]}
    absent = [f"{part} has none of {_names(classes)}" for part, classes in lacking.items() if classes]
    if absent:
        notes.append(f"classes without an example: {_joined(absent)}; figures do not cover them")
    return tuple(notes)


def _without(data: Dataset, part: str) -> list[str]:
    """The classes of which a part has no example."""
    labels = getattr(data, part).labels
    present = range(len(data.classes)) if labels is None else set(labels.tolist())
    return [name for label, name in enumerate(data.classes) if label not in present]


def _names(classes: Sequence[str]) -> str:
    more = len(classes) - NAMED
    shown = [repr(name) for name in classes[:NAMED]]
    return ", ".join(shown) + f" and {more:,} more" if more > 0 else _joined(shown)


def _joined(words: Sequence[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if words[1:] else []), *words[-1:]])
