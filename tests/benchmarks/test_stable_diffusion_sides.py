"""`sd-sample`: both sides take the recorded steps of the same guided network, and decode one picture."""

from collections import Counter
from typing import Any

import pytest
from torch.nn.modules.module import register_module_forward_hook

pytest.importorskip("diffusers")
from benchmarks import stable_diffusion
from benchmarks.names import parse


@pytest.mark.parametrize("name", ["sd-sample vs-default", "sd-sample vs-best"])
def test_both_sides_take_the_recorded_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stable_diffusion, "SIZE", "tiny")
    monkeypatch.setattr(stable_diffusion, "STEPS", 3)
    (comparison,) = stable_diffusion.sd_sample(parse(name.split()))
    calls: Counter[tuple[str, int]] = Counter()

    def count(module: Any, inputs: Any, output: Any) -> None:
        if type(module).__name__ in ("UNet", "UNet2DConditionModel"):
            calls[type(module).__name__, len(inputs[0])] += 1

    hook = register_module_forward_hook(count)
    try:
        comparison.ours()
        comparison.peer()
    finally:
        hook.remove()
    assert calls == {("UNet", 2): 3, ("UNet2DConditionModel", 2): 3}
    ours, peer = comparison.config["parameters"].values()
    assert 0 < ours - peer < 10  # the scale of the likelihood
