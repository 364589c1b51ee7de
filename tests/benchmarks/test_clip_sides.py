"""`clip-train`: both sides have equal losses on the same pairs, and take the recorded steps."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

pytest.importorskip("transformers")
from benchmarks import clip
from benchmarks.names import parse
from benchmarks.peers import transformers_clip as peer
from morphogen.numerics.randomness import Rng


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SIZE": "tiny", "SHAPE": (3, 8, 8), "ROWS": 40}.items():
        monkeypatch.setattr(clip, name, value)


@torch.no_grad()
def test_the_losses_are_equal() -> None:
    theirs, model, examples, _ = clip._both(parse(["clip-train", "vs-default"]))
    rows: Any = examples.first(8)
    encoder = model.conditioner.encoder  # type: ignore[union-attr]
    ids = peer.framed([list(text.encode()) for text in examples.captions[:8]], encoder.start, encoder.end)
    ours = model(rows, Rng(0, 8), "model").total.mean()
    expected = theirs.eval()(input_ids=ids, pixel_values=rows.medium, return_loss=True).loss
    assert (ours - expected).abs() < 1e-6
    other = theirs(input_ids=ids.roll(1, 0), pixel_values=rows.medium, return_loss=True).loss
    assert (ours - other).abs() > 1e-5  # small, as untrained embeddings are alike


@pytest.mark.parametrize("name", ["clip-train vs-default", "clip-train vs-best"])
def test_both_sides_take_the_recorded_steps(name: str) -> None:
    (comparison,) = clip.clip_train(parse(name.split()))
    calls: Counter[tuple[str, int]] = Counter()

    def count(module: Any, inputs: Any, output: Any) -> None:
        if type(module).__name__ in ("TextTransformer", "CLIPTextModel", "CLIPTextTransformer"):
            calls[type(module).__name__, len(inputs[0]) if inputs else len(output[0])] += 1

    hook = register_module_forward_hook(count)
    try:
        comparison.ours()
        mine = calls["TextTransformer", comparison.config["batch"]]
        comparison.peer()
    finally:
        hook.remove()
    steps = comparison.config["steps"]
    assert (
        mine >= steps and sum(calls.values()) - calls["TextTransformer", comparison.config["batch"]] >= steps
    )
    ours, peers = comparison.config["parameters"].values()
    assert ours == peers
