"""morphogen compare DATA: one model per family at an equal budget, on one split."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def compare(
    data: Annotated[str, Argument(help="digits, a folder of pictures or a text file")],
    budget: Annotated[str, Option(help="training time of each family: 30s, 10m, 1h")] = "30s",
    systems: Annotated[str | None, Option(help="comma-separated; default: one per family that fits the data")] = None,
    size: Annotated[str, Option(help="tiny, small or paper")] = "small",
    resolution: Annotated[int | None, Option(help="side of the pictures in pixels")] = None,
    out: Annotated[Path | None, Option(help="where to write; default: runs/compare-DATA-001")] = None,
    seed: int = 0,
    device: Annotated[str, Option(help="cpu, cuda or auto")] = "auto",
) -> None:
    """One model per family, equal training time, the same held-out data: a table, report.json and samples.png."""
    from rich.console import Console

    from morphogen.cli.arguments import choose_device, seconds
    from morphogen.compare import Comparison
    from morphogen.data import load
    from morphogen.training.progress import Progress

    console = Console()
    comparison = Comparison(
        load(data, resolution), seconds(budget), directory=out, systems=systems.split(",") if systems else None, size=size,
        seed=seed, device=choose_device(device),
    )  # fmt: skip
    console.print(comparison.announcement())
    for row in comparison.run(Progress(console)):
        console.print(f"  {row['system']}: done, {row['train_seconds']:.0f} s of training", highlight=False)
    console.print(comparison.table())
    console.print(f"{comparison.directory / 'report.json'}\n{comparison.directory / 'samples.png'}", soft_wrap=True)
