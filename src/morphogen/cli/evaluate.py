"""morphogen evaluate RUN: how good one trained model is, beside real data and lossless codecs."""

__all__ = ["evaluate"]

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def evaluate(
    run: Annotated[Path | None, Argument(help="a run directory; default: the newest in runs/")] = None,
    n: Annotated[int | None, Option(help="samples; default: as many as are held out, at most 1000")] = None,
    runs: Annotated[Path, Option(help="where to look for the newest run")] = Path("runs"),
    weights: Annotated[str, Option(help="also what it costs to hold matrices as bf16 or int8")] = "fp32",
    device: Annotated[str, Option(help="cpu, cuda or auto")] = "auto",
) -> None:
    """Measure a run on the held-out part of its data; the figures and their intervals go into RUN/evaluation.json."""
    from rich.console import Console

    from morphogen.cli.arguments import choose_device, choose_weights
    from morphogen.compare import evaluate as measure
    from morphogen.compare import table, weigh
    from morphogen.rank import Rank
    from morphogen.run import Run

    held = choose_weights(weights)
    chosen = Run.open(run) if run else Run.latest(runs)
    rank = Rank.here(device)
    report = measure(chosen, n, choose_device(device), rank)
    console = Console()
    console.print(table(report))
    console.print(str(chosen.directory / "evaluation.json"), soft_wrap=True, highlight=False)
    if held is not None:
        cost = weigh(chosen, held, n, choose_device(device))
        extra, less = cost["extra"], cost["bytes_held"] / cost["bytes_trained"]
        console.print(
            f"{weights}: {extra['value']:+.5f} {report['unit']} ({extra['low']:+.5f} to {extra['high']:+.5f}), "
            f"perplexity x {2 ** extra['value']:.5f}, {less:.0%} of the bytes", soft_wrap=True, highlight=False,
        )  # fmt: skip
