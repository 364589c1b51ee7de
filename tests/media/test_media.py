"""Each module of `media/` holds one medium, and everything that it names exists."""

import pkgutil
from pathlib import Path

import pytest
import torch
from PIL import Image

import morphogen.media
from morphogen.data import load_data
from morphogen.evaluation.codecs import codec_baselines
from morphogen.evaluation.features import features_for
from morphogen.lazy import _Lazy, lazy
from morphogen.media import Medium, media
from morphogen.media.sound import Waveform


def test_every_module_is_one_medium_of_its_name() -> None:
    modules = [module.name for module in pkgutil.iter_modules(morphogen.media.__path__)]
    assert list(media()) == modules and len(modules) >= 4
    assert [medium.name for medium in media().values()] == modules
    assert all(isinstance(medium, Medium) and medium.suffix and medium.element for medium in media().values())


@pytest.mark.parametrize("name", media())
def test_everything_that_a_medium_names_exists(name: str) -> None:
    kind = type(media()[name])
    references = {
        key for base in kind.__mro__ for key, value in vars(base).items() if isinstance(value, _Lazy)
    }
    assert {"features", "codecs"} <= references
    for reference in references:
        assert getattr(kind, reference) is not None


def test_a_name_that_does_not_exist_is_an_error() -> None:
    class Wrong:
        features = lazy("evaluation.features.no_such_features")

    with pytest.raises(AttributeError, match="no_such_features"):
        _ = Wrong.features


def folder_of(medium: str, folder: Path) -> Path:
    """Twenty small files of a medium, or one where a file is a data set."""
    folder.mkdir()
    for i in range(20):
        if medium == "pictures":
            Image.new("L", (8, 8), 10 * i).save(folder / f"{i}.png")
        if medium == "text":
            (folder / f"{i}.txt").write_text(f"The text of file {i} is a hundred characters long. " * 4)
        if medium == "sound":
            Waveform(torch.linspace(-1, 1, 4000) * i / 20, 8000).save(folder / f"{i}.wav")
    if medium == "table":
        file = folder / "t.csv"
        file.write_text("a,b\n" + "".join(f"{i / 7:.3f},{i % 3}\n" for i in range(40)))
        return file
    return folder


@pytest.mark.parametrize("medium", ["pictures", "sound", "table", "text"])
def test_files_are_recognised_read_and_measured(medium: str, tmp_path: Path) -> None:
    path = folder_of(medium, tmp_path / "data")
    certain = {name: other.confidence(path) for name, other in media().items()}
    assert max(certain, key=lambda name: certain[name]) == medium
    data = load_data(str(path), length=None if medium in ("pictures", "table") else 64)
    assert data.medium == data.representation.medium.name == medium
    rows = data.test.first().medium
    assert features_for(data)(rows).isfinite().all()
    assert bool(codec_baselines(data)) == (medium in ("pictures", "text"))
    shape, levels, stored = data.representation.medium.describe(data)
    assert shape and levels and stored > 0


def test_confidence_follows_most_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", ".hidden.txt", "notes.txt", "c.txt"):
        (tmp_path / name).write_text("x")
    assert [media()[name].confidence(tmp_path) for name in ("sound", "text", "pictures")] == [0.5, 0.5, 0.01]
    (tmp_path / "d.wav").write_text("x")
    assert media()["sound"].confidence(tmp_path) == 0.6
    assert media()["table"].confidence(tmp_path) == 0.0
