"""The examples run with a budget of two seconds, and the figures that they print improve."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"


def load_example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def bits_before_training(output: str) -> float:
    """The figure that an example prints before training."""
    (bits,) = re.findall(r"before: .*?([\d.]+) bits", output)
    return float(bits)


def test_tiny_transformer(capsys):
    module = load_example("tiny_transformer")
    bits = module.main(seconds=2.0)
    output = capsys.readouterr().out
    assert bits < bits_before_training(output) - 0.5  # per byte
    assert output.count(f"---\n{module.PROMPT}") == 2


def test_small_diffusion(tmp_path, capsys):
    module = load_example("small_diffusion")
    bits = module.main(seconds=2.0, folder=str(tmp_path))
    output = capsys.readouterr().out
    assert bits < bits_before_training(output)  # per pixel
    picture = Image.open(tmp_path / "digits.png")
    assert picture.width > 20 * 64 and picture.height > 3 * 64 and "Model(" in output


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_fits_a_page_and_is_listed(path):
    lines = path.read_text(encoding="utf8").splitlines()
    assert len(lines) <= 120 and "def main(seconds: float" in "\n".join(lines)
    assert f"examples/{path.name}" in (EXAMPLES.parent / "docs" / "article.md").read_text(encoding="utf8")
