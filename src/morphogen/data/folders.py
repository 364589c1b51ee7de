"""List a data folder: which files are examples, their classes, parts of the split and captions.

    cats/1.png  dogs/2.png                     one folder per class
    1.png  2.png                               flat: no classes
    train/cats/1.png  test/cats/2.png          the folders at the top are parts of the split
    archive/cats/1.png  archive/dogs/2.png     a folder around the others is not a class
    1.png  1.txt;  metadata.csv                captions (see `captions`)

What is left out (see `walk`) is counted in a note. Two names that are equal in Unicode NFC are one class.
"""

__all__ = [
    "FOLDERS",
    "SKIPPED",
    "Example",
    "Listing",
    "check_skipped",
    "count_alike",
    "is_too_many",
    "list_folder",
    "summarise",
]

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from morphogen.counted import counted, plural
from morphogen.data.captions import Descriptions, describe
from morphogen.data.dataset import DataError
from morphogen.data.splits import PARTS, Part
from morphogen.data.walk import Tree, printable, walk

SKIPPED = 0.1  # largest fraction of files that may be skipped: more are a kind that is not read
FEW = 2  # files that may be skipped of a small folder too, if most of it can be read
SHOWN = 3  # names in a note
NAMED = 3  # examples without a caption that a note names
FOLDERS: Mapping[str, Part] = {  # names of the parts of a split, as in the package `datasets`
    **dict.fromkeys(("train", "training"), PARTS[0]),
    **dict.fromkeys(("valid", "val", "validation", "dev"), PARTS[1]),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), PARTS[2]),
}


class Example(NamedTuple):
    """A file that is an example.

    Arguments:
        path: of the file.
        name: its path below the folder, printable.
        label: index of its class; 0 if there are none.
        part: of the split, by its folder; None if the folder has no parts.
        captions: one or several, the first of which is `caption`; () if there is none.
    """

    path: Path
    name: str
    label: int = 0
    part: Part | None = None
    captions: Sequence[str] = ()

    @property
    def caption(self) -> str:
        """The first caption, or ""."""
        return self.captions[0] if self.captions else ""


@dataclass(frozen=True)
class Listing:
    """The examples of a folder.

    Arguments:
        examples: in the order of their paths.
        classes: the class names, () if there are none.
        notes: facts for the user.
        ignored: number of files left out, by kind.
        described: number of files that only describe examples.
    """

    examples: Sequence[Example]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    ignored: Mapping[str, int] = field(default_factory=dict)
    described: int = 0


def list_folder(
    path: Path, is_example: Callable[[Path], object], what: str = "picture", has_classes: bool = True
) -> Listing:
    """The examples of a folder, their classes, parts and captions.

    Arguments:
        path: of the folder.
        is_example: whether a file, by its name or content, is meant as an example.
        what: name of an example in messages.
        has_classes: whether sub-folders are classes, and texts beside the examples their captions.

    Errors: DataError for a folder without examples, for examples next to class folders, and for other folders
    next to the parts of a split.
    """
    tree = walk(path)
    files = [file for file in tree.files if is_example(file)]
    others = sorted(set(tree.files) - set(files))
    about = describe(files, others) if has_classes else Descriptions()
    ignored, left_out = _ignored(path, tree, [file for file in others if file not in about.files])
    notes = [*_dead_links(path, tree), *left_out, *about.notes]
    if not files:
        raise DataError(_no_examples(path, what, notes))
    path = _unwrapped(path, files, notes)
    parts = _parts(path, files, what, has_classes)
    kept = [file for file in files if not parts or _top(path, file) in parts]
    if beside := len(files) - len(kept):
        ignored["beside the parts of the split"] = beside
    notes += _own_parts(parts, beside, what)
    names = {file: _class_name(path, file, parts, about) if has_classes else None for file in kept}
    classes = tuple(sorted({name for name in names.values() if name is not None}))
    if classes:
        _check_classes(path, names, what, about)
        notes += _empty_classes(path, tree, parts, classes, what, about)
        notes += _deeper(path, kept, parts, about)
    notes += _captions(path, kept, about, what)
    examples = [
        Example(file, _shown(path, file), label, parts.get(_top(path, file)), about.captions.get(file, ()))
        for file, label in ((f, classes.index(name) if name else 0) for f, name in names.items())
    ]
    return Listing(examples, classes, tuple(notes), ignored, len(about.files))


def check_skipped(where: str, good: int, bad: Sequence[str], what: str = "picture") -> None:
    """Raise DataError if there are too few examples, or too many that cannot be used.

    Arguments:
        where: the folder or data set that an error names.
        good: number of usable examples.
        bad: the reason for each other file that is meant as an example.
        what: name of an example in error messages.
    """
    if good + len(bad) == 0:
        raise DataError(
            f"{where}: the folder is empty; put {plural(what)} in it, flat or in one sub-folder per class"
        )
    if is_too_many(len(bad), good + len(bad)):
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise DataError(
            f"{where}: {len(bad)} of {good + len(bad)} files cannot be used ({bad[0]}{more}); "
            "remove them or give another folder"
        )
    if good < 3:
        raise DataError(
            f"{where}: {counted(good, what)} cannot be split into train, valid and test; "
            "give at least 3, better hundreds"
        )


def is_too_many(bad: int, total: int) -> bool:
    """Whether so many of the files cannot be used that the others are not what was meant."""
    return bad > max(FEW, SKIPPED * total) or 2 * bad > total


def summarise(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Notes on files, by the name of the file, as one note for all files with the same."""
    names: dict[str, list[str]] = {}
    for name, each in notes.items():
        for note in each:
            names.setdefault(note, []).append(name)
    return [
        f"{each[0]}: {note}" if len(each) == 1 else f"{len(each)} files, such as {each[0]}: {note}"
        for note, each in names.items()
    ]


def count_alike(skipped: Sequence[str]) -> list[str]:
    """Notes on skipped files; more than `FEW` of them with the same reason, whatever its numbers, are one.

    >>> count_alike([f"skipped {i}.png: {i}000 x 9000 pixels, too many" for i in (7, 8, 9)])
    ['skipped 3 files, such as 7.png: 7000 x 9000 pixels, too many']
    """
    reasons = [re.sub(r"\d+", "", note.partition(": ")[2]) for note in skipped]
    counts, notes = Counter(reasons), []
    for place, (note, reason) in enumerate(zip(skipped, reasons, strict=True)):
        if counts[reason] <= FEW:
            notes.append(note)
        elif reasons.index(reason) == place:
            notes.append(note.replace("skipped ", f"skipped {counts[reason]} files, such as ", 1))
    return notes


def _shown(path: Path, file: Path) -> str:
    return printable(file.relative_to(path).as_posix())


def _unwrapped(path: Path, files: Sequence[Path], notes: list[str]) -> Path:
    """The folder that holds the others, with a note: an archive is often one folder with all others in it."""
    inside = path
    below = [file.relative_to(path).parts for file in files]
    while len({names[0] for names in below}) == 1 and min(map(len, below)) > 2:
        inside /= below[0][0]
        below = [names[1:] for names in below]
    if inside != path:
        notes.append(f"all files that are read are in {_shown(path, inside)}: its folders are read")
    return inside


def _top(path: Path, file: Path) -> str:
    """The folder at the top that a file is in; "" for a file at the top."""
    return printable(file.relative_to(path).parts[0]) if file.parent != path else ""


def _parts(path: Path, files: Sequence[Path], what: str, has_classes: bool) -> Mapping[str, Part]:
    """The parts of the split by the folders at the top; {}: they are not parts, but classes.

    `train` alone beside other folders is a class (of vehicles); beside `test` or `valid` it is a part.
    """
    tops = {_top(path, file) for file in files}
    parts = {top: FOLDERS[top.lower()] for top in sorted(tops) if top.lower() in FOLDERS}
    beside, several = sorted(tops - set(parts)), len(set(parts.values())) > 1
    if "train" not in parts.values():
        if several and not beside:
            raise DataError(
                f"{printable(str(path))}: {' and '.join(parts)} are parts of a split, but there is no train; "
                "name one of them train, or others if they are classes"
            )
        return {}
    if not beside:
        return parts
    if not several:
        return {}
    if has_classes:
        found = f"the folder {beside[-1]}" if beside[-1] else plural(what)
        raise DataError(
            f"{printable(str(path))}: {found} beside {' and '.join(parts)}, the parts of the split; "
            f"move {'it' if beside[-1] else 'them'} into these, or rename these if they are classes"
        )
    return parts


def _own_parts(parts: Mapping[str, Part], beside: int, what: str) -> list[str]:
    """Notes on the folders that are parts of the split, and on the examples beside them."""
    read = f"{', '.join(parts)}: read as the parts of the split; if they are classes, rename the folders"
    left_out = f"left out {counted(beside, what)} beside {', '.join(parts)}"
    return [*([read] if parts else []), *([left_out] if beside else [])]


def _class_name(path: Path, file: Path, parts: Mapping[str, Part], about: Descriptions) -> str | None:
    """The class of an example: by a table, else by its folder; None: it is in none."""
    if about.labels:
        return printable(about.labels[file]) if file in about.labels else None
    folders = file.relative_to(path).parts[bool(parts) : -1]
    return printable(folders[0]) if folders else None


def _check_classes(path: Path, names: Mapping[Path, str | None], what: str, about: Descriptions) -> None:
    """Errors: DataError if some examples have a class and others have none."""
    without = [_shown(path, file) for file, name in names.items() if name is None]
    if without and about.labels:
        raise DataError(
            f"{printable(str(path))}: {counted(len(without), what)} without a label in its table, such "
            f"as {without[0]}; add each to the table, or move it elsewhere"
        )
    if without:
        name = next(name for name in names.values() if name is not None)
        raise DataError(
            f"{printable(str(path))}: {counted(len(without), what)}, such as {without[0]}, next to the class "
            f"folders {name!r}, ...; move each {what} into the folder of its class"
        )


def _captions(path: Path, files: Sequence[Path], about: Descriptions, what: str) -> list[str]:
    """A note on captions, with the names of the first examples that have none."""
    if not about.captions:
        return []
    note = f"captions for {len(about.captions)} of {counted(len(files), what)}"
    if none := [_shown(path, file) for file in files if file not in about.captions]:
        named = ", ".join(none[:NAMED]) + (", ..." if len(none) > NAMED else "")
        note += f": none for {named}; models are conditioned on captions only if all have one"
    return [note]


def _empty_classes(
    path: Path,
    tree: Tree,
    parts: Mapping[str, Part],
    classes: Sequence[str],
    what: str,
    about: Descriptions,
) -> list[str]:
    """A note on the folders that could be classes, but hold no example."""
    if about.labels:
        return ["the classes are those of the table of labels"]
    inside = [folder.relative_to(path).parts for folder in tree.folders if path in folder.parents]
    below = [names[bool(parts) :] for names in inside]
    empty = sorted({printable(names[0]) for names in below if len(names) == 1} - set(classes))
    return [f"no {plural(what)} in {', '.join(empty)}: no class"] if empty else []


def _deeper(path: Path, files: Sequence[Path], parts: Mapping[str, Part], about: Descriptions) -> list[str]:
    """A note on the class folders whose own sub-folders hold examples, which are of the same class."""
    if about.labels:
        return []
    below: dict[str, dict[str, None]] = {}
    for file in files:
        folders = file.relative_to(path).parts[bool(parts) : -1]
        if len(folders) > 1:
            below.setdefault(printable(folders[0]), {})[printable(folders[1])] = None
    shown = [f"{name} ({_first(list(inner))})" for name, inner in below.items()]
    return [f"sub-folders are part of their class: {_first(shown)}"] if shown else []


def _first(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:SHOWN]) + ", ..." * (len(names) > SHOWN)


def _dead_links(path: Path, tree: Tree) -> list[str]:
    """Links that lead nowhere, by the folder that they are in."""
    count = Counter(_shown(path, link.parent) for link in tree.dead)
    return [
        f"{counted(n, 'link')} in {'the folder' if place == '.' else place} "
        f"{'lead' if n > 1 else 'leads'} nowhere"
        for place, n in sorted(count.items())
    ]


def _ignored(path: Path, tree: Tree, others: Sequence[Path]) -> tuple[dict[str, int], list[str]]:
    """The files left out, by kind, and a note: "ignored 1 empty file (a.c), 9 files of another kind (.o)"."""
    kinds = Counter(file.suffix.lower() or "no suffix" for file in others)
    ignored = {**tree.ignored} | ({"of another kind": kinds.total()} if kinds else {})
    suffixes = ", ".join(printable(suffix) for suffix, _ in kinds.most_common(4))
    suffixes += ", ..." if len(kinds) > 4 else ""
    counts = []
    for kind, n in ignored.items():
        names = _first([_shown(path, file) for file in tree.empty])
        counts.append(
            f"{counted(n, 'empty file')} ({names})" if kind == "empty" else f"{counted(n, 'file')} {kind}"
        )
    note = f"ignored {', '.join(counts)}"
    return ignored, [note + (f" ({suffixes})" if kinds else "")] if counts else []


def _no_examples(path: Path, what: str, notes: Sequence[str]) -> str:
    where = printable(str(path))
    if not notes:
        return f"{where}: the folder is empty; put {plural(what)} in it, flat or in one sub-folder per class"
    return f"{where}: no {plural(what)} in it ({'; '.join(notes)}); give a folder of {plural(what)}"
