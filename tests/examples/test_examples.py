"""The examples run as they stand, with a budget of seconds, and learn something in it."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def before(printed: str) -> float:
    """The figure it printed before it learned."""
    (found,) = re.findall(r"before: .*?([\d.]+) bits", printed)
    return float(found)


def test_tiny_transformer(capsys):
    module = example("tiny_transformer")
    found = module.main(seconds=2.0)
    printed = capsys.readouterr().out
    assert found < before(printed) - 0.5  # bits a byte
    assert printed.count(f"---\n{module.PROMPT}") == 2


def test_small_diffusion(tmp_path, capsys):
    module = example("small_diffusion")
    found = module.main(seconds=2.0, folder=str(tmp_path))
    printed = capsys.readouterr().out
    assert found < before(printed)  # bits a pixel
    picture = Image.open(tmp_path / "digits.png")
    assert picture.width > 20 * 64 and picture.height > 3 * 64 and "Model(" in printed


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_fits_a_page_and_is_listed(path):
    lines = path.read_text(encoding="utf8").splitlines()
    assert len(lines) <= 120 and "def main(seconds: float" in "\n".join(lines)
    assert f"examples/{path.name}" in (EXAMPLES.parent / "docs" / "article.md").read_text(encoding="utf8")
