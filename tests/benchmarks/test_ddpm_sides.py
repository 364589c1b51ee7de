"""Diffusion benchmarks: both sides draw the same images from the same noise, in the recorded steps."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("diffusers")
import diffusers

from benchmarks import ddpm
from benchmarks.goals import GOALS
from benchmarks.names import Name, parse
from benchmarks.peers import diffusers_unet as peer
from morphogen.conditioning.guidance import Guided
from morphogen.families.diffusion import DDIM
from morphogen.networks.unet import UNet
from morphogen.numerics.randomness import Rng

TINY = {
    "SHAPE": (1, 8, 8),
    "CHANNELS": 32,
    "MULTIPLIERS": (1, 2),
    "ATTENTION": (4,),
    "HEADS": 8,
    "PICTURES": 2,
}
FIVE = (801, 601, 401, 201, 1)  # times of five steps of DDIMScheduler, which counts from 0
LABELS = torch.tensor([3, 0])


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks, equal noise and no clipping of x_0, after which only ours recomputes eps."""
    for name, value in TINY.items():
        monkeypatch.setattr(ddpm, name, value)
    monkeypatch.setattr(
        torch, "randn", lambda shape, **options: Rng(0, shape[0]).fork("start").normal(*shape[1:])
    )
    monkeypatch.setattr(diffusers, "DDIMScheduler", partial(diffusers.DDIMScheduler, clip_sample=False))


def difference(null: int = ddpm.CLASSES) -> float:
    """Largest difference between the guided images of the two sides, relative to their standard deviation."""
    theirs, model, _ = ddpm._both(Name("guided-sample", "fp32", None, best=False), ddpm.CLASSES)
    # our time input counts from 1
    theirs.register_forward_pre_hook(lambda _, inputs: (inputs[0], inputs[1] + 1))
    expected = peer.guiding(theirs, LABELS, null, len(FIVE), ddpm.SCALE, torch.float32, best=False)()
    ours = model.sample_batch(Rng(0, 2), {"label": LABELS}, Guided(DDIM(FIVE, clip=None), ddpm.SCALE))
    return ((ours - expected).abs().max() / expected.std()).item()


def test_guided_images_are_equal_on_both_sides() -> None:
    assert difference() <= 1e-4


def test_a_class_in_place_of_null_is_detected() -> None:
    assert difference(null=0) > 1e-2


def rows_per_call(network: nn.Module, work: Callable[[], object]) -> list[int]:
    """Number of rows in each call of the network."""
    rows: list[int] = []
    hook = network.register_forward_hook(lambda _, inputs, output: rows.append(len(inputs[0])))
    work()
    hook.remove()
    return rows


@pytest.mark.parametrize(
    "name", [name for name in GOALS if name.startswith(("ddim50-sample", "guided-sample"))]
)
def test_both_sides_take_the_recorded_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    both, sampling_model = ddpm._both, ddpm._sampling_model
    monkeypatch.setattr(ddpm, "_both", lambda *args: made.setdefault("both", both(*args)))
    monkeypatch.setattr(
        ddpm, "_sampling_model", lambda *args: made.setdefault("model", sampling_model(*args))
    )
    # compilation takes minutes, and torch tests its result
    monkeypatch.setattr(UNet, "compile", lambda network, **options: made.update(options))
    parsed = parse(name.split())
    (comparison,) = getattr(ddpm, parsed.bench.replace("-", "_"))(parsed)
    (theirs, *_), model = made["both"], made["model"]
    rows = 2 * TINY["PICTURES"] if parsed.bench == "guided-sample" else TINY["PICTURES"]  # type: ignore[operator]
    network, expected = model.objective.network, [rows] * comparison.config["steps"]
    assert rows_per_call(network, comparison.ours) == rows_per_call(theirs, comparison.peer) == expected
    assert ("options" in made) == parsed.compiled == ("compile" in comparison.config["ours"])
    # the call that compiles, before the timing
    assert rows_per_call(network, comparison.setup) == [rows] * parsed.compiled
