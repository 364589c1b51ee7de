"""`morphogen evaluate [RUN]`: evaluate a trained model next to real data and lossless codecs."""

__all__ = ["evaluate"]

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from morphogen.cli.arguments import choose_device, choose_weights
from morphogen.cli.options import Device, Runs
from morphogen.cli.run_choice import choose_run

RunDirectory = Annotated[
    Path | None, Argument(help="a run directory (default: the newest finished one in the folder of --runs)")
]
SampleCount = Annotated[
    int | None,
    Option("--n", "-n", help="number of samples (default: the number of held-out examples, at most 1000)"),
]
Weights = Annotated[
    str, Option(help="bf16, int8 or int4: also measure the cost of storing weight matrices in this format")
]


def evaluate(
    run: RunDirectory = None,
    n: SampleCount = None,
    runs: Runs = Path("runs"),
    weights: Weights = "fp32",
    device: Device = "auto",
) -> None:
    """Evaluate a run on the held-out split of its data.

    Prints likelihood and sample quality next to real data and lossless codecs; writes RUN/evaluation.json
    and, for pictures, RUN/copies.png: the samples most like a copy above their nearest training examples.
    """
    from morphogen.cli.console import PlainConsole
    from morphogen.compare import evaluate as evaluate_run
    from morphogen.compare import table, weight_format_cost
    from morphogen.rank import Rank

    weight_format = choose_weights(weights)
    rank = Rank.initialize(device)
    chosen = choose_run(run, runs, rank)
    console = PlainConsole()

    def tell(line: str) -> None:
        console.print(f"{chosen.directory}: {line}", soft_wrap=True, highlight=False)

    report = evaluate_run(chosen, n, choose_device(device), rank, tell)
    console.print(table(report))
    lines = [*_limits(report), str(chosen.directory / "evaluation.json")]
    console.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)
    if weight_format is not None:
        cost = weight_format_cost(chosen, weight_format, n, choose_device(device))
        extra, size = cost["extra"], cost["bytes_held"] / cost["bytes_trained"]
        interval = f"({extra['low']:+.5f} to {extra['high']:+.5f})"
        console.print(
            f"{weights}: {extra['value']:+.5f} {report['unit']} {interval}, "
            f"perplexity x {2 ** extra['value']:.5f}, {size:.0%} of the bytes",
            soft_wrap=True,
            highlight=False,
        )


def _limits(report: dict[str, Any]) -> list[str]:
    """What a reader must know before the figures, and the rules of a table that the model breaks."""
    from morphogen.cli.broken_rules import broken_rules
    from morphogen.report.caveats import caveats

    broken = broken_rules(report["rows"][-1])
    return [*caveats(report["rows"], report.get("features")), *([broken] if broken else [])]
