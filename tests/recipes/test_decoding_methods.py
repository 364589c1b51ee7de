"""The page of decoding methods is written for any run of a language model."""

from pathlib import Path

import torch

from morphogen import model as models
from morphogen.recipes import decoding_methods as recipe
from morphogen.representations.text import Bytes
from morphogen.systems.gpt import gpt


def test_every_method_has_a_text(tmp_path: Path, monkeypatch) -> None:
    torch.manual_seed(0)
    model = gpt(Bytes(24), size="tiny")

    class FakeRun:
        name = "gpt-001"

        def model(self) -> models.Model:
            return model

    monkeypatch.setattr(recipe.Run, "open", lambda directory: FakeRun())
    record = recipe.decoding_methods(Path("anywhere"), tmp_path / "page.md", "A:")
    page = (tmp_path / "page.md").read_text(encoding="utf8")
    assert record["figures"].keys() == recipe.METHODS.keys() and page.count("```text\nA:") == len(
        recipe.METHODS
    )
    assert record["figures"]["greedy, no repeated 6-grams"]["distinct_4_grams"] > 0.5
