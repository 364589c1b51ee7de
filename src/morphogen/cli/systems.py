"""morphogen systems: the catalogue."""

__all__ = ["systems"]


def systems() -> None:
    """List the named systems, what each is, and the medium it is written for."""
    import typer

    from morphogen.catalogue import pages

    width = max(len(name) for name in pages())
    for page in pages().values():
        typer.echo(f"{page.name:<{width}}  {page.medium:<8}  {page.summary}")
