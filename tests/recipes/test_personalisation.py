"""The recipe of personalisation with hardly trained models: its figures, its files, and the base it keeps."""

from pathlib import Path

import pytest

from morphogen.recipes import personalisation as recipe
from morphogen.recipes.shared_stages import Training


@pytest.mark.slow
def test_it_measures_the_base_and_both_updates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"latent_diffusion": Training("latent_diffusion", {"autoencoder": 2, "prior": 2})}
    monkeypatch.setattr(recipe, "TRAININGS", tiny)
    for name, value in {"READ": 10, "SCENES": 4, "CLASS": 3}.items():
        monkeypatch.setattr(recipe, name, value)
    record = recipe.personalisation(tmp_path, steps=2, n=6, size="tiny")
    figures = record["figures"]
    assert set(figures) == {"real pictures", "before", "LoRA", "LoRA, prior preserved"}
    assert figures["real pictures"]["rings"]["value"] == 1 and figures["LoRA"]["rings"]["n"] == 6
    assert "attributes" in figures["before"]["scenes"] and (tmp_path / "rings.png").exists()
    assert len(list(tmp_path.glob("LoRA*.safetensors"))) == 2
    again = recipe.personalisation(tmp_path, steps=2, n=6, size="tiny")  # of the base that is there
    assert again["figures"] == figures
