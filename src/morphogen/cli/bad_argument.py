"""The error of an invalid argument of the command line."""

__all__ = ["BadArgument"]


class BadArgument(ValueError):
    """An invalid argument of the command line; the message names it, its value and the remedy."""
