"""The pictures of `emoji` with several captions each: emojibase-data 17.0.0 beside emoji-datasource-twitter.

    waving hand                        its name in Unicode, with the tone of its skin
    waving hand sign                   its older name, if that is another one
    waving hand: hello, bye            with two of its tags, which begin anew for each tone
    people & body: waving hand         with its category
    hello, bye, wave                   tags alone

Pictures, classes and split are those of `emoji`, so that a model of either may be tested on the other.
"""

__all__ = ["EMOJIBASE_FILES", "captions_of_emoji", "load_emoji_captions"]

import json
from collections.abc import Mapping, Sequence
from typing import Any

from morphogen.data.cache import pinned
from morphogen.data.captioned import CaptionedPictures, captioned
from morphogen.data.emoji import emoji_with

EMOJIBASE_FILES = {
    "data.json": "ed014f1049bd370c5794f815850156196ac382850f51c3e9f6a9e83553fb3f01",
    "messages.json": "6bffab078a0d90c4cca03bd3ff1045fdba33a77d31b1408b1cf1c414d7f1ab3c",
}
TAGS = 3  # in a caption of tags alone; one fewer beside the name
PRESENTATION = "-FE0F"  # of a code: as a picture, which some sources leave out


def load_emoji_captions() -> CaptionedPictures:
    """The emoji, each with up to five captions. Errors: DataError for files that are not in the cache."""
    table, messages = (
        json.loads(pinned("emoji-captions", file, sha)) for file, sha in EMOJIBASE_FILES.items()
    )
    texts = captions_of_emoji(table, messages)
    found: CaptionedPictures = captioned(emoji_with("emoji-captions", texts))
    return found


def captions_of_emoji(
    table: Sequence[Mapping[str, Any]], messages: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """The captions of each emoji by its code, as emojibase describes them, the name first.

    Arguments:
        table: its entries, data.json.
        messages: names of its groups, messages.json.
    """
    groups = {group["order"]: group["message"] for group in messages["groups"]}
    texts = {}
    for entry in table:
        for i, each in enumerate([entry, *entry.get("skins", ())]):
            tags = entry.get("tags", [])
            tags = tags[i % len(tags) :] + tags[: i % len(tags)] if tags else []
            label = each["label"].replace(": ", ", ")
            written = [label]
            if tags:
                written += [f"{label}: {', '.join(tags[: TAGS - 1])}", ", ".join(tags[:TAGS])]
            if entry.get("group") in groups:
                written.append(f"{groups[entry['group']]}: {label}")
            texts[each["hexcode"].replace(PRESENTATION, "")] = tuple(written)
    return texts
