"""State dicts of `torch.save`, in both of its formats, are read as torch reads them, without unpickling."""

import io
import zipfile

import pytest
import torch
from torch import nn

from morphogen.component import ConfigError
from morphogen.interop.torch_archive import read_state_dict

both = pytest.mark.parametrize("zipped", [False, True])


def saved(value, zipped=False):
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(4, 5))


@both
@pytest.mark.parametrize("nested", [False, True])
def test_tensors_equal_those_of_torch(zipped, nested):
    state = network().state_dict()
    state["transposed"] = torch.arange(6.0).view(2, 3).T  # a view with other strides
    read = read_state_dict(saved({"network": state} if nested else state, zipped))
    assert list(read) == [name for name in state if not name.endswith("num_batches_tracked")]
    assert all(torch.equal(read[name], state[name]) for name in read)
    assert read["transposed"].is_contiguous()


def rewritten(content, compression=zipfile.ZIP_STORED, **others):
    """The same zip file with other entries, or compressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", compression) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, others.get(entry.filename.partition("/")[2], old.read(entry)))
    return file.getvalue()


ZIPPED = saved({"a": torch.ones(3)}, zipped=True)
OTHERS = {
    "empty": b"",
    "text": b"not a file",
    "a zip file": rewritten(ZIPPED)[:2] + b"not one",
    "compressed": rewritten(ZIPPED, zipfile.ZIP_DEFLATED),
    "float64": saved({"a": torch.ones(3).double()}, zipped=True),
    "big-endian": rewritten(ZIPPED, byteorder=b"big"),
}


def test_a_rewritten_file_is_read():
    assert read_state_dict(rewritten(ZIPPED))["a"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_other_files_raise(content):
    with pytest.raises(ConfigError, match="not a state dict saved by PyTorch"):
        read_state_dict(content)


@both
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_raises(kept, zipped):
    content = saved(network().state_dict(), zipped)
    with pytest.raises(ConfigError, match="not a state dict"):
        read_state_dict(content[: int(kept * len(content))])


@both
def test_nothing_is_executed(zipped):
    class Evil:
        def __reduce__(self):
            return exec, ("raise SystemExit",)

    content = saved({"weight": torch.ones(2), "evil": Evil()}, zipped)
    if zipped:
        assert list(read_state_dict(content)) == ["weight"]
    else:
        with pytest.raises(ConfigError):
            read_state_dict(content[:-8])
