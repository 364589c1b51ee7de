"""The main job: one model per family, an equal training budget, one split; how good is each, and what do its samples look like?

Every row is measured against the same training data with the same number of samples, and the held-out data stand beside as
the best reachable row. `report.json` and `samples.png` are complete files after every family.
"""

__all__ = ["Comparison", "compare"]

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from morphogen.catalogue import compose, family, pages
from morphogen.data import Dataset
from morphogen.evaluation.features import features_for
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.quality import MEASURES, quality
from morphogen.evaluation.sheet import sheet
from morphogen.model import parameters
from morphogen.run import Run, next_directory, train_run, write_json
from morphogen.training.progress import Progress

HEADINGS = {"precision": "prec.", "recall": "rec.", "coverage": "cov.", "memorised": "copies", "recognised": "sure"}
SHOWN = [measure for measure in MEASURES if measure != "density"]  # what 80 columns hold
FAMILIES = ("classical", "autoregressive", "vae", "flow", "gan", "diffusion")  # the order of the article


def compare(dataset: Dataset, budget: float, **options: Any) -> dict[str, Any]:
    """Run a whole comparison; the report. Arguments as of `Comparison`."""
    comparison = Comparison(dataset, budget, **options)
    for _ in comparison.run():
        pass
    return comparison.report


class Comparison:
    """One model per family at an equal budget.

    Arguments:
        dataset: from `morphogen.load_data`.
        budget: seconds of training of each system.
        directory: where to write; None: the next free runs/compare-DATA-NNN.
        systems: names; None: the pages that fit the medium, one for each family or chain of families.
        size: "tiny", "small" or "paper".
        n: samples of each system; None: as many as there are held-out examples, at most 1000.
        seed: of initialisation, training and sampling.
    """

    def __init__(
        self, dataset: Dataset, budget: float, directory: Path | None = None, systems: list[str] | None = None, size: str = "small",
        n: int | None = None, seed: int = 0, device: str = "cpu",
    ):  # fmt: skip
        self.dataset, self.budget, self.size, self.seed, self.device = dataset, budget, size, seed, device
        self.n = n if n is not None else min(len(dataset.test), 1000)
        self.systems = systems if systems is not None else representatives(dataset, size)
        for name in self.systems:
            compose(name, dataset.representation, len(dataset.classes), "tiny")  # an unknown name ends here, not after ten minutes
        self.directory = directory if directory is not None else next_directory(Path("runs"), f"compare-{dataset.name}")
        self.directory.mkdir(parents=True, exist_ok=True)
        self.features = features_for(dataset)
        self.rows: list[dict[str, Any]] = []
        self.pictures: dict[str, Tensor] = {}

    def announcement(self) -> str:
        """What is about to happen and how long it takes."""
        minutes = len(self.systems) * (self.budget + 8) / 60
        what = f"{self.budget:g} s of training each, about {minutes:.0f} min in all"
        return "\n".join((f"{self.dataset.name}: {self.dataset.split}", *self.dataset.notes, f"{', '.join(self.systems)}: {what}"))

    @property
    def report(self) -> dict[str, Any]:
        named = {"name": self.features.name, "sha256": self.features.sha256}
        return {
            "data": self.dataset.name,
            "split": self.dataset.split,
            "notes": self.dataset.notes,
            "features": named,
            "seed": self.seed,
            "rows": self.rows,
        }

    def run(self, progress: Progress | None = None) -> Iterator[dict[str, Any]]:
        """Train and measure one system after the other; each row is yielded when it is on disk."""
        held_out = self.dataset.test.first(self.n)
        self.add(self.real_row(held_out.medium), held_out.medium)
        for name in self.systems:
            row, samples = self.measure(name, held_out.condition, progress)
            self.add(row, samples)
            yield row

    def measure(self, name: str, condition: Tensor | None, progress: Progress | None) -> tuple[dict[str, Any], Tensor]:
        """Train one system, then its likelihood on held-out data, its samples and their quality."""
        torch.manual_seed(self.seed)  # weights start from torch's generator
        model = compose(name, self.dataset.representation, len(self.dataset.classes), self.size)
        settings = {"size": self.size, "seed": self.seed, "time": self.budget, "steps": None, "classes": list(self.dataset.classes)}
        run = Run.create(self.directory, name, self.dataset.name, settings)
        trained = train_run(run, model, self.dataset.train, device=self.device, progress=progress)
        condition = condition if model.conditioner is not None and condition is not None else None
        begun = time.perf_counter()
        samples = model.sample(self.n, condition, seed=self.seed, batch=256).tensor.cpu()
        elapsed = time.perf_counter() - begun
        row = {
            "system": name, "family": family(model), "size": self.size,
            "likelihood": bits_per_dim(model, self.dataset.test, self.n, self.seed),
            **quality(samples, self.dataset, self.features, self.seed),
            "samples_per_second": self.n / elapsed, "train_seconds": trained.seconds, "steps": trained.steps,
            "sampler": repr(model.objective.sampler()), "parameters": parameters(model), "run": str(run.directory),
        }  # fmt: skip
        return row, samples

    def real_row(self, held_out: Tensor) -> dict[str, Any]:
        """Held-out data measured as if they were samples."""
        nothing = dict.fromkeys(("size", "likelihood", "samples_per_second", "train_seconds", "steps", "sampler", "parameters", "run"))
        return {"system": "real data", "family": None} | nothing | quality(held_out, self.dataset, self.features, self.seed)

    def add(self, row: dict[str, Any], samples: Tensor) -> None:
        """Put a row on disk: both files are whole at every moment."""
        self.rows.append(row)
        self.pictures[row["system"]] = samples[self.columns()]
        write_json(self.directory / "report.json", self.report)
        part = self.directory / ".samples.png"
        sheet({name: self.dataset.representation.present(rows) for name, rows in self.pictures.items()}).save(part)
        os.replace(part, self.directory / "samples.png")

    def columns(self, width: int = 20) -> Tensor:
        """Which samples the picture shows: every class in turn, as the held-out labels (which asked for them) stand."""
        labels = self.dataset.test.first(self.n).condition
        if labels is None:
            return torch.arange(min(width if self.dataset.medium == "pictures" else 2, self.n))
        classes, repeats = len(self.dataset.classes), max(1, width // len(self.dataset.classes))
        return torch.cat([(labels == c).nonzero()[:repeats, 0] for c in range(min(classes, width))])

    def table(self) -> Table:
        """The rows as a person reads them; the intervals are in the report."""
        table = Table(title=f"{self.dataset.name}: {self.budget:g} s of training each, {self.n} samples", box=None, padding=(0, 1))
        table.add_column("", no_wrap=True, min_width=14)
        for heading in ("bits/dim", *SHOWN, "per s"):
            table.add_column(HEADINGS.get(heading, heading), justify="right", no_wrap=True)
        for row in self.rows:
            measured = [_number(row[m] and row[m]["value"]) for m in SHOWN]
            table.add_row(row["system"], _bits(row["likelihood"]), *measured, _number(row["samples_per_second"], "{:.0f}"))
        return table


def representatives(dataset: Dataset, size: str) -> list[str]:
    """The pages that fit the data, one for each family or chain of families, in the article's order."""
    chosen: dict[str, str] = {}
    for page in pages().values():
        if page.medium == dataset.medium:
            chosen.setdefault(family(compose(page.name, dataset.representation, len(dataset.classes), "tiny")), page.name)
    return [chosen[kind] for kind in sorted(chosen, key=lambda kind: (len(kind.split(" + ")), FAMILIES.index(kind.split(" + ")[0])))]


def _number(value: float | None, form: str = "{:.2f}") -> str:
    return "-" if value is None else form.format(value)


def _bits(likelihood: Mapping[str, Any] | None) -> str:
    """Bits per dim with what kind of number it is: exact (=), an upper bound of them (≤), an estimate (≈)."""
    if likelihood is None:
        return "-"
    sign = {"exact": "=", "lower_bound": "≤", "estimate": "≈"}[likelihood["kind"]]
    return f"{sign} {likelihood['bits_per_dim']:.3f}"
