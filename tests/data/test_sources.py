"""Pictures of two kinds without pairs: rows, parts of the split, the record of a run, and invalid sources."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from morphogen.data import DataError, WithSources, load_data
from morphogen.representations.pixels import Pixels
from morphogen.run_data import facts, places, read_data


def pictures(n: int, seed: int, channels: int = 1, side: int = 8) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (n, side, side, channels))
    return noise.astype(np.uint8)


def test_every_picture_of_both_kinds_is_in_a_row_and_the_parts_are_those_of_each() -> None:
    data, sources = load_data(pictures(60, 0)), load_data(pictures(90, 1, 3))
    both = load_data(pictures(60, 0), source=pictures(90, 1, 3))
    assert isinstance(both.conditions["source"], Pixels) and both.conditions["source"].shape == (3, 8, 8)
    for part in ("train", "valid", "test"):
        rows, own, other = (getattr(one, part) for one in (both, data, sources))
        batch = rows.first()
        assert len(rows) == max(len(own), len(other))
        assert torch.equal(batch.medium[: len(own)], own.first().medium)
        assert torch.equal(batch.condition["source"][: len(other)], other.first().medium)
    assert "90" not in both.split and "without pairs" in both.notes[-1]
    assert both.sha256 != load_data(pictures(60, 0), source=pictures(90, 2, 3)).sha256


def test_the_fewer_pictures_begin_again_with_their_labels() -> None:
    few = load_data(pictures(40, 0), np.arange(40) % 2).train
    both = WithSources(few, load_data(pictures(200, 1)).train)
    rows = both[torch.tensor([1, 1 + len(few)])]
    assert torch.equal(rows.medium[0], rows.medium[1])
    assert both.labels is not None and len(both.labels) == len(both) > len(few)
    assert torch.equal(rows.condition["label"], both.labels[torch.tensor([1, 1 + len(few)])])


def test_folders_are_resized_alike_and_found_again_by_a_run(tmp_path: Path) -> None:
    for name, side in (("photos", 12), ("paintings", 20)):
        (tmp_path / name).mkdir()
        for i, values in enumerate(pictures(30, side, 3, side)):
            Image.fromarray(values).save(tmp_path / name / f"{i}.png")
    run = tmp_path / "runs" / "one"
    settings = {"data": str(tmp_path / "photos"), "source": str(tmp_path / "paintings")}
    data = load_data(settings["data"], source=settings["source"])
    assert data.conditions["source"].shape == data.representation.shape == (3, 12, 12)  # type: ignore[attr-defined]
    recorded = {**settings, **facts(data), "places": places(settings, run)}
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("photos", "paintings"):
        (tmp_path / name).rename(moved / name)
    assert read_data(recorded, moved / "runs" / "one").sha256 == data.sha256


def test_invalid_sources_are_refused_in_one_line() -> None:
    data = load_data(pictures(40, 0))
    with pytest.raises(DataError, match="9 x 9 pixels, memory 8 x 8; resize one of them"):
        load_data(data, source=load_data(pictures(40, 1, side=9)))
    texts = load_data(["one two three", "four five six", "seven eight"] * 30)
    with pytest.raises(DataError, match=r"source: .* has no pictures; leave source out"):
        load_data(data, source=texts)
