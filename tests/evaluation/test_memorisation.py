"""Copies of training examples are detected, and held-out examples are not counted as copies."""

import pytest
import torch

from morphogen.data import load_data
from morphogen.data.dataset import Pictures, Windows
from morphogen.data.table import Rows
from morphogen.evaluation.memorisation import memorisation, nearest_distance


def test_copies_are_counted_and_held_out_digits_are_not():
    data = load_data("digits")
    valid, test, train = data.valid.first().medium, data.test.first().medium, data.train.first(80).medium
    fresh = memorisation(valid, data.train, test)
    assert fresh["value"] <= 0.04 and fresh["low"] <= fresh["chance"]  # 0.01 nominal; n = 190
    assert memorisation(torch.cat([train, valid[:20]]), data.train, test)["value"] == pytest.approx(
        0.8, abs=0.02
    )
    near_copies = train + 0.01 * torch.randn(train.shape)
    assert memorisation(near_copies, data.train, test)["value"] == 1.0


def test_nearest_distance_matches_a_loop():
    values = torch.randint(0, 17, (600, 1, 3, 3), generator=torch.Generator().manual_seed(0)).byte()
    train = Pictures(values, 17)
    queries = 2 * torch.rand(7, 1, 3, 3, generator=torch.Generator().manual_seed(1)) - 1
    expected = [min((q - t).square().sum().sqrt().item() for t in train.first().medium) for q in queries]
    assert nearest_distance(queries, train).tolist() == pytest.approx(expected, rel=1e-5)
    assert nearest_distance(train.first(5).medium, train).tolist() == [0.0] * 5


def test_the_distance_between_rows_of_a_table_does_not_depend_on_units():
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(300, 2, generator=generator, dtype=torch.float64)
    units = torch.tensor([1.0, 1e6])
    near = table[:50] + 0.0001
    share = memorisation(near, Rows(table[:200]), table[200:])["value"]
    scaled = memorisation(near * units, Rows(table[:200] * units), table[200:] * units)["value"]
    assert share == scaled >= 0.9


def test_the_distance_of_a_text_is_by_its_longest_common_substring():
    text = torch.frombuffer(bytearray(b"the quick brown fox jumps over the lazy dog"), dtype=torch.uint8)
    train = Windows(text, torch.arange(0, 12), 8)  # the windows cover the 19 bytes "the quick brown fox"

    def tokens(text):
        return torch.tensor([list(text)])

    assert nearest_distance(tokens(b"quick br"), train).item() == 0
    assert nearest_distance(tokens(b"lazy dog"), train).item() == pytest.approx(1 - 1 / 8)
    assert nearest_distance(tokens(b"XXXickXX"), train).item() == pytest.approx(1 - 3 / 8)


def test_memorised_text_is_detected(tmp_path):
    generator = torch.Generator().manual_seed(0)
    letters = torch.randint(97, 123, (200, 40), generator=generator).byte()
    (tmp_path / "t.txt").write_bytes(b"\n".join(bytes(row.tolist()) for row in letters))
    data = load_data(str(tmp_path / "t.txt"), length=32)
    copies, fresh = data.train.first(20).medium, data.valid.first().medium
    assert memorisation(copies, data.train, data.test.first().medium)["value"] == 1.0
    assert memorisation(fresh, data.train, data.test.first().medium)["value"] <= 0.1
