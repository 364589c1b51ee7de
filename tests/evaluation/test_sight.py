"""The check of a feature space: those that see pass, blind ones are named with figures and the reason."""

import pytest
import torch
from pandas import DataFrame
from scipy.io import wavfile

from morphogen.data import NAMED, load_data
from morphogen.data.dataset import Dataset, Pictures
from morphogen.data.pretrained import PRETRAINED
from morphogen.data.table import table_of
from morphogen.data.text import text_by_content
from morphogen.evaluation.features import (
    ByteFeatures,
    ColumnFeatures,
    EfficientNetFeatures,
    Features,
    RandomFeatures,
    SentenceFeatures,
    features_for,
)
from morphogen.evaluation.precision_recall import precision_recall
from morphogen.evaluation.sight import _reason, sight
from morphogen.representations.pixels import Pixels


def clip_art(n, side=24, seed=0):
    """Pictures of one coloured disc or square on a coloured ground, flat as clip art is."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.arange(side)
    ground = torch.randint(256, (n, 3, 1, 1), generator=generator, dtype=torch.uint8)
    values = ground.expand(-1, -1, side, side).contiguous()
    for picture in values:
        x, y = torch.randint(6, side - 6, (2,), generator=generator)
        radius = torch.randint(3, 9, (), generator=generator)
        across, down = (grid - x).abs()[None], (grid - y).abs()[:, None]
        disc = across**2 + down**2 <= radius**2
        square = (across <= radius) & (down <= radius)
        shape = disc if torch.rand((), generator=generator) < 0.5 else square
        colour = torch.randint(256, (3,), generator=generator, dtype=torch.uint8)
        picture[:, shape] = colour[:, None]
    train, valid, test = (Pictures(part) for part in values.split([n // 2, n // 4, n - n // 2 - n // 4]))
    return Dataset("art", "pictures", train, valid, test, {}, Pixels(256, (3, side, side)), "")


ART = clip_art(800)


def test_a_space_that_sees_passes_with_its_figures():
    data = load_data("digits")
    found = sight(RandomFeatures(1), data)
    assert found["sees"] and not found["reason"]
    assert list(found["checks"]) == ["white noise", "shuffled pixels"]
    for check in found["checks"].values():
        assert check["accuracy"]["low"] > 0.9 and check["realistic"]["high"] < 0.3
        assert check["accuracy"]["n"] == 500


def test_telling_apart_is_not_enough():
    """A classifier tells noise from digits by their features, and yet half of it counts as realistic."""
    data = load_data("mnist-5k")
    found = sight(features_for(data), data)
    noise = found["checks"]["white noise"]
    assert noise["accuracy"]["low"] > 0.95 and 0.4 < noise["realistic"]["value"] < 0.7
    assert not found["sees"] and "(mnist) tell real data from white noise (" in found["reason"]
    assert found["reason"].startswith("500 examples do not show"), "the interval of `realistic` contains 1/2"


def test_few_examples_are_not_enough_to_see(monkeypatch):
    """The balls around 100 digits contain most noise; those around 500 contain a fifth of it."""
    data = load_data("digits")
    features = features_for(data)
    assert sight(features, data)["sees"]
    monkeypatch.setattr("morphogen.evaluation.sight.EXAMPLES", 100)
    assert not sight(features, data)["sees"]


def test_what_few_examples_leave_open_is_checked_on_more():
    """Of expensive features; and nothing is checked again where the answer is clear."""
    data = load_data("digits")
    features, counts = features_for(data), []
    features.affordable = 2000
    embed = features.embed
    features.embed = lambda medium: counts.append(len(medium)) or embed(medium)
    found = sight(features, data)
    assert found["sees"] and sum(counts) == 3 * (100 + 200 + 400)
    assert {check["accuracy"]["n"] for check in found["checks"].values()} == {400}
    blind = Scrambled()
    blind.affordable = 2000
    assert {check["accuracy"]["n"] for check in sight(blind, ART)["checks"].values()} == {100}


def test_random_features_take_noise_for_clip_art():
    found = sight(RandomFeatures(3), ART)
    assert not found["sees"] and found["checks"]["white noise"]["realistic"]["value"] > 0.9
    assert found["reason"].startswith("the features (random) cannot tell real data from white noise (1")
    assert "count as realistic" in found["reason"] and not RandomFeatures(3).fidelity


class Scrambled(Features):
    """Features that have nothing to do with the picture."""

    name, sha256 = "scrambled", ""

    def embed(self, medium):
        return torch.randn(len(medium), 8, generator=torch.Generator().manual_seed(len(medium)))


class Colours(Scrambled):
    """The number of different values, which shuffling keeps and noise does not."""

    name = "colours"

    def embed(self, medium):
        return (medium.flatten(1).sort(1).values.diff(dim=1) > 0).sum(1, keepdim=True).float()


@pytest.mark.parametrize(
    ("features", "blind"),
    [(Scrambled(), ["white noise", "shuffled pixels"]), (Colours(), ["shuffled pixels"])],
)
def test_each_corruption_that_is_not_seen_is_named(features, blind):
    found = sight(features, ART)
    assert not found["sees"] and [name for name in found["checks"] if name in found["reason"]] == blind


def test_few_examples_show_nothing():
    found = sight(RandomFeatures(3), clip_art(60))
    assert not found["sees"] and not found["checks"]
    assert found["reason"] == (
        "30 training examples cannot show whether the features (random) tell real data from noise: at least "
        "40 are needed"
    )


def test_an_undecided_check_says_so_and_a_failed_one_does_not():
    """The 60 training rows of 80 leave open whether a classifier tells related columns from permuted ones."""
    rows = torch.randn(80, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows[:, 1:] = 0.98 * rows[:, :1] + 0.2 * rows[:, 1:]
    data = table_of("rows", DataFrame(rows.numpy(), columns=list("abcd")))
    found = sight(ColumnFeatures(data.train.first().medium), data)
    check = found["checks"]["permuted columns"]
    assert check["accuracy"]["low"] <= 0.75 <= check["accuracy"]["high"] and check["realistic"]["low"] <= 0.5
    assert found["reason"].startswith(f"{check['realistic']['n']} examples do not show that the features")
    for key, words in (("accuracy", "a classifier is right in {}"), ("realistic", "({} of 32 count as")):
        percents = (100 * check[key][end] for end in ("value", "low", "high"))
        assert words.format("{:.0f} % [{:.0f}, {:.0f}]".format(*percents)) in found["reason"]
    blind = sight(Scrambled(), data)
    assert blind["reason"].startswith("the features (scrambled) cannot tell real data from permuted columns")


def check(accuracy, realistic, n=30):
    return {
        key: {"value": sum(ends) / 2, "low": ends[0], "high": ends[1], "n": n}
        for key, ends in (("accuracy", accuracy), ("realistic", realistic))
    }


@pytest.mark.parametrize(
    ("accuracy", "realistic", "is_open"),
    [
        ((0.51, 0.9), (0.1, 0.6), True),
        ((0.49, 0.9), (0.1, 0.6), False),  # a classifier may be no better than chance
        ((0.51, 0.74), (0.1, 0.6), False),  # it is too often wrong
        ((0.9, 1.0), (0.51, 0.9), False),  # too many count as realistic
    ],
)
def test_more_examples_might_help_only_where_a_classifier_beats_chance(accuracy, realistic, is_open):
    reason = _reason("they", {"noise": check(accuracy, realistic)})
    assert reason.startswith("30 examples do not show that they tell real data from noise (") == is_open
    assert reason.startswith("they cannot tell real data from noise (") != is_open
    assert "by chance in 50 %" in reason


def test_what_is_unseen_and_what_is_undecided_are_told_apart():
    checks = {"noise": check((0.4, 0.6), (0.8, 1)), "shuffled pixels": check((0.6, 0.8), (0.2, 0.6))}
    unseen, undecided = _reason("they", checks).split("; 30 examples")
    assert "noise" in unseen and "shuffled" not in unseen and "noise" not in undecided
    assert undecided.startswith(" do not show that they tell real data from shuffled pixels (40 % [20, 60]")


def table(n, related):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(n, 1, generator=generator, dtype=torch.float64)
    others = torch.rand(n, 3, generator=generator, dtype=torch.float64)
    return torch.cat([x, x, x, x], 1) if related else torch.cat([x, others], 1)


@pytest.mark.parametrize("related", [True, False])
def test_permuted_columns_are_seen_exactly_if_columns_depend_on_each_other(related, tmp_path):
    rows = [",".join(map(str, row)) for row in table(600, related).tolist()]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,d", *rows]))
    data = load_data(str(tmp_path / "t.csv"))
    found = sight(ColumnFeatures(data.train.first().medium.flatten(1)), data)
    assert found["sees"] == related and ("permuted columns" in found["reason"]) == (not related)


def test_byte_frequencies_do_not_know_the_order_of_words():
    words = ["the", "cat", "and", "a", "dog", "or", "bird", "with", "red", "blue", "green", "hat", "coat"]
    generator = torch.Generator().manual_seed(0)
    text = " ".join(words[i] for i in torch.randint(len(words), (20_000,), generator=generator))
    data = text_by_content("t", "t", text.encode(), 64).windows("bytes", 64)
    found = sight(ByteFeatures(data.representation), data)
    assert not found["sees"] and "(random-bytes) cannot tell real data from shuffled words" in found["reason"]


def test_sound_is_told_from_noise_as_loud(tmp_path):
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(8000) / 8000
    for i in range(80):
        pitch = 200 + 400 * torch.rand((), generator=generator)
        tone = 0.3 * torch.sin(2 * torch.pi * pitch * time) * (-(6 * time)).exp()
        wavfile.write(tmp_path / f"{i}.wav", 8000, tone.numpy())
    data = load_data(str(tmp_path))
    found = sight(features_for(data), data)
    assert found["sees"], found["reason"]
    assert list(found["checks"]) == ["white noise", "random phases"]


@pytest.mark.slow
@pytest.mark.skipif(not PRETRAINED["efficientnet-lite0"].available, reason="requires `make data`")
@pytest.mark.parametrize("data", [pytest.param("art", id="art"), pytest.param("emoji", id="emoji")])
def test_the_packaged_features_count_no_noise_as_clip_art(data):
    """100 noise pictures against 100 real ones, seed 0: precision at most 0.05, held-out at least 0.7."""
    if data == "emoji" and not NAMED["emoji"].available:
        pytest.skip("requires `make data`")
    data, features = ART if data == "art" else load_data(data), EfficientNetFeatures()
    real, other = data.train.first(100).medium, data.test.first(100).medium
    noise = 2 * torch.rand(real.shape, generator=torch.Generator().manual_seed(0)) - 1
    embedded = features(real)
    assert precision_recall(embedded, features(noise))["precision"]["value"] <= 0.05
    assert precision_recall(embedded, features(other))["precision"]["value"] >= 0.7
    assert sight(features, data)["sees"]


@pytest.mark.slow
@pytest.mark.skipif(not PRETRAINED["minilm"].available, reason="requires `make data`")
def test_sentence_embeddings_hardly_know_the_order_of_words():
    """They are told to be blind for it: a statement about the space, of which readers must know."""
    data = load_data("stdlib", length=128)
    found = sight(SentenceFeatures(data.representation), data)
    assert not found["sees"] and "shuffled words" in found["reason"]
