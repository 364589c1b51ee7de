"""`morphogen data`: list the named data sets and networks; `morphogen data get NAME`: download one."""

__all__ = ["data"]

from typing import Annotated

from typer import Argument

from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import echo


def data(
    action: Annotated[str, Argument(help="list, or get")] = "list",
    names: Annotated[list[str] | None, Argument(help="with get: names to download")] = None,
) -> None:
    """List the named data sets and the pretrained networks, or download some of them.

    The list has the licence, size and origin of each. `morphogen data get NAME ...` downloads.
    """
    from morphogen.data import DataError
    from morphogen.data.fetch import SOURCES, get
    from morphogen.data.named import nearest

    if action == "get":
        for name in names or []:
            if name not in SOURCES:
                raise DataError(
                    f"data {name!r}: unknown; did you mean {', '.join(nearest(name) or SOURCES)}?"
                )
        if not names:
            raise BadArgument(f"data get: name one or more of {', '.join(SOURCES)}")
        for name in names:
            get(SOURCES[name], echo)
        return
    if action != "list" or names:
        words = " ".join([action, *(names or [])])
        raise BadArgument(f"data {words}: write `morphogen data` or `morphogen data get NAME`")
    width = max(map(len, SOURCES))
    for source in SOURCES.values():
        echo(f"{source.name:<{width}}  {'here' if source.available else '-':<4}  {source.description}")
        echo(f"{'':<{width}}        {source.licence}; {source.size}; {source.origin}")
    echo(
        "\nDownload one (-): morphogen data get NAME. Or use your own: a folder of pictures, a text file, "
        "hf:owner/name."
    )
