"""The example system in CONTRIBUTING.md is valid, and so is CITATION.cff."""

import re

import pytest
import torch
import yaml

from morphogen import __version__
from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.testing import check_model

from .prose import ROOT

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf8")


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_the_example_system_satisfies_the_laws(size: str) -> None:
    (page,) = re.findall(r"^   ```python\n(.*?)^   ```", CONTRIBUTING, re.S | re.M)
    names: dict = {}
    exec(compile(re.sub(r"^   ", "", page, flags=re.M), "CONTRIBUTING.md", "exec"), names)
    torch.manual_seed(0)
    model, rng = names["warm_vae"](Pixels(17, (1, 8, 8)), size=size), Rng(7, 12)
    assert model.objective.bound.warmup > 1
    check_model(
        model,
        Batch(rng.integers(17, 1, 8, 8).float() / 8 - 1),
        ["save_load_round_trip", "sample_is_a_function_of_its_index"],
    )


def test_named_paths_exist() -> None:
    paths = re.findall(r"`((?:src|tests)/[\w/.]+)`", CONTRIBUTING)
    prefixes = [ROOT / path.split("NAME")[0].rstrip("_") for path in paths]
    assert len(prefixes) > 6
    for prefix in prefixes:
        assert prefix.exists() or list(prefix.parent.glob(f"{prefix.name}*")), prefix


def test_the_citation_is_valid() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    required = {"cff-version", "message", "title", "authors"}  # by version 1.2.0 of the format
    assert citation.keys() >= required
    assert citation["cff-version"] == "1.2.0"
    assert (citation["type"], citation["license"]) == ("software", "Apache-2.0")
    names = [author.get("name") or author.get("family-names") for author in citation["authors"]]
    assert names and all(names)
    assert str(citation["version"]) == __version__
