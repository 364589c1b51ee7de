"""The page of texts is written of any run of a language model."""

from pathlib import Path

import torch

from morphogen import model as models
from morphogen.recipes import decoding_rules as recipe
from morphogen.representations.text import Bytes
from morphogen.systems.gpt import gpt


def test_every_rule_has_its_text(tmp_path: Path, monkeypatch) -> None:
    torch.manual_seed(0)
    model = gpt(Bytes(24), size="tiny")

    class Opened:
        name = "gpt-001"

        def model(self) -> models.Model:
            return model

    monkeypatch.setattr(recipe.Run, "open", lambda directory: Opened())
    found = recipe.decoding_rules(Path("anywhere"), tmp_path / "page.md", "A:")
    page = (tmp_path / "page.md").read_text(encoding="utf8")
    assert found["figures"].keys() == recipe.RULES.keys() and page.count("```text\nA:") == len(recipe.RULES)
    assert found["figures"]["greedy, no 6 symbols twice"]["distinct_4_grams"] > 0.5
