"""Copies are counted, whatever was done to them, and nothing else is."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.data import NAMED, load_data
from morphogen.data.dataset import Pictures, Windows
from morphogen.data.table import Rows
from morphogen.evaluation.features import RandomFeatures
from morphogen.evaluation.memorisation import memorisation
from morphogen.evaluation.nearest import nearest_pictures, nearest_rows
from morphogen.evaluation.nearest_pairs import nearest_pairs, pairs_sheet
from morphogen.evaluation.quality import quality


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scenes(n: int, side: int = 32, seed: int = 0) -> torch.Tensor:
    """Smooth coloured pictures with an edge each, uint8: no two of them are alike."""
    smooth = F.interpolate(torch.rand(n, 3, 5, 5, generator=rng(seed)), size=side, mode="bicubic")
    edge = torch.rand(n, 3, 1, 1, generator=rng(seed + 1)) - 0.5
    mask = F.interpolate(torch.rand(n, 1, 4, 4, generator=rng(seed + 2)), size=side, mode="bicubic") > 0.6
    return ((smooth + edge * mask).clamp(0, 1) * 255).round().byte()


def medium(values: torch.Tensor) -> torch.Tensor:
    return Pictures(values).first().medium


def jpeg(values: torch.Tensor, quality: int) -> torch.Tensor:
    """Each picture, encoded and decoded."""
    decoded = []
    for picture in values:
        file = io.BytesIO()
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
        decoded.append(torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1))
    return torch.stack(decoded)


TONES = torch.tensor(
    [[255, 220, 93], [247, 222, 206], [243, 210, 162], [213, 171, 136], [175, 126, 87], [124, 83, 62]]
).byte()


def families(n: int, seed: int = 0, side: int = 32) -> torch.Tensor:
    """n flat drawings with hard edges on white, each in six tones of skin, with a coloured garment."""
    size = {"size": side, "mode": "bicubic"}
    figure, garment = F.interpolate(torch.rand(n, 2, 10, 10, generator=rng(seed)), **size).split(1, 1)
    colour = torch.randint(0, 256, (n, 1, 3, 1, 1), generator=rng(seed + 1)).byte()
    white = torch.full((n, 6, 3, side, side), 255).byte()
    drawn = torch.where((figure > 0.5)[:, None], TONES[None, :, :, None, None], white)
    return torch.where((garment > 0.5)[:, None], colour, drawn).flatten(0, 1)


TRAIN, HELDOUT, FRESH = scenes(600, seed=0), scenes(150, seed=10), medium(scenes(150, seed=20))
LEARNED = medium(TRAIN[:100])


def copies(samples: torch.Tensor, features=None) -> float:
    return memorisation(samples, Pictures(TRAIN), medium(HELDOUT), features)["value"]


CHANGED = {
    "jpeg 95": medium(jpeg(TRAIN[:100], 95)),
    "jpeg 80": medium(jpeg(TRAIN[:100], 80)),
    "jpeg 60": medium(jpeg(TRAIN[:100], 60)),
    "shifted by a pixel": F.pad(LEARNED, (1, 0, 0, 1), mode="replicate")[..., 1:, :-1],
    "mirrored": LEARNED.flip(3),
    "brighter": (LEARNED * 0.8 + 0.1).clamp(-1, 1),
    "noisy": LEARNED + 0.05 * torch.randn(LEARNED.shape, generator=rng()),
}


@pytest.mark.parametrize("change", CHANGED)
def test_changed_training_pictures_are_copies(change):
    assert copies(CHANGED[change]) >= 0.9


OTHERS = {
    "held-out": FRESH,
    "a grey picture": torch.zeros(100, 3, 32, 32),
    "a white picture": torch.ones(100, 3, 32, 32),
    "noise": 2 * torch.rand(100, 3, 32, 32, generator=rng()) - 1,
    "shrunken noise": 0.2 * torch.rand(100, 3, 32, 32, generator=rng()) - 0.1,
    "the mean": medium(TRAIN).mean(0) + 0.02 * torch.randn(100, 3, 32, 32, generator=rng()),
    "shrunken data": 0.3 * FRESH,
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_pictures_are_not(kind):
    assert copies(OTHERS[kind]) <= 0.03


@pytest.mark.parametrize("quality", [95, 80, 60])
def test_copies_are_found_among_nearly_equal_drawings(quality):
    """n = 300; the mirrored ones among the held-out drawings leave nothing but 0.4 as the threshold."""
    values = families(100)
    train, fresh = Pictures(values), families(40, 20)
    held = medium(torch.cat([families(40, 10), values[::60].flip(3)]))
    assert memorisation(medium(jpeg(values[:300], quality)), train, held)["value"] >= 0.9
    assert (
        memorisation(torch.cat([medium(fresh), medium(jpeg(fresh, quality))]), train, held)["value"] <= 0.03
    )


@pytest.mark.skipif(not NAMED["emoji"].available, reason="needs `make data`")
def test_copies_of_emoji_are_found_and_the_others_are_their_mirror_images():
    """One in twenty held-out emoji is the mirror image of a training one: hands, runners, arrows, clocks."""
    data = load_data("emoji")
    train, valid, test = (part.first(400).medium for part in (data.train, data.valid, data.test))
    for level in (95, 80, 60):
        assert memorisation(medium(jpeg(data.train.values[:300], level)), data.train, valid)["value"] >= 0.9
    others = {"held-out": test, "noise": 2 * torch.rand(100, 3, 32, 32, generator=rng()) - 1}
    found = {kind: memorisation(x, data.train, valid)["value"] for kind, x in others.items()}
    assert found["noise"] == 0 and found["held-out"] <= 0.1
    assert memorisation(train[:100], data.train, valid)["value"] >= 0.95


def test_features_find_the_same_copies_and_no_others():
    def features(x):
        return F.adaptive_avg_pool2d(x, 6).flatten(1)

    assert copies(CHANGED["jpeg 60"], features) >= 0.9
    assert max(copies(OTHERS[kind], features) for kind in ("held-out", "a grey picture", "noise")) <= 0.04
    swapped = copies(LEARNED, lambda x: torch.rand(len(x), 8, generator=rng()))
    assert swapped == 1, "features that see nothing do not hide copies of the pixels"


def test_a_flat_training_picture_does_not_make_constant_pictures_copies():
    flat = TRAIN.clone()
    flat[3] = 200
    flat[3, :, 4:6, 4:6] = 190
    constant = torch.linspace(-1, 1, 50)[:, None, None, None].expand(-1, 3, 32, 32)
    assert memorisation(constant, Pictures(flat), medium(HELDOUT))["value"] == 0


def test_noise_and_the_means_of_a_vae_on_data_of_noise():
    train, held, fresh = torch.randint(0, 256, (1200, 1, 16, 16), generator=rng(1)).byte().split(400)
    means = 0.02 * torch.randn(200, 1, 16, 16, generator=rng(2))
    for samples in (medium(fresh), means):
        assert memorisation(samples, Pictures(train), medium(held))["value"] <= 0.05
    assert memorisation(medium(train), Pictures(train), medium(held))["value"] == 1


def test_twins_in_the_held_out_part_do_not_hide_copies():
    held = torch.cat([jpeg(TRAIN[:15], 90), HELDOUT])
    found = memorisation(CHANGED["jpeg 60"], Pictures(TRAIN), medium(held))
    assert found["value"] >= 0.9 and found["chance"] == pytest.approx(15 / 165, abs=0.02)


def test_binary_digits_coincide_as_often_as_held_out_ones():
    """4 % of them equal a training example, up to a shift: no more than chance; copies are found."""
    data = load_data("digits")
    train, valid, test = (
        Pictures((part.first().medium > 0).byte(), 2) for part in (data.train, data.valid, data.test)
    )
    found = memorisation(test.first().medium, train, valid.first().medium)
    assert found["low"] <= found["chance"] <= 0.05 and found["value"] <= 0.06
    assert memorisation(train.first(100).medium, train, valid.first().medium)["low"] > 0.9


def test_digits():
    data = load_data("digits")
    valid, test, train = data.valid.first().medium, data.test.first().medium, data.train.first(80).medium
    fresh = memorisation(test, data.train, valid)
    assert fresh["value"] <= 0.02 and fresh["chance"] <= 0.01
    mixed = memorisation(torch.cat([(train + 0.05).clamp(-1, 1), test[:20]]), data.train, valid)
    assert mixed["value"] == pytest.approx(0.8, abs=0.02)


def test_the_test_part_is_neither_copied_nor_the_control():
    """Of `quality`: its own rows are no copies, and training examples in it hide none."""
    data = load_data("digits")
    learned, fresh = data.train.first(60).medium, data.test.first(60).medium
    features = RandomFeatures(1)

    def found(samples, test):
        return quality(samples, replace(data, test=test), features)["memorised"]["value"]

    assert found(fresh, data.test) <= 0.04 and found(learned, data.test) == 1
    assert found(learned, data.train) == 1, "with a test part of training examples"


def test_equal_rows_of_a_table_are_no_copies():
    """Rows of two categories, about 1.5 of each kind; equal rows are in one part, as `split` has them."""
    table = torch.randint(0, 40, (2400, 2), generator=rng()).double()
    keys = table[:, 0] * 40 + table[:, 1]
    held = keys.remainder(7) == 0
    train, samples = Rows(table[~held]), torch.randint(0, 40, (500, 2), generator=rng(1)).double()
    assert memorisation(samples, train, table[held])["value"] <= 0.03


def test_copied_rows_of_numbers_are_found_in_any_units():
    table = torch.randn(1000, 6, generator=rng(), dtype=torch.float64)
    units = torch.tensor([1.0, 1e6, 1e-3, 1, 1, 1], dtype=torch.float64)
    near, fresh = table[:100] + 1e-4, torch.randn(300, 6, generator=rng(5), dtype=torch.float64)
    for scale in (1, units):
        train, held = Rows(table[:800] * scale), table[800:] * scale
        assert memorisation(near * scale, train, held)["value"] >= 0.95
        assert memorisation(fresh * scale, train, held)["value"] <= 0.03


def test_rows_batches_and_numbers_are_the_same_examples():
    table = torch.randn(400, 3, generator=rng(), dtype=torch.float64)
    samples, rows = torch.cat([table[:20] + 1e-5, table[300:350]]), Rows(table[:200])
    want = memorisation(samples, rows, table[200:300])
    held = Rows(table[200:300])
    for train in (rows, rows.first(), rows.first().medium, rows.first().medium.numpy()):
        for heldout in (held, held.first(), table[200:300].numpy()):
            assert memorisation(samples, train, heldout) == want
    assert memorisation(rows, rows, held)["value"] > 0.9
    with pytest.raises(ConfigError, match="train are whole numbers: give rows"):
        memorisation(torch.ones(9, 5).long(), torch.ones(9, 5).long(), torch.ones(9, 5).long())


def test_the_nearest_rows_match_a_loop():
    train, x = torch.randn(700, 5, generator=rng()) + 100, torch.randn(20, 5, generator=rng(1)) + 100
    found = nearest_rows(x, train.__getitem__, len(train), 3)
    distance = (x[:, None].double() - train.double()).norm(dim=2).sort(1)
    assert torch.allclose(found.distances, distance.values[:, :3], rtol=1e-6)
    assert torch.equal(found.indices, distance.indices[:, :3])
    assert nearest_rows(train[:5], train.__getitem__, len(train), 2).distances[:, 0].tolist() == [0.0] * 5


def test_the_nearest_picture_is_the_one_that_was_changed():
    for change, samples in CHANGED.items():
        found = nearest_pictures(samples, lambda i: medium(TRAIN[i]), len(TRAIN), 2)
        assert (found.indices[:, 0] == torch.arange(100)).double().mean() >= 0.98, change


def test_a_training_picture_and_its_shift_are_candidates_among_many_similar_ones():
    """n = 300 of 3734 digits: views of a picture differ in norm, which must not decide on candidates."""
    data = load_data("mnist-5k").train
    learned = data.first(300).medium
    for samples in (learned, F.pad(learned, (1, 0, 0, 1), value=-1)[..., 1:, :-1], learned.flip(3)):
        found = nearest_pictures(samples, lambda i: data[i].medium, len(data), 2)
        assert (found.indices[:, 0] == torch.arange(300)).double().mean() >= 0.99


def test_the_most_suspicious_samples_are_shown_with_their_training_examples():
    samples = torch.cat([FRESH[:20], CHANGED["jpeg 80"][:5]])
    pairs = nearest_pairs(samples, Pictures(TRAIN), 5)
    assert pairs.ratios.tolist() == sorted(pairs.ratios.tolist()) and pairs.ratios[-1] < 0.4
    assert {row.numpy().tobytes() for row in pairs.nearest} == {row.numpy().tobytes() for row in LEARNED[:5]}
    picture = pairs_sheet(pairs)
    assert picture.width > 5 * 64 and picture.height > 2 * 64


def words(text: str, length: int = 32) -> Windows:
    tokens = torch.tensor(list(text.encode()))
    return Windows(tokens, torch.arange(0, len(tokens) - length + 1), length)


def letters(n: int, seed: int) -> str:
    return bytes(torch.randint(97, 123, (n,), generator=rng(seed)).tolist()).decode()


def test_copied_text():
    train, held = words(letters(4000, 0)), words(letters(4000, 1)).first(200).medium
    learned, fresh = train.first(50).medium, words(letters(2000, 2)).first(200).medium
    assert memorisation(learned, train, held)["value"] == 1
    assert memorisation(fresh, train, held)["value"] == 0
    half = torch.cat([learned[:, :20], fresh[:50, :12]], 1)
    assert memorisation(half, train, held)["value"] == 1, "20 of 32 tokens in a row"
    changed = learned.clone()
    changed[:, ::8] = 65
    assert memorisation(changed, train, held)["value"] == 0, "7 of 32 tokens in a row"


def test_a_short_text_is_compared_with_held_out_texts_of_its_length():
    train, held = words(letters(4000, 0)), words(letters(4000, 1)).first(200).medium
    short = words(letters(2000, 2)).first(100).medium.clone()
    short[:, 2:] = -1  # most pairs of letters are in the training text
    assert memorisation(short, train, held)["value"] == 0
    learned = train.first(50).medium.clone()
    learned[:, 16:] = -1
    assert memorisation(learned, train, held)["value"] == 1


def test_common_phrases_are_no_copies():
    phrases = [letters(40, seed) for seed in range(8)]
    texts = [
        "".join(phrases[i] if i < 8 else letters(40, 100 * part + k) for k, i in enumerate(order))
        for part, order in enumerate(torch.randint(0, 12, (3, 100), generator=rng()).tolist())
    ]
    train, held, fresh = (words(text) for text in texts)
    found = memorisation(fresh.first(300).medium, train, held.first(300).medium)
    assert found["value"] == 0 and found["power"] == 0, "copies cannot be told"
