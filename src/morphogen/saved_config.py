"""Files that hold configs: each has the number of its format next to the config.

    config.json of a saved model    {"format": 1, "config": {"part": "Model", ...}, "conditions": {...}}

The number belongs to the file, not to the config, so that hashes of configs do not depend on it. It is
increased when files written before can no longer be loaded: a renamed part or argument, or renamed weights.
"""

__all__ = ["FORMAT", "check_directory", "check_format", "read_conditions", "read_config", "write_config"]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morphogen.component import ConfigError
from morphogen.files import write_json

FORMAT = 1
WEIGHT_FILES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pkl", ".pickle", ".joblib", ".h5", ".onnx")


def check_directory(directory: str | Path) -> None:
    """Errors: ConfigError for the name of a file of weights: a model is saved as a directory."""
    if (path := Path(directory)).suffix.lower() in WEIGHT_FILES and not path.is_dir():
        raise ConfigError(
            f"save: {str(directory)!r} is the name of a file, and a model is saved as a directory with "
            f"config.json and weights.safetensors: write mg.save(model, {str(path.with_suffix(''))!r})"
        )


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
