"""Which errors are a person's to mend, and the one line that tells how."""

__all__ = ["remedy", "same_everywhere"]

import errno
import os
import re

import torch
from safetensors import SafetensorError

from morphogen.catalogue import UnknownName
from morphogen.cli.arguments import BadArgument
from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.data import DataError
from morphogen.rank import FirstFailed
from morphogen.run import RunError

OURS = (BadArgument, ConfigError, DataError, RunError, Unsupported, UnknownName)
FULL = "free some space there, or write elsewhere"
CLOSED = "change its permissions, or choose another place"
NOT_THERE = "check the path"
REMEDIES = {
    errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EFBIG: FULL, errno.EIO: "check the disk, or write elsewhere",
    errno.EACCES: CLOSED, errno.EPERM: CLOSED, errno.EROFS: CLOSED,
    errno.ENOENT: NOT_THERE, errno.ENOTDIR: NOT_THERE, errno.EISDIR: NOT_THERE, errno.EEXIST: NOT_THERE,
    errno.ENAMETOOLONG: NOT_THERE, errno.EMFILE: "raise the limit of open files: ulimit -n",
}  # fmt: skip


def remedy(error: BaseException) -> str | None:
    """The line for the person; None: a bug of ours, which deserves its traceback."""
    if isinstance(error, OURS):
        return " ".join(str(error).split())
    if hasattr(error, "format_message"):  # of typer's own copy of click: an option that there is not, a word where a number is needed
        return f"{' '.join(error.format_message().split()).rstrip('.')}; see: morphogen {_verb(error)}--help"
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, SafetensorError) and (found := re.search(r"os error (\d+)", str(error))):
        return _of_the_system(OSError(int(found[1]), os.strerror(int(found[1]))))
    if _is_parted(error):
        return "another of the processes has ended, and this one cannot go on alone; that one says why"
    if _is_out_of_memory(error):
        return "the memory is full; take a smaller --size or --resolution, or fewer rows a step: --set plan.batch=16"
    return None


def same_everywhere(error: BaseException) -> bool:
    """Whether all processes of a launch meet it: they read the same words and data; a disk, a memory, a connection is their own."""
    return isinstance(error, (*OURS, FirstFailed)) or hasattr(error, "format_message")


def _of_the_system(error: OSError) -> str | None:
    """A full disk, a closed door, a path that is not there; None for what no disk says (a broken pipe, a network)."""
    if error.filename is None and error.errno not in REMEDIES:
        return None
    where = "" if error.filename is None else f"{os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename}: "
    return f"{where}{error.strerror}; {REMEDIES.get(error.errno or 0, 'check the path, its permissions and the free space')}"


def _is_parted(error: BaseException) -> bool:
    return isinstance(error, FirstFailed) or (isinstance(error, RuntimeError) and "onnection closed by peer" in str(error))


def _is_out_of_memory(error: BaseException) -> bool:
    says = isinstance(error, RuntimeError) and re.search(r"can't allocate memory|not enough memory|out of memory", str(error))
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or bool(says)


def _verb(error: BaseException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.info_name} " if context is not None and context.parent is not None else ""
