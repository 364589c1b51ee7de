"""The diffusion benches: both sides draw the same pictures from the same noise, in the steps that the line tells."""

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

TINY = {"SHAPE": (1, 8, 8), "CHANNELS": 32, "MULTIPLIERS": (1, 2), "ATTENTION": (4,), "HEADS": 8, "PICTURES": 2}
FIVE = (801, 601, 401, 201, 1)  # the times of DDIMScheduler's five steps, which counts from 0
LABELS = torch.tensor([3, 0])


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks and the same noise; x_0 may lie anywhere, since ours alone has eps fit a clipped one."""
    for name, value in TINY.items():
        monkeypatch.setattr(ddpm, name, value)
    monkeypatch.setattr(torch, "randn", lambda shape, **told: Rng(0, shape[0]).fork("start").normal(*shape[1:]))
    monkeypatch.setattr(diffusers, "DDIMScheduler", partial(diffusers.DDIMScheduler, clip_sample=False))


def apart(null: int = ddpm.CLASSES) -> float:
    """The largest difference of the guided pictures of the two sides, in parts of their spread."""
    theirs, model, _ = ddpm._both(Name("guided-sample", "fp32", None, best=False), ddpm.CLASSES)
    theirs.register_forward_pre_hook(lambda _, given: (given[0], given[1] + 1))  # ours counts from 1, and is told so
    drawn = peer.guiding(theirs, LABELS, null, len(FIVE), ddpm.SCALE, torch.float32, best=False)()
    ours = model.draw(Rng(0, 2), LABELS, Guided(DDIM(FIVE, clip=None), ddpm.SCALE))
    return ((ours - drawn).abs().max() / drawn.std()).item()


def test_guided_pictures_are_the_same_on_both_sides() -> None:
    assert apart() <= 1e-4


def test_it_would_be_seen_if_the_null_were_a_class() -> None:
    assert apart(null=0) > 1e-2


def counted(network: nn.Module, work: Callable[[], object]) -> list[int]:
    """The rows of each call of the network."""
    rows: list[int] = []
    hook = network.register_forward_hook(lambda _, given, out: rows.append(len(given[0])))
    work()
    hook.remove()
    return rows


@pytest.mark.parametrize("name", [name for name in GOALS if name.startswith(("ddim50-sample", "guided-sample"))])
def test_both_sides_take_the_steps_that_are_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    both, light = ddpm._both, ddpm._light
    monkeypatch.setattr(ddpm, "_both", lambda *given: made.setdefault("both", both(*given)))
    monkeypatch.setattr(ddpm, "_light", lambda *given: made.setdefault("light", light(*given)))
    monkeypatch.setattr(UNet, "compile", lambda network, **told: made.update(told))  # minutes, and what it makes is torch's
    parsed = parse(name.split())
    (duel,) = getattr(ddpm, parsed.bench.replace("-", "_"))(parsed)
    (theirs, *_), model = made["both"], made["light"]
    rows = 2 * TINY["PICTURES"] if parsed.bench == "guided-sample" else TINY["PICTURES"]  # type: ignore[operator]
    expected = [rows] * duel.config["steps"]
    assert counted(model.objective.network, duel.ours) == counted(theirs, duel.peer) == expected
    assert ("options" in made) == parsed.compiled == ("compile" in duel.config["ours"])
    assert counted(model.objective.network, duel.first) == [rows] * parsed.compiled  # what compiles, before anything is timed
