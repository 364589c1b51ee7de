"""Arrays of any type, shape and range: read with the right values, or refused in one line."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from morphogen.component import ConfigError
from morphogen.data import DataError, load_data
from morphogen.data.containers import unpack
from morphogen.data.held import Held, array_of
from morphogen.data.memory import read_labels
from morphogen.data.picture_arrays import _to_levels
from morphogen.training.given import Joined

KINDS = ("bool", "uint8", "int8", "int16", "uint16", "int32", "int64", "float16", "float32", "float64")
RANGES = ((0, 1), (0, 2), (0, 16), (0, 255), (0, 254), (-1, 1), (0, 4095), (0, 65535), (-8, 8), (100, 200))


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Pictures of some layout, type and range; sometimes real numbers, constant, or with NaN."""
    side, n = draw(st.integers(4, 9)), draw(st.integers(12, 20))
    shape = draw(
        st.sampled_from(
            [(n, side, side), (n, side, side, 3), (n, 1, side, side), (n, side, side, 1), (n, 3, 4, 4)]
        )
    )
    (low, high), kind = draw(st.sampled_from(RANGES)), draw(st.sampled_from(KINDS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.uniform(low, high, shape) if draw(st.booleans()) else rng.integers(low, high + 1, shape)
    if draw(st.integers(0, 9)) == 0:
        values = np.full(shape, draw(st.sampled_from([low, high, np.nan, np.inf])))
    with np.errstate(all="ignore"):
        return values.astype(kind)


def is_ordinary(array: np.ndarray) -> bool:
    """Whether at least three different examples are bytes, or numbers between -1 and 1, so that they load."""
    values = array.astype(np.float64)
    known = array.dtype in (np.uint8, np.bool_) or abs(values).max() <= 1
    return bool(known and np.isfinite(values).all() and len(np.unique(values, axis=0)) >= 3)


def check(array: np.ndarray) -> bool:
    """Read the array: the values are those of the scale that the note names; or the refusal is one line.

    Returns whether it was read.
    """
    given: Any = torch.tensor(array) if array.dtype != np.uint16 and array.shape[0] % 2 else array
    try:
        data = load_data(given)
    except DataError as error:
        assert "\n" not in str(error) and len(str(error)) < 250
        assert not is_ordinary(array), error
        return False
    medium = torch.cat([part.first().medium for part in (data.train, data.valid, data.test)]).double().numpy()
    note = next(note for note in data.notes if "the scale is" in note)
    words = note.split("the scale is ")[1].split(",")[0].split(" to ")
    low, high = float(words[0]), float(words[1])
    want = 2 * (array.astype(np.float64) - low) / (high - low) - 1
    want = want[:, None] if want.ndim == 3 else want
    want = want.transpose(0, 3, 1, 2) if want.shape[1] not in (1, 3) else want
    order = [np.lexsort(np.round(part.reshape(len(part), -1), 1).T[::-1]) for part in (medium, want)]
    half = 1 / (data.representation.levels - 1) + 2e-3
    assert abs(np.sort(medium.ravel()) - np.sort(want.ravel())).max() <= half, note
    assert len(order[0]) == len(order[1]) == len(array)
    return True


@pytest.mark.parametrize("count", [150, pytest.param(3000, marks=pytest.mark.slow)])
def test_arrays_are_read_with_their_values_or_refused(count: int) -> None:
    read: list[bool] = []

    @settings(max_examples=count, deadline=None, derandomize=True)
    @given(arrays())
    def check_each(array: np.ndarray) -> None:
        read.append(check(array))

    check_each()
    assert 0.4 * count < sum(read) < 0.9 * count


ORDINARY = st.one_of(
    *(
        st.lists(label, min_size=1)
        for label in (st.booleans(), st.integers(0, 2**70), st.text("abcé1", min_size=1, max_size=3))
    )
)
LABELS = ORDINARY | st.lists(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 2**70), st.floats(), st.text(max_size=3), st.just([1])
    )
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(ORDINARY)
def test_labels_of_one_kind_are_classes(labels: list[Any]) -> None:
    names, index, _ = read_labels(labels)
    assert index is not None and len(names) == len(set(labels)) == len(set(index.tolist()))
    assert len({(label, int(i)) for label, i in zip(labels, index, strict=True)}) == len(names)


def test_labels_of_any_kind_are_classes_or_refused() -> None:
    read: list[bool] = []

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(LABELS)
    def check_each(labels: list[Any]) -> None:
        try:
            names, index, _ = read_labels(labels)
        except DataError as error:
            assert "\n" not in str(error)
            read.append(False)
            return
        read.append(True)
        assert index is not None and len(index) == len(labels) and len(set(names)) == len(names)

    check_each()
    assert 0.4 * len(read) < sum(read) < len(read)


ANYTHING: Any = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(ANYTHING)
def test_anything_else_is_read_or_refused_in_one_line(data: Any) -> None:
    try:
        load_data(data)
    except (DataError, ConfigError) as error:
        assert "\n" not in str(error)


def test_a_mutant_of_the_scale_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(0).integers(0, 256, (20, 5, 5), dtype=np.uint8)
    check(array)

    def halved(values: np.ndarray, known: int | None) -> tuple[np.ndarray, int, str]:
        indices, levels, scale = _to_levels(values, known)
        return indices // 2, levels, scale

    monkeypatch.setattr("morphogen.data.picture_arrays._to_levels", halved)
    with pytest.raises(AssertionError):
        check(array)


def test_containers() -> None:
    x = np.zeros((3, 4, 4))
    assert unpack((x, [1, 2, 3])).labels == [1, 2, 3]
    assert unpack({"a": [1], "b": [2]}) == Held({"a": [1], "b": [2]})
    assert array_of([torch.zeros(2), torch.ones(2)]).shape == (2, 2)  # type: ignore[union-attr]
    assert array_of(torch.zeros(2, dtype=torch.bfloat16)) is not None
    assert array_of("text") is None is array_of([[1, 2], [3]])


def test_joined_rows_are_in_the_order_asked_for() -> None:
    x = np.random.default_rng(0).integers(0, 256, (30, 4, 4), dtype=np.uint8)
    data = load_data(x, labels=np.arange(30) % 3)
    rows = Joined((data.train, data.valid, data.test))
    every = torch.cat([part.first().medium for part in (data.train, data.valid, data.test)])
    labels = torch.cat([part.first().condition["label"] for part in (data.train, data.valid, data.test)])
    order = torch.randperm(30)
    batch = rows[order]
    assert len(rows) == 30 and torch.equal(batch.medium, every[order])
    assert batch.condition["label"].tolist() == labels[order].tolist()


def test_what_is_lost_is_noted() -> None:
    """Transparency and the second channel of sounds, and nothing where there is none."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (20, 8, 8, 4)).astype(np.uint8)
    images = [Image.fromarray(picture) for picture in pictures]
    for given_, told in ((pictures, 20), (images, 20), (pictures[..., :3], 0)):
        notes = [note for note in load_data(given_).notes if "transparent is white" in note]
        assert notes == [f"{told} pictures have transparency: what is transparent is white"] * (told > 0)
    opaque = pictures.copy()
    opaque[3:, ..., 3] = 255
    for given_ in (opaque, [Image.fromarray(picture) for picture in opaque]):
        assert "3 pictures have transparency: what is transparent is white" in load_data(given_).notes
    waves = rng.normal(size=(6, 2000, 2)) * 0.1
    for sounds, told in ((waves, 6), ([*waves[:2], *waves[2:, :, 0]], 2), (waves[:, :, 0], 0)):
        notes = [note for note in load_data(sounds, rate=8000, length=256).notes if "channels" in note]
        assert notes == [f"{told} sounds: several channels are averaged to one"] * (told > 0)


def test_the_order_of_pictures_in_given_parts_is_noted() -> None:
    """Tables keep the given order; pictures do not, so that the first ones are a random sample."""
    note = "the pictures of each part are in the order of their hashes, not as given"
    pictures = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    assert note in load_data(pictures[:20], valid=pictures[20:25], test=pictures[25:]).notes
    assert note not in load_data(pictures).notes
    rows = np.random.default_rng(0).normal(size=(30, 2))
    data = load_data(rows[:20], valid=rows[20:25], test=rows[25:])
    assert np.array_equal(data.test.first().medium.numpy(), rows[25:]) and note not in data.notes
