"""`morphogen systems`: list the catalogue."""

__all__ = ["systems"]

import typer


def systems() -> None:
    """List the named systems with their medium and a summary."""
    from morphogen.catalogue import pages

    width = max(len(name) for name in pages())
    for page in pages().values():
        typer.echo(f"{page.name:<{width}}  {page.medium:<8}  {page.summary}")
