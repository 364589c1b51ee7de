"""`morphogen systems`: list the catalogue."""

__all__ = ["systems"]

from morphogen.cli.echo import complain, echo


def systems() -> None:
    """List the named systems with their medium and a summary; those of other packages with the package."""
    from morphogen.catalogue import faults, pages

    width = max(len(name) for name in pages())
    for page in pages().values():
        package = "" if page.package == "morphogen" else f"  [{page.package}]"
        echo(f"{page.name:<{width}}  {page.medium:<8}  {page.summary}{package}")
    for line in faults().values():
        complain(line)
