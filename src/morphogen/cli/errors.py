"""Which errors are a person's to mend, and the one line that tells how."""

__all__ = ["remedy"]

from morphogen.catalogue import UnknownSystem
from morphogen.cli.arguments import BadArgument
from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.data import DataError
from morphogen.run import RunError


def remedy(error: Exception) -> str | None:
    """The line for the person; None: a bug of ours, which deserves its traceback."""
    if isinstance(error, BadArgument | ConfigError | DataError | RunError | Unsupported | UnknownSystem):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; check the path, its permissions and the free space"
    return None
