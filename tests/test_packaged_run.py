"""A packaged model is a run: made once, named by the model, and never the newest of its folder."""

import pytest
import torch
from safetensors.torch import load, save

import morphogen as mg
from morphogen import packaged_run as module
from morphogen.cli.run_choice import choose_run
from morphogen.data import DataError
from morphogen.data.pretrained import PRETRAINED, PackagedGenerator
from morphogen.families.gan import PretrainedGenerator
from morphogen.model import Model, copy_tensors, tensors
from morphogen.networks.dcgan import DCGANGenerator
from morphogen.packaged_run import packaged_run
from morphogen.representations.pixels import Pixels
from morphogen.run import Run


def opened(content):
    model = Model(PretrainedGenerator(DCGANGenerator(4, (1, 8, 8), 4), 4), Pixels(17, (1, 8, 8)))
    copy_tensors(tensors(model), load(content))
    return model


@pytest.fixture
def weights(monkeypatch):
    """Weights of a small generator in place of those of gan-face."""
    torch.manual_seed(0)
    network = Model(PretrainedGenerator(DCGANGenerator(4, (1, 8, 8), 4), 4), Pixels(17, (1, 8, 8)))
    content = save(tensors(network))
    monkeypatch.setattr(module, "weights", lambda name: {module.WEIGHTS: content})
    packaged = PackagedGenerator(opened, "faces", "2025-07-01T00:00:00+00:00")
    monkeypatch.setattr(module, "MODELS", {"gan-face": packaged})
    return content


def test_the_run_is_made_once_and_has_the_weights(weights, tmp_path, monkeypatch):
    samples = choose_run(module.Path("gan-face"), tmp_path).model().sample(4).tensor
    monkeypatch.setattr(module, "weights", None)
    assert torch.equal(packaged_run("gan-face", tmp_path).model().sample(4).tensor, samples)
    assert torch.equal(opened(weights).sample(4).tensor, samples)
    assert torch.equal(mg.load(tmp_path / "gan-face").sample(4).tensor, samples)


def test_it_is_never_the_newest_of_other_runs(weights, tmp_path):
    own = Run.create(tmp_path, "vae", "digits")
    own.mark("finished")
    run = packaged_run("gan-face", tmp_path)
    assert run.record["data"] == "faces" and Run.latest(tmp_path).name == own.name


def test_without_the_weights_the_command_that_downloads_them_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path))
    assert not PRETRAINED["gan-face"].available
    with pytest.raises(DataError, match="morphogen data get gan-face"):
        packaged_run("gan-face", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
