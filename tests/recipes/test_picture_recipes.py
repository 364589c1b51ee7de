"""The recipes of diffusion on small digits, in no time: every cell is there, the pages still describe the models, a picture is left."""

import pytest

from morphogen.families.diffusion import DDIM, DPMSolver
from morphogen.recipes import distilled, records, sketched, unconditional, ways_down
from morphogen.recipes.reproduce import findings


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def checked(record, figures):
    assert set(record["figures"]) == figures
    assert record["models"] and set(record["models"]) <= figures and records.moved(record) == []
    assert {"data", "split", "features", "n", "seed", "budget", "steps", "seconds", "machine", "versions", "date"} <= record.keys()
    assert all(found.measured.low <= found.measured.high for found in findings({"figures": record["figures"]}, None))


def test_ways_down_and_what_is_taught_from_it(tmp_path, monkeypatch):
    monkeypatch.setattr(ways_down, "SCALES", (1.0, 2.0))
    monkeypatch.setattr(ways_down, "SHEET", ((1, 2), (1.0, 2.0)))
    for name, value in (("GUIDED_CALLS", 2), ("MEASURED", 4), ("FLOW", 2), ("MIXTURE", 0.05)):
        monkeypatch.setattr(ways_down, name, value)
    monkeypatch.setattr(ways_down, "_ways", lambda model: iter([("DDIM, 2 calls", DDIM(2)), ("DPM-Solver++, 3 calls", DPMSolver(3))]))
    record = ways_down.ways_down("digits", 0.2, n=20)
    checked(record, {"real data", "mixture", "v_diffusion"})
    of = record["figures"]["v_diffusion"]
    assert set(of["frechet"]) == {"DDIM, 2 calls", "DPM-Solver++, 3 calls"} and set(of["guidance"]) == {"scale 1", "scale 2"}
    assert [of["likelihood"][kind]["kind"] for kind in ("bound", "flow")] == ["lower_bound", "estimate"]
    (run,) = tmp_path.glob("runs/v_diffusion-digits-*")
    assert (run / "calls-guidance.png").exists()

    monkeypatch.setattr(distilled, "STUDENTS", {"progressive_distillation": 0.2, "consistency_model": 0.1})
    record = distilled.distilled("digits", 0.2, directory=run, n=20)
    checked(record, {"real data", "v_diffusion", "progressive_distillation", "consistency_model"})
    figures = record["figures"]
    assert set(figures["v_diffusion"]) == {f"{calls} calls" for calls in (16, 8, 4, 2, 1)}
    assert {"8 calls", "4 calls"} <= set(figures["progressive_distillation"]) and {"2 calls", "1 calls"} <= set(
        figures["consistency_model"]
    )
    assert (run / "few-steps.png").exists()


def test_sketches_agree_with_their_own(tmp_path):
    record = sketched.sketched("digits", 0.2, n=20)
    checked(record, {"real data", "sketch_to_picture"})
    assert {"agreement", "with another", "frechet"} == set(record["figures"]["sketch_to_picture"])
    assert list(tmp_path.glob("runs/sketch_to_picture-digits-*/sketches.png"))


def test_pictures_that_no_label_tells_apart(tmp_path):
    record = unconditional.unconditional("digits", "v_diffusion", 0.2, n=20)
    checked(record, {"real data", "v_diffusion"})
    assert record["models"]["v_diffusion"]["classes"] == 0
    assert list(tmp_path.glob("runs/v_diffusion-digits-*/drawn.png"))
