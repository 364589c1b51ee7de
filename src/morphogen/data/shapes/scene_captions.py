"""Captions of scenes in a small grammar, and what a caption of this grammar says.

    caption     prefix? object | prefix? object relation object
                | prefix? object relation object "and" relation object
    prefix      "a picture of" | "a drawing of"
    object      article size? colour shape       "a small red circle", "the blue box"
    article     "a" ("an" before a vowel) | "the"
    size        "small" | "little" | "large" | "big"            one object in four: not said
    shape       "circle" | "disc" | "square" | "box" | "triangle" | "cross" | "plus"
    relation    "above" | "over" | "below" | "under" | ("to the")? "left of" | ("to the")? "right of"

The first object is the subject of the relations; in a caption of two objects either can be. Every caption of
a scene is true of it, and no two words mean the same thing twice: a caption can be read back exactly, except
for a size that it does not say. No paper: a grammar of our own.
"""

__all__ = ["read_captions", "write_captions"]

import re
from collections.abc import Mapping, Sequence

import torch

from morphogen.component import ConfigError
from morphogen.data.shapes.scenes import COLOURS, OBJECTS, RELATIONS, SHAPES, SIZES, Scenes
from morphogen.numerics.randomness import Rng
from morphogen.similar_names import did_you_mean, list_names

PREFIXES = ("", "", "a picture of ", "a drawing of ")
ARTICLES = ("a", "a", "a", "the")
SIZE_WORDS = {"small": ("small", "little"), "large": ("large", "big")}
SHAPE_WORDS = {
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "cross": ("cross", "plus"),
}
RELATION_WORDS = {
    "above": ("above", "over"),
    "below": ("below", "under"),
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
}
CHOICES = 3 * OBJECTS + OBJECTS + 2  # random numbers of a caption
PREFIX = re.compile("|".join(sorted(filter(None, PREFIXES))))
RELATION = re.compile(
    r" (?:and )?({}) ".format("|".join(sorted(sum(RELATION_WORDS.values(), ()), key=len, reverse=True)))
)
OBJECT = re.compile(r"(?:an?|the) (?:(\w+) )?(\w+) (\w+)")


def write_captions(scenes: Scenes, rng: Rng) -> list[str]:
    """A caption of each scene, one of the many that the grammar has for it.

    Arguments:
        scenes: B scenes.
        rng: of B rows.
    """
    fields = (scenes.shape, scenes.colour, scenes.size, scenes.relation, rng.integers(2**16, CHOICES))
    return [_write(*row) for row in zip(*(field.tolist() for field in fields), strict=True)]


def read_captions(captions: Sequence[str]) -> Scenes:
    """What captions say, without positions: the objects in the order of the caption, -1 for what is not said.

    Errors: ConfigError for a caption that is not of the grammar, with the word that is not.
    """
    said = [_read(caption) for caption in captions]
    shape, colour, size = (
        torch.tensor(
            [[objects[i][k] if i < len(objects) else -1 for i in range(OBJECTS)] for objects, _ in said]
        ).reshape(-1, OBJECTS)
        for k in range(3)
    )
    relation = torch.tensor([[*relations, -1, -1][: OBJECTS - 1] for _, relations in said])
    nowhere = torch.full((len(said), OBJECTS, 2), torch.nan)
    return Scenes(shape, colour, size, relation.reshape(-1, OBJECTS - 1), nowhere)


def _write(
    shapes: list[int], colours: list[int], sizes: list[int], relations: list[int], choices: list[int]
) -> str:
    prefix, swap, *rest = choices
    phrases = [
        _phrase(shape, colour, size, rest[3 * i : 3 * i + 3])
        for i, (shape, colour, size) in enumerate(zip(shapes, colours, sizes, strict=True))
        if shape >= 0
    ]
    relations = [relation for relation in relations if relation >= 0]
    if len(phrases) == 2 and swap % 2:
        phrases, relations = (
            phrases[::-1],
            [relations[0] ^ 1],
        )  # above and below, left and right are neighbours
    caption = PREFIXES[prefix % len(PREFIXES)] + phrases[0]
    words = [RELATION_WORDS[RELATIONS[relation]] for relation in relations]
    chosen = [each[rest[3 * OBJECTS + i] % len(each)] for i, each in enumerate(words)]
    ends = [f"{relation} {phrase}" for relation, phrase in zip(chosen, phrases[1:], strict=True)]
    return " ".join([caption, *" and ".join(ends).split()])


def _phrase(shape: int, colour: int, size: int, choices: list[int]) -> str:
    """An object in words."""
    article, quarter, noun = choices
    sizes, shapes = SIZE_WORDS[SIZES[size]], SHAPE_WORDS[SHAPES[shape]]
    said = [sizes[quarter // 4 % len(sizes)]] if quarter % 4 else []
    words = [*said, list(COLOURS)[colour], shapes[noun % len(shapes)]]
    first = ARTICLES[article % len(ARTICLES)]
    return " ".join([first + "n" * (first == "a" and words[0][0] in "aeiou"), *words])


def _read(caption: str) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Shape, colour and size of each object that a caption says, and the relations."""
    text = " ".join(caption.lower().split()).rstrip(".!")
    text = text[match.end() :] if (match := PREFIX.match(text)) else text
    first, *rest = RELATION.split(text)
    objects = [_read_object(phrase, caption) for phrase in (first, *rest[1::2])]
    if len(objects) > OBJECTS:
        raise ConfigError(f"caption {caption!r:.80} has {len(objects)} objects: give {OBJECTS} at most")
    return objects, [_index(word, RELATION_WORDS, "relation", caption) for word in rest[::2]]


def _read_object(phrase: str, caption: str) -> tuple[int, int, int]:
    """Errors: ConfigError for an object without a colour, and for words that are not of the grammar."""
    match = OBJECT.fullmatch(phrase)
    if match is None:
        raise ConfigError(
            f"caption {caption!r:.80}: {phrase!r:.40} is no object: write it like 'a small red circle', and "
            f"relations like '{list_names(list(RELATIONS))}'"
        )
    size, colour, shape = match.groups()
    known = {name: (name,) for name in COLOURS}
    return (
        _index(shape, SHAPE_WORDS, "shape", caption),
        _index(colour, known, "colour", caption),
        -1 if size is None else _index(size, SIZE_WORDS, "size", caption),
    )


def _index(word: str, names: Mapping[str, tuple[str, ...]], what: str, caption: str) -> int:
    """The place of the name that a word means. Errors: ConfigError with the words that there are."""
    for place, words in enumerate(names.values()):
        if word in words:
            return place
    known = [each for words in names.values() for each in words]
    raise ConfigError(
        f"caption {caption!r:.80}: no {what} is called {word!r}; {did_you_mean(word, known)}"
        f"the {what}s are {', '.join(known)}"
    )
