"""Errors that the user can fix, as one line with the remedy."""

__all__ = ["is_shared", "remedy"]

import errno
import os
import re
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from safetensors import SafetensorError

from morphogen.catalogue import UnknownName
from morphogen.cli.bad_argument import BadArgument
from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.data import DataError
from morphogen.rank import FirstRankFailed
from morphogen.run import RunError

OURS = (BadArgument, ConfigError, DataError, RunError, Unsupported, UnknownName)
RENAMED = {  # former commands and options: what to write instead
    "steer": "train-classifier: morphogen train-classifier RUN",
    "--was": "--source-class: morphogen edit PICTURE --source-class CLASS --condition CLASS",
    "--tokens": "--tokenizer: morphogen train gpt --data TEXT --tokenizer bpe:1000",
}
ELSEWHERE = {  # what to write here: the commands and options of other tools for it
    "morphogen train SYSTEM --data DATA": ("fit", "learn", "--system", "--model", "--model-name"),
    "morphogen train --from RUN --data DATA": ("finetune", "fine-tune", "--pretrained", "--init-from"),
    "morphogen train --resume RUN": ("resume", "continue", "--resume-from-checkpoint"),
    "morphogen sample RUN": ("generate", "predict", "infer", "--checkpoint", "--ckpt"),
    "morphogen evaluate RUN": ("eval", "test", "score"),
    "morphogen edit PICTURE --mask MASK": ("inpaint", "img2img", "--mask", "--mask-image"),
    "morphogen edit PICTURE --strength 0.5": ("--image", "--init-image", "--input-image", "--strength"),
    "--prompt TEXT": ("--caption", "--text", "--captions"),
    "--sampler ddim": ("--scheduler",),
    "morphogen edit TABLE.csv": ("fill", "impute", "complete", "fillna", "fill-in", "imputation"),
    "morphogen compare DATA --time 30s": ("benchmark",),
    "morphogen systems": ("list", "models"),
    "--data DATA": ("--dataset", "--data-dir", "--train-data-dir", "--dataset-name"),
    "--steps 1000 or --time 5m": ("--epochs", "--num-epochs", "--num-train-epochs", "--max-epochs"),
    "--steps": ("--num-steps", "--max-steps", "--max-train-steps", "--num-inference-steps", "--iterations"),
    "--n 4": (
        *("--num-samples", "--n-samples", "--num-rows", "--n-rows", "--num-records", "--rows", "--count"),
        *("--num-images", "--num-images-per-prompt"),
    ),
    "--guidance 3": ("--guidance-scale", "--cfg-scale", "--cfg", "--scale"),
    "--negative CLASS": ("--negative-prompt",),
    "--condition CLASS": ("--class", "--label", "--classes", "--class-label"),
    "--set plan.batch=32": ("--batch-size", "--batch", "--train-batch-size"),
    "--set plan.optimizer.lr=0.001": ("--learning-rate", "--lr"),
    "--resolution 32": ("--image-size", "--img-size"),
    "--max-new 100": ("--length", "--max-new-tokens", "--max-tokens", "--max-length"),
    "--out FOLDER or --out FILE, or for train --runs FOLDER": (
        *("--output", "--output-dir", "--outdir", "--output-file", "--output-path", "--save-to"),
    ),
    "--runs FOLDER": ("--out",),  # of train, which has no --out
    "--precision bf16": ("--mixed-precision", "--fp16", "--bf16"),
}
FULL = "free some space there, or write elsewhere"
CLOSED = "change its permissions, or choose another place"
NOT_FOUND = "check the path"
REMEDIES = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: FULL,
    errno.EIO: "check the disk, or write elsewhere",
    errno.EACCES: CLOSED,
    errno.EPERM: CLOSED,
    errno.EROFS: CLOSED,
    errno.ENOENT: NOT_FOUND,
    errno.ENOTDIR: NOT_FOUND,
    errno.EISDIR: NOT_FOUND,
    errno.EEXIST: NOT_FOUND,
    errno.ENAMETOOLONG: NOT_FOUND,
    errno.EMFILE: "raise the limit of open files: ulimit -n",
}


def remedy(error: BaseException) -> str | None:
    """The line to print for an error; None for a bug, which should end in a traceback."""
    if isinstance(error, OURS):
        return " ".join(str(error).split())
    if hasattr(error, "format_message"):  # an error of typer: an unknown option, a value of the wrong type
        return _usage_error(error, error.format_message())
    if isinstance(error, OSError):
        return _system_error(error)
    if isinstance(error, SafetensorError) and (code := re.search(r"os error (\d+)", str(error))):
        return _system_error(OSError(int(code[1]), os.strerror(int(code[1]))))
    if _is_disconnected(error):
        return (
            "another process of this launch has ended, so this one stops too; see the message of that process"
        )
    if _is_out_of_memory(error):
        return "out of memory; use a smaller --size, --resolution or batch: --set plan.batch=16"
    return None


def is_shared(error: BaseException) -> bool:
    """Whether all processes of a launch raise this error, as for bad arguments and data.

    Disks, memory and connections fail per process.
    """
    return isinstance(error, (*OURS, FirstRankFailed)) or hasattr(error, "format_message")


def _usage_error(error: BaseException, message: str) -> str:
    see = f"see: morphogen {_command(error)}--help"
    unknown = re.match(r"No such (?:command|option):? '?(-*[\w-]+)", message)
    name = "" if unknown is None else unknown[1]
    if name in RENAMED:
        return f"{name} is now {RENAMED[name]}"
    options = _options(error)
    if name.startswith("--") and (near := get_close_matches(name, options, n=1, cutoff=0.85)):
        return f"there is no {name}; did you mean {near[0]}? {see}"
    for here, names in ELSEWHERE.items():
        is_here = not here.startswith("--") or not options or options & set(here.replace(",", "").split())
        if name.replace("_", "-") in names and is_here:
            return f"there is no {name}; write {here}; {see}"
    if extra := re.fullmatch(r"Got unexpected extra argument\S* \((.*)\)", message):
        return _extra_argument(error, extra[1], options, see)
    return f"{' '.join(message.split()).rstrip('.')}; {see}"


def _extra_argument(error: BaseException, extra: str, options: set[str], see: str) -> str:
    """Words too many: a path with spaces, or data without their option."""
    context: Any = getattr(error, "ctx", None)
    for given in filter(None, {} if context is None else context.params.values()):
        if isinstance(given, str) and Path(path := f"{given} {extra}").expanduser().exists():
            return f"{given} {extra} are several words; quote a path with spaces: {quote(path)}"
    if "--data" in options:
        return f"{extra}: data are given with --data: --data {quote(extra)}; {see}"
    return f"{extra}: one word too many; leave it out, or quote a path with spaces; {see}"


def _options(error: BaseException) -> set[str]:
    """The options of the command in which a usage error occurred."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    return {
        name for parameter in getattr(command, "params", ()) for name in parameter.opts if name[:2] == "--"
    }


def _system_error(error: OSError) -> str | None:
    """A full disk, missing permissions, a missing path; None for errors of pipes and networks."""
    if error.filename is None and error.errno not in REMEDIES:
        return None
    file = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
    path = "" if file is None else f"{file}: "
    fix = REMEDIES.get(error.errno or 0, "check the path, its permissions and the free space")
    return f"{path}{error.strerror}; {fix}"


def _is_disconnected(error: BaseException) -> bool:
    closed = isinstance(error, RuntimeError) and "onnection closed by peer" in str(error)
    return isinstance(error, FirstRankFailed) or closed


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    message = r"can't allocate memory|not enough memory|out of memory"
    return isinstance(error, RuntimeError) and re.search(message, str(error)) is not None


def _command(error: BaseException) -> str:
    """The command in which a usage error occurred, with a space behind."""
    context = getattr(error, "ctx", None)
    return f"{context.info_name} " if context is not None and context.parent is not None else ""
