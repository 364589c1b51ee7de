"""morphogen reproduce RECIPE: a stored figure measured again."""

__all__ = ["reproduce"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from morphogen.recipes import Finding, Interval


def reproduce(
    name: Annotated[str | None, Argument(metavar="RECIPE", help="a recipe; without one, they are listed")] = None,
    trained: Annotated[Path | None, Option("--from", help="measure what an earlier training left in this directory")] = None,
    store: Annotated[bool, Option(help="make what was measured the stored record")] = False,
) -> None:
    """Run a recipe and print what it measures beside the stored figures and the paper's."""
    import typer

    from morphogen import recipes
    from morphogen.recipes import records

    if name is None:
        width = max(map(len, recipes.RECIPES))
        for known, recipe in recipes.RECIPES.items():
            typer.echo(f"{known:<{width}}  {recipe.minutes:>3} min  {recipe.what}{'' if records.read(known) else ' (not measured yet)'}")
        return
    before, recipe = records.read(name), recipes.recipe(name)
    typer.echo(f"{name}: {recipe.what}; about {recipe.minutes} min on two cores" if trained is None else f"{name}: measuring {trained}")
    measured = recipes.run(name, trained)
    if store:
        records.store(name, measured)
    for line in _lines(recipes.findings(measured, before)):
        typer.echo(line)
    for system in measured["models"]:
        typer.echo(f"{system}, published: {recipes.PUBLISHED.get(system, 'no figure')}")
    if before is not None:
        typer.echo(f"stored: {_made(before)}\nnow:    {_made(measured)}")


def _lines(found: "list[Finding]") -> "Iterator[str]":
    """A line a figure."""
    width = max(len(finding.name) for finding in found)
    yield f"{'':<{width}}  {'measured':>26}  {'stored':>26}"
    for finding in found:
        verdict = {True: "agrees", False: "differs", None: ""}[finding.agrees]
        yield f"{finding.name:<{width}}  {_written(finding.measured):>26}  {_written(finding.stored):>26}  {verdict}".rstrip()


def _written(interval: "Interval | None") -> str:
    return "-" if interval is None else f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _made(record: "Mapping[str, Any]") -> str:
    """By what, and when."""
    return f"{record['date']}, {record['machine']}, torch {record['versions']['torch']}, seed {record['seed']}"
