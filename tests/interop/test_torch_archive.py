"""State dicts of `torch.save` in its old format are read as torch reads them, without unpickling."""

import io

import pytest
import torch
from torch import nn

from morphogen.component import ConfigError
from morphogen.interop.torch_archive import read_state_dict


def saved(value, zipped=False):
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(4, 5))


def test_tensors_equal_those_of_torch():
    state = network().state_dict()
    state["transposed"] = torch.arange(6.0).view(2, 3).T  # a view with other strides
    read = read_state_dict(saved(state))
    assert list(read) == [name for name in state if not name.endswith("num_batches_tracked")]
    assert all(torch.equal(read[name], state[name]) for name in read)
    assert read["transposed"].is_contiguous()


@pytest.mark.parametrize("content", [b"", b"not a file", saved({"a": torch.ones(3)}, zipped=True)])
def test_other_files_raise(content):
    with pytest.raises(ConfigError, match="not a state dict saved by PyTorch"):
        read_state_dict(content)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_raises(kept):
    content = saved(network().state_dict())
    with pytest.raises(ConfigError, match="not a state dict"):
        read_state_dict(content[: int(kept * len(content))])


def test_nothing_is_executed():
    class Evil:
        def __reduce__(self):
            return exec, ("raise SystemExit",)

    with pytest.raises(ConfigError):
        read_state_dict(saved({"weight": torch.ones(2), "evil": Evil()})[:-8])
