"""Arrays become tensors without a warning, shared where torch can."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch

from morphogen.conditioning.named import name_conditions
from morphogen.numerics.arrays import tensor_of_array
from morphogen.representations.audio import MuLaw
from morphogen.representations.given import as_tensor


def read_only(size: int) -> np.ndarray:
    array = np.linspace(-0.5, 0.5, size)
    array.flags.writeable = False
    return array


def test_an_array_is_shared_unless_torch_cannot() -> None:
    array = np.zeros(3)
    tensor_of_array(array)[0] = 1
    assert array[0] == 1 and tensor_of_array(np.arange(3)[::-1]).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "read",
    [
        tensor_of_array,
        lambda array: as_tensor(array, "rows"),
        lambda array: name_conditions(["label"], {"label": array}, len(array)),
        lambda array: MuLaw(len(array), 8000).check([(8000, array)]),
    ],
)
def test_a_read_only_array_is_copied_without_a_warning(read: Callable[[np.ndarray], object]) -> None:
    was = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(read_only(64))
    finally:
        torch.set_warn_always(was)
