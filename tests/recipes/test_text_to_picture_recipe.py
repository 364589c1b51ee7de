"""Pictures from captions: the record, resumed trainings, and stages that two trainings share."""

import json

import pytest
import torch

from morphogen.catalogue import build_system
from morphogen.conditioning.caption import Caption
from morphogen.data import load_data
from morphogen.networks.text_encoder import BagOfWords
from morphogen.recipes import records, shared_stages
from morphogen.recipes import text_to_picture as recipe
from morphogen.recipes.reproduce import findings
from morphogen.recipes.shared_stages import Training
from morphogen.recipes.text_to_picture import ROWS, TRAININGS
from morphogen.representations.text import Bytes
from morphogen.staged import Staged

STEPS = {"autoencoder": 2, "prior": 3}
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*nothing was trained", "ignore:.*covariance", "ignore:.*no training caption"
)


@pytest.fixture(scope="module")
def data():
    return load_data("shapes")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch, data):
    trainings = {
        "first": Training("latent_diffusion", STEPS),
        "second": Training("latent_diffusion", STEPS | {"prior": 2}),
        "clip": Training("clip", {shared_stages.ALONE: 2}),
    }
    rows = {"plain": recipe.Row("first"), "ranked": recipe.Row("second", candidates=2)}
    monkeypatch.setattr(recipe, "load_data", lambda name: data)
    constants = {"SIZE": "tiny", "TRAININGS": trainings, "ROWS": rows, "REPEATED": 2, "features_for": _random}
    for name, value in constants.items():
        monkeypatch.setattr(recipe, name, value)


def _random(data):
    from morphogen.evaluation.features import RandomFeatures

    features = RandomFeatures(3)
    features.affordable = 200
    return features


@pytest.mark.slow
def test_the_record_has_every_row_and_a_second_run_resumes(tmp_path) -> None:
    record = recipe.text_to_picture(("plain", "ranked"), tmp_path, n=6)
    rows = {"plain", "ranked", *(f"{row}, encoded and decoded" for row in ("plain", "ranked"))}
    assert set(record["figures"]) == rows | {"real pictures"}
    assert record["figures"]["real pictures"]["seen"]["attributes"]["value"] == 1.0
    assert {"seen", "held_out", "shuffled", "frechet", "unknown colour"} <= set(record["figures"]["ranked"])
    assert records.outdated(record) == []
    assert all(f.measured.low <= f.measured.high for f in findings({"figures": record["figures"]}, None))
    assert (tmp_path / "prompts.png").exists() and len(record["prompts"]) == len(recipe.PROMPTS)
    again = recipe.text_to_picture(("ranked",), tmp_path, n=6)
    assert again["figures"]["ranked"] == record["figures"]["ranked"]


def test_a_stage_that_is_the_same_model_is_trained_once(tmp_path, data) -> None:
    arguments = data, tmp_path
    first = shared_stages.trained(Training("latent_diffusion", STEPS), *arguments, "first", 0, "tiny")
    second = shared_stages.trained(Training("latent_diffusion", STEPS), *arguments, "second", 0, "tiny")
    longer = STEPS | {"prior": 4}
    third = shared_stages.trained(Training("latent_diffusion", longer), *arguments, "third", 0, "tiny")
    other = shared_stages.trained(Training("latent_diffusion", longer), *arguments, "fourth", 1, "tiny")
    assert list(first.seconds) == ["autoencoder", "prior"] and list(second.seconds) == []
    assert list(third.seconds) == ["prior"] and list(other.seconds) == ["autoencoder", "prior"]
    assert json.loads((tmp_path / "third" / "prior" / "stage.json").read_text())["copied"] is False
    same = [model.models["autoencoder"].state_dict() for model in (first.model, third.model)]
    assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in same), strict=True))


def test_a_frozen_language_model_reads_the_captions_once(tmp_path, data) -> None:
    """And not at all for a finished training; a text tower that is a stage is not one."""
    reads: list[int] = []
    language_model = Caption(Bytes(200), BagOfWords(256, 200, 8))
    language_model.encoder.register_forward_pre_hook(lambda _, given: reads.append(len(given[0])))
    arguments = {"low": 2, "picture": 1}, {"language_model": lambda: language_model}
    training = Training("imagen", *arguments, rows=40)
    first = shared_stages.trained(training, data, tmp_path, "imagen", 0, "tiny").model
    assert reads == [len(set(data.train.captions_of(torch.arange(40))))]
    again = shared_stages.trained(training, data, tmp_path, "imagen", 0, "tiny").model
    assert len(reads) == 1
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    dalle2 = build_system("dalle2", data.representation, data.conditions, "tiny")
    assert shared_stages.precomputed(dalle2, data.train) is data.train


def test_every_row_has_a_training_of_its_stages(data) -> None:
    """And CLIP ranks candidates of a row, so that it is one of the trainings."""
    assert {row.training for row in ROWS.values()} | {recipe.RANKER} <= set(TRAININGS)
    for training in TRAININGS.values():
        model = build_system(training.system, data.representation, data.conditions, "tiny")
        stages = list(model.models) if isinstance(model, Staged) else [shared_stages.ALONE]
        assert list(training.steps) == stages
