"""Files that hold configs: each has the number of its format next to the config.

    config.json of a saved model    {"format": 1, "config": {"part": "Model", ...}, "conditions": {...}}

The number belongs to the file, not to the config, so that hashes of configs do not depend on it. It is
increased when files written before can no longer be loaded: a renamed part or argument, or renamed weights.
"""

__all__ = [
    "CONFIG",
    "FORMAT",
    "FROM_HUB",
    "WEIGHTS",
    "check_directory",
    "check_format",
    "check_replaced",
    "read_conditions",
    "read_config",
    "saved_folder",
    "write_config",
]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morphogen.component import ConfigError
from morphogen.files import MANIFEST, find_fault, write_json

FORMAT = 1
CONFIG, WEIGHTS = "config.json", "weights.safetensors"  # of a saved model
FROM_HUB = "nothing is downloaded from a hub: get the folder of the pipeline, and write diffusers:FOLDER"
IN_RUN = "run.json", "checkpoints"  # beside the model of a training
WEIGHT_FILES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pkl", ".pickle", ".joblib", ".h5", ".onnx")


def check_directory(directory: str | Path) -> Path:
    """The folder to save a model in.

    Errors: ConfigError for the name of a file of weights, as a model is saved as a directory, and for a
    directory where files of the same names are of someone else.
    """
    path = Path(directory).expanduser()
    if path.suffix.lower() in WEIGHT_FILES and not path.is_dir():
        raise ConfigError(
            f"save: {str(directory)!r} is the name of a file, and a model is saved as a directory with "
            f"config.json and weights.safetensors: write mg.save(model, {str(path.with_suffix(''))!r})"
        )
    present = [path / name for name in (CONFIG, MANIFEST, WEIGHTS) if (path / name).exists()]
    if present and not _is_saved(path):
        raise ConfigError(
            f"save: {present[0]} is not of a model saved before, and is kept: "
            f"write mg.save(model, {str(path / 'model')!r})"
        )
    return path


def check_replaced(folder: Path) -> None:
    """Errors: ConfigError for a folder that a training would replace, and that is not of a saved model."""
    if folder.is_dir() and any(folder.iterdir()) and not _is_saved(folder):
        raise ConfigError(
            f"directory={str(folder.parent)!r}: {folder} is not of a model saved before, and is kept: "
            f"give directory={str(folder.parent / 'training')!r}"
        )


def saved_folder(path: Path) -> Path:
    """The folder of a saved model: the path itself, or that of the model in a run or a training's directory.

    Errors: ConfigError with what it is instead, or with the file that is missing or damaged.
    """
    is_whole = (path / CONFIG).exists() or not (path / "model" / CONFIG).exists()
    folder = path if is_whole else path / "model"
    if path.is_file():
        raise ConfigError(_of_file(path))
    if not path.is_dir():
        hub = "" if path.parent.exists() else f"; {FROM_HUB}"
        raise ConfigError(f"{path} does not exist: give the directory of a saved model{hub}")
    if (path / "model_index.json").exists():
        raise ConfigError(f"{path} is a pipeline of diffusers: write diffusers:{path}")
    if (path / "run.json").exists() and folder == path:
        raise ConfigError(f"{path} is a run without a model: train it again, or give another directory")
    if (fault := find_fault(folder, sealed=False)) is not None:
        raise ConfigError(f"{folder}/{fault}")
    if missing := [folder / file for file in (CONFIG, WEIGHTS) if not (folder / file).exists()]:
        raise ConfigError(f"{missing[0]} is missing")
    return folder


def write_config(path: Path, config: Mapping[str, Any], conditions: Mapping[str, Any] | None = None) -> None:
    """Write the config of a saved model atomically, and those of its conditions, which it does not need."""
    write_json(
        path, {"format": FORMAT, "config": config} | ({"conditions": conditions} if conditions else {})
    )


def read_config(path: Path) -> Any:
    """Return the config of a saved model. Errors: ConfigError if it cannot be read or has another format."""
    try:
        content = json.loads(path.read_text(encoding="utf8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} does not describe a model ({str(error).splitlines()[0]})") from None
    check_format(content, path, "load it with the version that saved it, or train it again")
    return content.get("config")


def read_conditions(path: Path) -> Mapping[str, Any]:
    """Return the configs of the conditions next to a valid config; {}: none were saved."""
    conditions = json.loads(path.read_text(encoding="utf8")).get("conditions")
    return conditions if isinstance(conditions, Mapping) else {}


def check_format(content: Any, path: Path, remedy: str) -> None:
    """Check the format number of a file.

    Arguments:
        content: the parsed file.
        path: of the file, for the message.
        remedy: what to do about an older file; a newer one needs a newer version of morphogen.

    Errors: ConfigError with the file, both numbers and the remedy.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path} does not describe a model: it is not a JSON object")
    found = content.get("format")
    if type(found) is int and found == FORMAT:
        return
    newer = type(found) is int and found > FORMAT
    stated = "no format number" if found is None else f"format {json.dumps(found)[:20]}"
    raise ConfigError(
        f"{path} has {stated}, this version of morphogen reads format {FORMAT}: "
        f"{'upgrade morphogen' if newer else remedy}"
    )


def _is_saved(folder: Path) -> bool:
    """Whether a directory is that of a saved model of any format, or of a run's, though it may be damaged."""
    config, manifest = (_keys(folder / name) for name in (CONFIG, MANIFEST))
    of_run = folder.name == "model" and any((folder.parent / name).exists() for name in IN_RUN)
    return of_run or config >= {"format", "config"} or manifest >= {CONFIG, WEIGHTS}


def _keys(path: Path) -> set[str]:
    """The keys of a JSON file; none if it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError, RecursionError):
        return set()
    return set(content) if isinstance(content, Mapping) else set()


def _of_file(path: Path) -> str:
    """What to give in place of a file."""
    if (path.parent / CONFIG).exists():
        return f"{path} is a file: give the directory of a saved model, {str(path.parent)!r}"
    what = "a file of weights" if path.suffix.lower() in WEIGHT_FILES else "a file"
    return (
        f"{path} is {what}, and a model is saved as a directory with {CONFIG} and {WEIGHTS}: build the "
        "model, then model.load_state_dict(weights), or mg.save(model, 'model') where it was made"
    )
