"""The split is a function of the content: it does not depend on order, names or repetition."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morphogen.data import DataError, load_data
from morphogen.data.splits import examples_for, split


def contents_of(contents, parts):
    return {name: sorted(contents[i] for i in getattr(parts, name)) for name in ("train", "valid", "test")}


@given(st.lists(st.binary(max_size=8), min_size=3, max_size=40), st.randoms(use_true_random=False))
def test_the_split_does_not_depend_on_the_order_and_parts_are_disjoint(contents, random):
    if len(set(contents)) < 3:
        with pytest.raises(DataError, match="distinct"):
            split(contents)
        return
    parts = split(contents)
    by_part = contents_of(contents, parts)
    assert sorted(parts.train + parts.valid + parts.test) == list(range(len(contents)))
    assert all(by_part.values())
    train, valid, test = map(set, by_part.values())
    assert not (train & test or train & valid or valid & test)
    shuffled = random.sample(contents, len(contents))
    again = split(shuffled)
    assert contents_of(shuffled, again) == by_part
    assert again.sha256 == parts.sha256


def test_so_many_examples_have_enough_of_them_in_test():
    """Fewer happen once in a thousand: hardly in 200 sets; with two thirds of the examples, in some."""
    for least in (1, 6):
        sets = [[f"{least} {k} {i}".encode() for i in range(examples_for(least))] for k in range(200)]
        assert sum(len(split(contents).test) < least for contents in sets) <= 2
    few = [split(contents[: 2 * len(contents) // 3]) for contents in sets]
    assert 0 < sum(len(parts.test) < 6 for parts in few) < 40


def test_fractions_are_75_10_15():
    """With n = 20000, the standard error of a fraction is at most 0.0031; the tolerance is four of them."""
    parts = split([i.to_bytes(4, "big") for i in range(20_000)])
    for part, fraction in ((parts.train, 0.75), (parts.valid, 0.10), (parts.test, 0.15)):
        assert abs(len(part) / 20_000 - fraction) < 0.0125


def test_new_examples_do_not_move_existing_ones():
    few, many = ([i.to_bytes(4, "big") for i in range(n)] for n in (500, 900))
    of_few, of_many = contents_of(few, split(few)), contents_of(many, split(many))
    for name in of_few:
        assert set(of_few[name]) <= set(of_many[name])


def test_the_sha256_depends_on_the_assignment():
    contents = [bytes([i]) for i in range(50)]
    assert split(contents).sha256 != split(contents[:-1]).sha256


@pytest.mark.parametrize("chosen", ["first rows", "train", "valid", "test"])
def test_a_part_of_an_earlier_split_is_split_anew(chosen):
    """Of n examples in train, 0.75 n with a standard error of (0.75 x 0.25 n)^(1/2); five are tolerated."""
    contents = [i.to_bytes(4, "big") for i in range(4000)]
    for _ in range(2):  # and a part of the new one too
        made = split(contents)
        rows = made.train[:1000] if chosen == "first rows" else getattr(made, chosen)
        contents = [contents[i] for i in rows]
        again = split(contents)
        tolerance = 5 * (0.75 * 0.25 / len(contents)) ** 0.5
        assert again.again and abs(len(again.train) / len(contents) - 0.75) < tolerance
        assert contents_of(contents, again) == contents_of(contents[::-1], split(contents[::-1]))
        assert again.copied("picture")[-1] == (
            "these pictures are one part of an earlier split, such as its training part: they are split again"
        )


def test_only_a_split_beyond_chance_is_made_anew():
    """Of 2000 sets of 100, none is by chance: one in a million would be."""
    for start in range(0, 200_000, 100):
        assert not split([i.to_bytes(4, "big") for i in range(start, start + 100)]).again


def test_authors_train_rows_of_an_earlier_split_are_split_anew():
    contents = [i.to_bytes(4, "big") for i in range(4000)]
    train = [contents[i] for i in split(contents).train[:300]]
    made = split([*train, *contents[:50]], [*["train"] * 300, *["test"] * 50])
    assert made.again and 15 <= len(made.valid) <= 60 and len(made.test) == 50


def test_a_group_of_most_examples_is_named():
    contents = [bytes([i]) for i in range(20)]
    made = split(contents, (), [0] * 12 + list(range(1, 9)))
    (_, note) = made.copied("picture")
    assert made.largest == 12 and note.startswith(
        "12 of 20 pictures are one group of near-duplicates, all in"
    )
    assert len(split(contents, (), [0] * 9 + list(range(1, 12))).copied("picture")) == 1


def test_digits_are_complete_and_parts_are_disjoint():
    data = load_data("digits")
    parts = [part.first() for part in (data.train, data.valid, data.test)]
    assert sum(map(len, parts)) == 1797
    train, valid, test = ({row.numpy().tobytes() for row in part.medium} for part in parts)
    assert not (train & valid or train & test or valid & test)
    medium = torch.cat([part.medium for part in parts])
    assert medium.min() == -1 and medium.max() == 1
    assert torch.equal(data.representation.decode(medium), medium)  # every value is one of the 17 levels
    counts = torch.cat([part.condition["label"] for part in parts]).bincount()
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # as published by UCI


def test_rows_are_returned_in_the_order_of_the_indices():
    data = load_data("digits")
    batch, first = data.train[torch.tensor([7, 2, 7])], data.train.first(8)
    assert torch.equal(batch.medium[0], batch.medium[2])
    assert (
        torch.equal(batch.medium[1], first.medium[2])
        and batch.condition["label"][0] == first.condition["label"][7]
    )


def test_the_first_rows_have_all_classes():
    assert len(load_data("digits").test.first(80).condition["label"].unique()) == 10


@pytest.mark.parametrize("name", ["digit", "/no/such/place", "", "a" * 5000, "hf:", "hf:/no/such/place"])
def test_unknown_data_raise_one_line_with_the_value_and_the_remedy(name):
    remedy = r"`morphogen data` lists|give one of 'digits', .*, a folder|check the path|write hf:owner/name"
    with pytest.raises(DataError, match=remedy) as error:
        load_data(name)
    assert name[:100] in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("digit", "digits"), ("mnist5k", "mnist-5k"), ("fashionmnist", "fashion-mnist"), ("emojis", "emoji")],
)
def test_the_nearest_name_is_suggested(name, meant):
    with pytest.raises(DataError, match=f"did you mean '{meant}'"):
        load_data(name)


def test_the_nearest_sibling_of_a_path_is_suggested(tmp_path):
    (tmp_path / "photographs").mkdir()
    with pytest.raises(DataError, match=r"did you mean '.*photographs'"):
        load_data(str(tmp_path / "photograps"))
