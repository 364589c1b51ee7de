"""The split is a function of the content: order, names and repetition do not matter, and no content stands twice."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morphogen.data import DataError, load
from morphogen.data.splits import split


def placed(contents, parts):
    return {name: sorted(contents[i] for i in getattr(parts, name)) for name in ("train", "valid", "test")}


@given(st.lists(st.binary(max_size=8), min_size=3, max_size=40), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_parts_and_no_content_stands_twice(contents, random):
    if len(set(contents)) < 3:
        with pytest.raises(DataError, match="distinct"):
            split(contents)
        return
    parts = split(contents)
    here = placed(contents, parts)
    assert sorted(parts.train + parts.valid + parts.test) == list(range(len(contents)))
    assert all(here.values())
    assert not (set(here["train"]) & set(here["test"]) or set(here["train"]) & set(here["valid"]) or set(here["valid"]) & set(here["test"]))
    shuffled = random.sample(contents, len(contents))
    again = split(shuffled)
    assert placed(shuffled, again) == here
    assert again.sha256 == parts.sha256


def test_shares_are_75_10_15():
    """n = 20000: the standard error of a share is at most 0.0031; four of them."""
    parts = split([i.to_bytes(4, "big") for i in range(20_000)])
    for part, share in ((parts.train, 0.75), (parts.valid, 0.10), (parts.test, 0.15)):
        assert abs(len(part) / 20_000 - share) < 0.0125


def test_adding_examples_moves_none():
    few, many = ([i.to_bytes(4, "big") for i in range(n)] for n in (500, 900))
    before, after = placed(few, split(few)), placed(many, split(many))
    for name in before:
        assert set(before[name]) <= set(after[name])


def test_the_hash_of_the_split_notices_who_stands_where():
    contents = [bytes([i]) for i in range(50)]
    assert split(contents).sha256 != split(contents[:-1]).sha256


def test_digits_are_whole_and_share_nothing():
    data = load("digits")
    parts = [part.first() for part in (data.train, data.valid, data.test)]
    assert sum(map(len, parts)) == 1797
    seen = [{row.numpy().tobytes() for row in part.medium} for part in parts]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    medium = torch.cat([part.medium for part in parts])
    assert medium.min() == -1 and medium.max() == 1
    assert torch.equal(data.representation.decode(medium), medium)  # every value is on the grid of 17
    counts = torch.cat([part.condition for part in parts]).bincount()
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # the classes as UCI publishes them


def test_rows_come_in_the_order_asked():
    data = load("digits")
    batch = data.train[torch.tensor([7, 2, 7])]
    assert torch.equal(batch.medium[0], batch.medium[2]) and torch.equal(batch.medium[1], data.train.first(3).medium[2])
    assert batch.condition[0] == data.train.first(8).condition[7]


def test_the_first_rows_show_every_class():
    assert len(load("digits").test.first(80).condition.unique()) == 10


@pytest.mark.parametrize("name", ["digit", "/no/such/place", "", "a" * 5000, "hf:", "hf:/no/such/place"])
def test_unknown_data_name_the_value_and_the_remedy(name):
    with pytest.raises(DataError, match=r"name 'digits', 'mnist-5k'.*, a folder|check the path|write hf:owner/name") as refused:
        load(name)
    assert name in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "meant"), [("digit", "digits"), ("mnist5k", "mnist-5k"), ("fashionmnist", "fashion-mnist"), ("emojis", "emoji")]
)
def test_the_nearest_name_is_offered(name, meant):
    with pytest.raises(DataError, match=f"did you mean '{meant}'"):
        load(name)


def test_the_nearest_neighbour_of_a_path_is_offered(tmp_path):
    (tmp_path / "photographs").mkdir()
    with pytest.raises(DataError, match=r"did you mean '.*photographs'"):
        load(str(tmp_path / "photograps"))
