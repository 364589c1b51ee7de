"""What the tensors of a model can be converted to: half precision and absent devices are one line."""

from pathlib import Path

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.model import Model, load, save
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


@pytest.mark.usefixtures("untyped")
def test_a_device_by_the_name_that_people_give(model: Model, tmp_path: Path) -> None:
    save(model, tmp_path)
    has = "cuda" if torch.cuda.is_available() else "cpu"
    for auto in (
        load(tmp_path, "auto"),
        load(tmp_path, device="auto"),
        model.to("auto"),
        model.to(device="auto"),
    ):
        assert auto.device.type == has
    assert (
        model.to("cpu", torch.float32).device.type == load(tmp_path, torch.device("cpu")).device.type == "cpu"
    )
    for call in (lambda: model.to("gpu"), lambda: load(tmp_path, "gpu"), lambda: load(tmp_path, None)):
        with pytest.raises(
            ConfigError, match=r"^device=.*: torch knows none of this name: give 'auto' or 'cpu'"
        ):
            call()
    assert model.to(device=None, dtype=torch.float32) is model.cpu()
    absent = "cuda:99" if torch.cuda.is_available() else "cuda"
    with pytest.raises(ConfigError, match=rf"^device='{absent}': .*: give 'auto' or 'cpu'") as error:
        load(tmp_path, absent)
    assert "model.to" not in str(error.value) and "\n" not in str(error.value)
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match=r"^device=0: .*: give 'auto' or 'cpu'"):
            load(tmp_path, 0)
