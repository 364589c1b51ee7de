"""morphogen data: the data sets known by name; morphogen data get NAME: fetch one from its home."""

__all__ = ["data"]

from typing import Annotated

from typer import Argument


def data(
    action: Annotated[str, Argument(help="list, or get")] = "list",
    names: Annotated[list[str] | None, Argument(help="what to get")] = None,
) -> None:
    """List the data sets known by name: what each is, its licence, where it comes from, whether it is here; or get some."""
    import typer

    from morphogen.cli.arguments import BadArgument
    from morphogen.data import DataError
    from morphogen.data.fetch import get
    from morphogen.data.named import NAMED, nearest

    if action == "get":
        for name in names or []:
            if name not in NAMED:
                raise DataError(f"data {name!r}: unknown; did you mean {', '.join(nearest(name) or NAMED)}?")
        if not names:
            raise BadArgument(f"data get: name what to get: {', '.join(NAMED)}")
        for name in names:
            get(NAMED[name], typer.echo)
        return
    if action != "list" or names:
        raise BadArgument(f"data {' '.join([action, *(names or [])])}: write `morphogen data` or `morphogen data get NAME`")
    width = max(map(len, NAMED))
    for source in NAMED.values():
        typer.echo(f"{source.name:<{width}}  {'here' if source.here else '-':<4}  {source.what}")
        typer.echo(f"{'':<{width}}        {source.licence}; {source.size}; {source.origin}")
    typer.echo("\nNot here: morphogen data get NAME. Or your own: a folder of pictures, a text file, hf:owner/name.")
