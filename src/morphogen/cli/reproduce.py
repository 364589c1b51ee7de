"""`morphogen reproduce RECIPE`: measure a stored figure again."""

__all__ = ["reproduce"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli.echo import echo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from morphogen.recipes import Finding, Interval


def reproduce(
    name: Annotated[
        str | None, Argument(metavar="RECIPE", help="name of a recipe (default: list all recipes)")
    ] = None,
    trained: Annotated[
        Path | None,
        Option("--from", help="measure the models that an earlier training saved in this directory"),
    ] = None,
    store: Annotated[bool, Option(help="store the measured figures as the recipe's record")] = False,
) -> None:
    """Measure the figures of a recipe again.

    Prints them next to the stored and the published ones.
    """
    from morphogen import recipes
    from morphogen.recipes import records

    if name is None:
        width = max(map(len, recipes.RECIPES))
        for key, recipe in recipes.RECIPES.items():
            note = "" if records.read(key) else " (not measured yet)"
            echo(f"{key:<{width}}  {recipe.minutes:>3} min  {recipe.description}{note}")
        return
    stored, recipe = records.read(name), recipes.recipe(name)
    if trained is None:
        echo(f"{name}: {recipe.description}; about {recipe.minutes} min on two cores")
    else:
        echo(f"{name}: measuring {trained}")
    measured = recipes.run(name, trained)
    if store:
        records.store(name, measured)
    for line in _lines(recipes.findings(measured, stored)):
        echo(line)
    for system in measured["models"]:
        echo(f"{system}, published: {recipes.PUBLISHED.get(system, 'no figure')}")
    if stored is not None:
        echo(f"stored: {_origin(stored)}\nnow:    {_origin(measured)}")


def _lines(findings: "list[Finding]") -> "Iterator[str]":
    """One line per figure."""
    width = max(len(finding.name) for finding in findings)
    yield f"{'':<{width}}  {'measured':>26}  {'stored':>26}"
    for finding in findings:
        reason = f"not comparable: {finding.reason}" if finding.reason else ""
        verdict = {True: "agrees", False: "differs", None: reason}[finding.agrees]
        measured, stored = _format(finding.measured), _format(finding.stored)
        yield f"{finding.name:<{width}}  {measured:>26}  {stored:>26}  {verdict}".rstrip()


def _format(interval: "Interval | None") -> str:
    return "-" if interval is None else f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _origin(record: "Mapping[str, Any]") -> str:
    """When, where and with what a record was measured."""
    version = record["versions"]["torch"]
    return f"{record['date']}, {record['machine']}, torch {version}, seed {record['seed']}"
