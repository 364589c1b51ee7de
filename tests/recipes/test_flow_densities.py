"""Flows on closed-form densities: what is measured, that trainings are resumed, and the sheet of contours."""

import pytest
import torch
from PIL import Image

from morphogen.closed_form import ClosedForm
from morphogen.families.flow import ActNorm, Flow
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.recipes import flow_densities as recipe
from morphogen.recipes import records
from morphogen.representations.points import Points


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(recipe, "ROWS", 300)
    monkeypatch.setattr(recipe, "HELD_OUT", 200)


class Normal(ClosedForm):
    """N(0, I) in the plane."""

    def log_prob(self, x):
        return torch.distributions.Normal(0.0, 1.0).log_prob(x.double()).sum(1)

    def sample(self, rng):
        return rng.normal(2)


def test_the_nats_above_the_entropy_are_those_of_a_known_divergence() -> None:
    """KL(N(0, I) || N(1, I)) = 1 in two dimensions; fresh points differ between the two parts."""
    model = Model(Flow(ActNorm(2)), Points(2))
    assert recipe.nats_above(Normal(), model, 0, "test").abs().max() <= 1e-5
    torch.nn.init.constant_(model.objective.bijection.shift, -1.0)
    nats = recipe.nats_above(Normal(), model, 0, "test")
    assert abs(nats.mean() - 1) < 5 * nats.std() / 200**0.5
    assert not torch.equal(nats, recipe.nats_above(Normal(), model, 0, "validation"))


@pytest.mark.filterwarnings("ignore:.*nothing was trained")
def test_the_record_has_every_density_and_a_second_run_resumes(tmp_path) -> None:
    record = recipe.flow_densities(("neural_spline_flow",), ("ring", "checkerboard"), 3, directory=tmp_path)
    assert set(record["figures"]) == {"neural_spline_flow_ring", "neural_spline_flow_checkerboard"}
    figure = record["figures"]["neural_spline_flow_ring"]
    assert figure["steps"] == 3 and figure["nats_above"]["n"] == 200
    assert record["entropy"]["checkerboard"] == {"nats": pytest.approx(2.0794, abs=1e-4), "stderr": 0.0}
    assert records.outdated(record) == []
    again = recipe.flow_densities(("neural_spline_flow",), ("ring",), 3, directory=tmp_path)
    assert again["figures"]["neural_spline_flow_ring"] | {"seconds": figure["seconds"]} == figure
    sheet = recipe.density_sheet(tmp_path / "sheet.png", tmp_path, ("neural_spline_flow", "maf"), ("ring",))
    pixels = torch.frombuffer(bytearray(Image.open(sheet).tobytes()), dtype=torch.uint8).reshape(-1, 450, 3)
    data, contours, missing = (pixels[16:, left : left + 150] for left in (0, 150, 300))
    assert (data < 255).any() and (contours < 255).any() and (missing == 255).all()


@pytest.mark.parametrize("flow", recipe.FLOWS)
def test_every_flow_is_a_model_of_points(flow: str) -> None:
    model = recipe.flow_of_points(flow)
    x = model.sample(5, seed=0).tensor
    kind = "estimate" if flow == "ffjord" else "exact"  # of the numerical solution
    assert x.shape == (5, 2) and model.log_prob(x).kind == kind
    assert all(name in recipe.DATA for name in recipe.FLOWS[flow].data)


def test_contours_are_those_of_the_density() -> None:
    """A normal density has the darkest band in the middle, and is white at the corners."""
    shown = recipe._contours(
        Model(Flow(ActNorm(2)), Points(2)), 6.0, Normal().log_prob(torch.zeros(1, 2)).item()
    )
    assert shown.getpixel((75, 75)) != (255, 255, 255) == shown.getpixel((0, 0))
    assert shown.getpixel((75, 40)) == shown.getpixel((40, 75))  # round


def test_data_are_fresh_for_each_part() -> None:
    truth = recipe.DATA["moons"]()
    parts = [truth.sample(Rng(0, 50, (part,))) for part in ("data", "validation", "test")]
    assert not torch.equal(parts[0], parts[1]) and not torch.equal(parts[1], parts[2])
