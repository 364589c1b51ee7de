"""CONTRIBUTING's page of a system is a system, and the citation is one."""

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
def test_the_page_of_a_system_keeps_the_laws(size: str) -> None:
    (page,) = re.findall(r"^   ```python\n(.*?)^   ```", CONTRIBUTING, re.S | re.M)
    names: dict = {}
    exec(compile(re.sub(r"^   ", "", page, flags=re.M), "CONTRIBUTING.md", "exec"), names)
    torch.manual_seed(0)
    model, rng = names["beta_vae"](Pixels(17, (1, 8, 8)), size=size), Rng(7, 12)
    assert model.objective.beta > 1
    check_model(model, Batch(rng.integers(17, 1, 8, 8).float() / 8 - 1), ["saved_and_loaded_is_equal", "sample_is_a_function_of_its_index"])


def test_what_the_steps_name_is_there() -> None:
    paths = re.findall(r"`((?:src|tests)/[\w/.]+)`", CONTRIBUTING)
    places = [path for path in paths if "NAME" not in path] + [path.split("NAME")[0].rstrip("_") for path in paths if "NAME" in path]
    assert len(places) > 6
    for place in places:
        assert (ROOT / place).exists() or list((ROOT / place).parent.glob(f"{(ROOT / place).name}*")), place


def test_the_citation_is_valid() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}  # what version 1.2.0 of the format requires
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software" and citation["license"] == "Apache-2.0"
    assert citation["authors"] and all("name" in author or "family-names" in author for author in citation["authors"])
    assert str(citation["version"]) == __version__
