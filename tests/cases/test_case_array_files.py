"""Files of arrays."""

from pathlib import Path

import numpy as np
import torch

import morphogen as mg
from tests.cases import case
from tests.cases.test_case_memory import BYTES, WAVES, X, Y, pictures, refused


@case("a file of one NumPy array, `x.npy`, or an `.npz` with one", "the array in memory, with its options")
def test_one_array(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", photographs=X, note=np.array(3))
    np.save(tmp_path / "waves.npy", WAVES)
    for name in ("x.npy", "x.npz"):
        data = mg.load_data(tmp_path / name, Y)
        assert pictures(data) == BYTES and data.name == "x" and data.classes == ("0", "1", "2")
    assert mg.load_data(str(tmp_path / "waves.npy"), rate=8000, length=500).medium == "sound"


@case("an `.npz` with `X` and `y`, `images` and `labels`, `data` and `target`", "values and labels")
@case("`x_train, y_train, x_test, y_test`, or `train_images, val_images, ...` of MedMNIST", "one's own split")
def test_named_arrays(tmp_path: Path) -> None:
    for values, labels in (("X", "y"), ("images", "labels"), ("data", "target"), ("arr_0", "label")):
        np.savez(tmp_path / "two.npz", **{values: X, labels: Y})
        assert mg.load_data(tmp_path / "two.npz").classes == ("0", "1", "2")
    np.savez(tmp_path / "own.npz", x_train=X[:40], y_train=Y[:40], x_test=X[40:], y_test=Y[40:])
    data = mg.load_data(tmp_path / "own.npz")
    assert len(data.test) == 20 and set(data.test.labels.tolist()) == {0, 1, 2}  # type: ignore[union-attr]
    parts = {"train_images": X[:40], "val_images": X[40:50], "test_images": X[50:]}
    np.savez(
        tmp_path / "med.npz",
        **parts,
        **{name.replace("images", "labels"): Y[:1].repeat(len(x))[:, None] for name, x in parts.items()},
    )
    med = mg.load_data(tmp_path / "med.npz")
    assert [len(part) for part in (med.train, med.valid, med.test)] == [40, 10, 10]
    want = mg.load_data(X[:40], Y[:40], test=(X[40:], Y[40:]))
    assert torch.equal(data.test.first().medium, want.test.first().medium)


@case(
    "an `.npz` with other names, of Python objects, or damaged", "one line that names the arrays, or why not"
)
def test_other_files_of_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "odd.npz", left=X, right=X)
    refused(
        lambda: mg.load_data(tmp_path / "odd.npz"), r"it holds left \[60, 8, 8\], right .* name them X and y"
    )
    np.savez(tmp_path / "both.npz", X=X, images=X)
    refused(lambda: mg.load_data(tmp_path / "both.npz"), r"it holds X \[60, 8, 8\], images \[60, 8, 8\]")
    np.save(tmp_path / "objects.npy", np.array([X, "a", {}], dtype=object), allow_pickle=True)
    refused(lambda: mg.load_data(tmp_path / "objects.npy"), "holds Python objects; save numbers with np.save")
    for name in ("a.npy", "a.npz"):
        for content in (b"", b"hello", (tmp_path / "odd.npz").read_bytes()[:300]):
            (tmp_path / name).write_bytes(content)
            refused(
                lambda name=name: mg.load_data(tmp_path / name), "is not a readable file of arrays|Python ob"
            )
