"""Data sets: `load_data` reads a named data set, a file or a folder into a `Dataset`.

load_data("digits")           a named data set (`NAMED` lists them)
load_data("photos/")          a folder of pictures, of recordings or of text files
load_data("book.txt")         a text file
load_data("sales.csv")        a table
load_data("digits.npz")       NumPy arrays, such as X and y
load_data("hf:owner/name")    a data set of the Hugging Face hub
load_data(X, y)               arrays, lists, DataFrames and data sets of other libraries, in memory
"""

__all__ = [
    "NAMED",
    "Captioned",
    "DataError",
    "Dataset",
    "Examples",
    "Pairs",
    "Pictures",
    "Rows",
    "Sounds",
    "Windows",
    "WithMels",
    "WithSketches",
    "WithSources",
    "check_resolution",
    "load_data",
    "resized",
]

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import Any, get_type_hints

from morphogen.caller import option
from morphogen.component import ConfigError
from morphogen.data.array_files import read_arrays
from morphogen.data.captioned import Captioned, captioned
from morphogen.data.dataset import DataError, Dataset, Examples, Pictures, Windows
from morphogen.data.hub import holds_tables, load_hub
from morphogen.data.memory import collect
from morphogen.data.named import NAMED, nearest
from morphogen.data.pairs import Pairs
from morphogen.data.part_sizes import small_parts
from morphogen.data.picture_arrays import resized
from morphogen.data.pictures import check_resolution
from morphogen.data.prefix import HUB, other_media, prefixed, split_prefix
from morphogen.data.sketches import SKETCH, WithSketches, with_sketches
from morphogen.data.sound_windows import Sounds, WithMels
from morphogen.data.sources import WithSources, with_sources
from morphogen.data.table import Rows
from morphogen.data.text import Untokenized, concatenate
from morphogen.data.walk import walk
from morphogen.media import Medium, ReadingOptions, media
from morphogen.representations.text import Text
from morphogen.typed import check_arguments
from morphogen.wrong_calls import explains_calls

UNLABELLED = "none"  # the condition of data whose labels are left out
FOLDERS = "folders"  # the condition of data whose classes are their sub-folders, which is the default


@explains_calls
def load_data(
    data: Any, labels: Any = None, *, captions: Any = None, valid: Any = None, test: Any = None,
    rate: int | None = None, name: str | None = None, resolution: int | None = None,
    length: int | None = None, condition: str | None = None, tokenizer: str | Text | None = None,
    table: Mapping[str, str] | None = None, source: Any = None, levels: int | None = None,
) -> Dataset:  # fmt: skip
    """Load a data set by name, from a path, from the Hugging Face hub or from memory.

    Arguments:
        data: a name that `morphogen data` lists (`NAMED`), or several names of texts ("kjv+shakespeare"); a
            folder of pictures or sounds (one sub-folder per class, or flat) or of texts; a text file; a table
            (.csv, .tsv, .parquet, .xlsx, .xls, .ods, .json, .jsonl), or a folder of those of a split;
            "hf:owner/name[:config]" or "hf:FOLDER" for what the package `datasets` reads. In memory: pictures
            [N, H, W], [N, H, W, C] or [N, C, H, W], PIL pictures, texts, pairs of texts, a DataFrame or
            numbers [N, D], waveforms, a torch or Hugging Face `Dataset`, or (X, y); see docs/data.md.
        labels, captions: of data in memory: one per example, labels as numbers or names, captions or lists.
        valid, test: of data in memory: parts of one's own split, with labels as (X, y); None: by content.
        rate, name: of data in memory: samples per second of waveforms, or to which those that say their rate,
            [(44100, x), ...], are resampled; a name for reports.
        resolution: side in pixels of square pictures; None: their own size if it is small, else 32.
        length: tokens per window of text or caption (None: 64), or samples per window of sound (None: 8192).
        condition: column of a table that has the class labels; None: none. "sketch": the edge map of each
            picture; for all but tables "none" leaves labels out, "folders" requires sub-folders with them.
        tokenizer: of texts: "bytes", "characters", "bpe:1000" or "unigram:1000" (any vocabulary size), or a
            `Text`, such as that of a trained model. None: bytes; "bpe:2000" for captions and pairs of texts.
        table: what a table leaves open, by the names of `TableOptions`: {"decimal": ","}.
        source: of pictures: pictures of another kind, as `data`, not paired, to be translated into these.
        levels: of arrays of pictures: how many values a pixel can have, 256 for bytes; None: by the values.

    Errors: `DataError`: one line with the invalid value and the remedy.
    """
    options = _checked(ReadingOptions(resolution, length, condition, table, rate, levels))
    beside = {"labels": labels, "captions": captions, "valid": valid, "test": test}
    if (arrays := read_arrays(data)) is not None:
        name, data, beside = name or Path(data).stem, arrays.data, arrays.with_given(beside)
    if isinstance(data, Dataset):
        given = {**options._asdict(), **beside, "name": name, "tokenizer": tokenizer}
        return _translated(_unchanged(data, given), source)
    return _translated(_loaded(data, name, beside, options, tokenizer), source)


def _loaded(
    data: Any, name: str | None, beside: Mapping[str, Any], options: ReadingOptions,
    tokenizer: str | Text | None,
) -> Dataset:  # fmt: skip
    """The data of a name, of a path or in memory."""
    is_path = isinstance(data, str | Path)
    what = repr(str(data)) if is_path else name or "memory"
    loaded = _read(str(data), options, beside) if is_path else collect(data, what, beside, options)
    if not (is_path and _is_named(str(data))):
        loaded = captioned(loaded)
    finished = _finished(loaded, what, options, tokenizer)
    found = getattr(finished.representation, "levels", None)
    if is_path and options.levels is not None and found != options.levels:
        has = "no levels" if found is None else f"{found} levels"
        raise DataError(f"{what} has {has}, not {options.levels}; leave levels out, or build a model of it")
    return finished


def _unchanged(data: Dataset, options: Mapping[str, Any]) -> Dataset:
    """The data set. Errors: DataError for options, which belong where it is read."""
    if given := [name for name, value in options.items() if value is not None]:
        raise DataError(
            f"{', '.join(given)}: {data.name!r} is loaded already; give options where it is loaded, or leave "
            f"{given[0]} out"
        )
    return data


def _checked(options: ReadingOptions) -> ReadingOptions:
    """The options with plain numbers. Errors: DataError for values of another type."""
    condition = options.condition
    if condition is not None and not isinstance(condition, str):
        kind = type(condition).__name__
        raise DataError(f"condition is a {kind}: give the name of a column; labels are load_data(X, labels)")
    try:
        return ReadingOptions(**check_arguments(get_type_hints(ReadingOptions), options._asdict()))
    except ConfigError as error:
        raise DataError(str(error)) from None


def _finished(
    loaded: Dataset | Untokenized, what: str, options: ReadingOptions, tokenizer: str | Text | None
) -> Dataset:
    """The data set with sketches or tokens, and notes on small parts.

    Errors: DataError for a tokenizer of other data than text, and for classes of sub-folders without any.
    """
    data = loaded.windows(tokenizer, options.length) if isinstance(loaded, Untokenized) else loaded
    if tokenizer is not None and data is loaded:
        raise DataError(
            f"tokenizer {tokenizer!r}: {what} is not a text and has no captions; leave tokenizer out"
        )
    is_column = data.representation.medium.has_class_column
    if not is_column and options.condition == UNLABELLED:
        data = replace(data, conditions={k: spec for k, spec in data.conditions.items() if k != "label"})
    if not is_column and options.condition == FOLDERS:
        _check_folders(data, what)
    data = with_sketches(data) if options.condition == SKETCH and not is_column else data
    return replace(data, notes=(*data.notes, *small_parts(data)))


def _check_folders(data: Dataset, what: str) -> None:
    """Errors: DataError for data without classes that are sub-folders."""
    if not (data.representation.medium.has_class_folders and data.classes):
        raise DataError(
            f"condition {FOLDERS!r}: {what} has no sub-folders of pictures or sounds, one per class; "
            f"leave {option('condition')} out"
        )


def _translated(data: Dataset, source: Any) -> Dataset:
    """The data set with the pictures of another one as conditions. Errors: DataError."""
    if source is None:
        return data
    shape = data.representation.shape
    side = shape[-1] if len(shape) == 3 and shape[1] == shape[2] else None
    own = isinstance(source, Dataset)
    return with_sources(data, source if own else load_data(source, resolution=side))


def _read(name_or_path: str, options: ReadingOptions, beside: Mapping[str, Any]) -> Dataset | Untokenized:
    """The data at a path or of a name. Errors: DataError for options that these data do not have."""
    given = [key for key, value in {**beside, "rate": options.rate}.items() if value is not None]
    if given:
        raise DataError(
            f"{', '.join(given)}: {name_or_path!r} is a name or a path; leave {given[0]} out, "
            "and give options by name, such as resolution=32"
        )
    if options.condition is not None or options.table:
        _check_columns(name_or_path, options)
    return _load(name_or_path, options)


def _check_columns(name_or_path: str, options: ReadingOptions) -> None:
    """Errors: DataError for the options of a table where there is none."""
    found, classes, is_sure = "", ": it has its own classes, or none", False
    if not _is_named(name_or_path) and split_prefix(name_or_path)[0] != HUB:
        with suppress(OSError):  # reading it says why
            path, candidates = _candidates(name_or_path, options)
            if not candidates or next(iter(candidates)).has_class_column:
                return
            medium = next(iter(candidates))
            found, classes = f": it is read as {medium}", _classes_of(path, medium)
            is_sure = medium.confidence(path) >= 1
    if options.table:
        raise DataError(
            f"table {dict(options.table)}: {name_or_path!r} is not a table{found}; "
            f"leave {option('table')} out"
        )
    if options.condition not in (SKETCH, UNLABELLED, FOLDERS):
        columned = (medium for medium in media().values() if medium.has_class_column and not is_sure)
        way = next((way for medium in columned if (way := prefixed(name_or_path, medium))), None)
        remedy = f"leave {option('condition')} out{classes}" if way is None else f"give {way}"
        raise DataError(f"condition {options.condition!r}: {name_or_path!r} is not a table{found}; {remedy}")


def _classes_of(path: Path, medium: Medium) -> str:
    """What else gives classes at a path of another medium than tables, for the remedy."""
    if not medium.has_class_folders:
        return f": {medium} has no column of classes"
    if path.is_dir() and len(walk(path).folders) > 1:
        return ", sub-folders already give the classes"
    return ": it has no sub-folders, so no classes; for classes, make a sub-folder of each"


def _load(name_or_path: str, options: ReadingOptions) -> Dataset | Untokenized:
    """The data, or for text the corpus before tokenization."""
    prefix, rest = split_prefix(name_or_path)
    if prefix == HUB:
        return load_hub(rest, options.resolution, options.length)
    if _is_named(name_or_path):
        loaded = [NAMED[name].load() for name in name_or_path.split("+")]
        return loaded[0] if len(loaded) == 1 else concatenate(name_or_path, loaded)
    try:
        path, candidates = _candidates(name_or_path, options)
        if holds_tables(path):
            raise DataError(f"{path}: was saved by the package datasets: give {quote(f'{HUB}:{path}')}")
        if candidates:
            return _noted(next(iter(candidates)).read(path, options), candidates, path)
        if path.is_symlink():
            target = path.readlink()
            raise DataError(f"data {name_or_path!r}: is a link that leads nowhere, to {target}; correct it")
    except OSError as error:
        shown = str(error.filename or name_or_path)
        shown = shown if len(shown) < 300 else f"{shown[:100]}..., {len(shown)} characters"
        remedy = "check the path and its permissions, or give texts as a list"
        raise DataError(f"{shown}: {error.strerror or error}; {remedy}") from None
    raise DataError(
        f"data {name_or_path!r:.100}: no such data set, folder or file; {_suggestion(name_or_path, path)}"
    )


def _is_named(name: str) -> bool:
    """Whether these are data of `NAMED`, rather than of the hub or of a path."""
    return all(part in NAMED for part in name.split("+"))


def _candidates(name_or_path: str, options: ReadingOptions) -> tuple[Path, dict[Medium, float]]:
    """The path, and the confidence of the media that it can hold, the likeliest first; {}: it is not there.

    A prefix decides on its medium, `text:PATH`, and the options of a table on tables.
    """
    prefix, rest = split_prefix(name_or_path)
    path = Path(rest).expanduser()
    if not path.is_file() and not (rest and path.is_dir()):  # Path("") would be the working directory
        return path, {}
    possible = [media()[prefix]] if prefix else list(media().values())
    if options.table and path.is_file() and not prefix:
        possible = [medium for medium in possible if medium.has_class_column]
    confidence = {medium: medium.confidence(path) for medium in possible}
    return path, dict(sorted(confidence.items(), key=lambda item: -item[1]))


def _noted(
    loaded: Dataset | Untokenized, candidates: Mapping[Medium, float], path: Path
) -> Dataset | Untokenized:
    """The data with a note if many files of a folder are of another medium."""
    if not (also := other_media(path, candidates)):
        return loaded
    prefixes = " or ".join(quote(f"{medium}:{path}") for medium in also)
    note = (
        f"read as {next(iter(candidates))}; the folder also holds {' and '.join(map(str, also))}: "
        f"give {prefixes} to read that"
    )
    return replace(loaded, notes=(note, *loaded.notes))  # type: ignore[type-var]


def _suggestion(name: str, path: Path) -> str:
    """Similar names of data sets and of files next to the missing path, or else what `load_data` accepts."""
    siblings = [entry.name for entry in path.parent.iterdir()] if name and path.parent.is_dir() else []
    visible = [each for each in siblings if not each.startswith(".")]
    beside = [str(path.with_name(each)) for each in get_close_matches(path.name, visible)]
    if similar := list(dict.fromkeys([*nearest(name), *beside])):
        return f"did you mean {' or '.join(map(repr, similar))}? `morphogen data` lists the data sets"
    accepted = f"give one of {', '.join(map(repr, NAMED))}, a folder of pictures, texts or sounds, "
    return accepted + "a text file or a table (.csv)"
