"""What the tensors of a model can be converted to: half precision and absent devices are one line."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.model import Model
from morphogen.representations.pixels import Pixels
from morphogen.staged import Staged
from morphogen.systems import vae


@pytest.fixture(scope="module")
def model() -> Model:
    return vae(Pixels(17, (1, 8, 8)), size="tiny")


@pytest.mark.parametrize(
    "convert", [lambda m: m.half(), lambda m: m.bfloat16(), lambda m: m.to(torch.float16)]
)
def test_half_precision_is_an_argument_of_a_call(convert, model: Model) -> None:
    for whole in (model, Staged(only=model)):
        with pytest.raises(
            ConfigError, match=r'^a model keeps its parameters in float32, not .*precision="bf16"\)$'
        ):
            convert(whole)
    assert model.sample(2, precision="bf16").tensor.shape == (2, 1, 8, 8)
    assert model.double().float() is model and model.sample(1).tensor.dtype == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_one_line(model: Model) -> None:
    for move in (lambda: model.to("cuda"), model.cuda):
        with pytest.raises(ConfigError, match=r"^the model cannot be moved \(.*\): write model.to\('cpu'\)$"):
            move()
    assert model.to("cpu").device.type == "cpu"
