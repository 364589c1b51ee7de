"""morphogen sample [RUN]: draws from a trained model, in the medium's own format."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def sample(
    run: Annotated[Path | None, Argument(help="a run directory; default: the newest in runs/")] = None,
    n: Annotated[int, Option(help="how many")] = 16,
    condition: Annotated[str | None, Option(help="a class, by name or number; default: each sample draws one")] = None,
    prompt: Annotated[str | None, Option(help="how the text begins")] = None,
    sampler: Annotated[str | None, Option(help="ddpm, ddim, ancestral, ...; default: the paper's")] = None,
    steps: Annotated[int | None, Option(help="evaluations of the denoiser")] = None,
    temperature: Annotated[float | None, Option(help="below 1: safer, above 1: wilder")] = None,
    guidance: Annotated[float, Option(help="push towards the condition; 1 = off")] = 1.0,
    seed: int = 0,
    out: Annotated[Path | None, Option(help="where to write; default: RUN/samples")] = None,
    runs: Annotated[Path, Option(help="where to look for the newest run")] = Path("runs"),
    device: Annotated[str, Option(help="cpu, cuda or auto")] = "auto",
) -> None:
    """Draw samples from a trained model."""
    import torch
    import typer

    from morphogen.cli.arguments import BadArgument, choose_device, choose_sampler
    from morphogen.evaluation.sheet import sheet
    from morphogen.run import Run

    if n <= 0:
        raise BadArgument(f"--n {n}: must be positive")
    chosen = Run.open(run) if run else Run.latest(runs)
    model = chosen.model(choose_device(device))
    how = choose_sampler(model.objective.sampler(), sampler, guidance, steps=steps, temperature=temperature)
    asked: torch.Tensor | None = None
    if prompt is not None:
        asked = torch.tensor(list(prompt.encode())).expand(n, -1)
    elif condition is not None:
        asked = torch.tensor(chosen.label(condition)).expand(n)
    samples = model.sample(n, asked, how, seed)
    folder = out or chosen.directory / "samples"
    samples.save(folder)
    sheet({"": samples.decode()}).save(folder / "sheet.png")
    if isinstance(samples.decode()[0], str):
        typer.echo("\n---\n".join(samples.decode()[:4]))
    typer.echo(f"{n} samples of {chosen.directory.name} by {how!r} in {folder}")
