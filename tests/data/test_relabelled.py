"""Labels by the names of classes, and the hash of a data set."""

from dataclasses import replace

import pytest
import torch

from morphogen.conditioning.specs import Classes
from morphogen.data import DataError, Dataset, Examples, Pairs, Pictures, Rows, Sounds, Windows, WithSketches
from morphogen.data.relabelled import with_classes_of, with_labels_of
from morphogen.representations.pixels import Pixels


def examples(labels: list[int] | None, seed: int = 0) -> Pictures:
    draw = torch.Generator().manual_seed(seed)
    values = torch.randint(256, (6, 1, 8, 8), generator=draw, dtype=torch.uint8)
    return Pictures(values, 256, None if labels is None else torch.tensor(labels))


def dataset(labels: list[int] | None, names: tuple[str, ...], seed: int = 0) -> Dataset:
    part = examples(labels, seed)
    conditions = {"label": Classes(names)} if names else {}
    return Dataset("pets", "pictures", part, part, part, conditions, Pixels(256, (1, 8, 8)), "split")


LABELS = [0, 1, 0, 1, 1, 0]


def test_the_names_identify_the_classes() -> None:
    data = with_classes_of(dataset(LABELS, ("dogs", "cats")), {"label": Classes(("birds", "cats", "dogs"))})
    assert data.classes == ("birds", "cats", "dogs")
    assert data.train.labels.tolist() == [2, 1, 2, 1, 1, 2]
    batch = data.train[torch.tensor([1, 2])]
    assert batch.condition["label"].tolist() == [1, 2] and batch.medium.shape == (2, 1, 8, 8)


def test_rows_know_their_new_classes_and_are_not_relabelled_twice() -> None:
    label = {"label": Classes(("birds", "cats", "dogs"))}
    part = with_classes_of(dataset(LABELS, ("dogs", "cats")), label).train
    assert part.conditions["label"].names == label["label"].names
    assert with_labels_of(part, label) is part
    rows = with_labels_of(dataset(LABELS, ("dogs", "cats")).train, label)
    assert rows.first(3).condition["label"].tolist() == [2, 1, 2] and with_labels_of(rows, label) is rows


def test_other_classes_are_refused_and_superfluous_ones_left_out() -> None:
    label = {"label": Classes(("cats", "dogs"))}
    with pytest.raises(DataError, match="no class 'wolves', it was trained with cats, dogs"):
        with_classes_of(dataset(LABELS, ("cats", "wolves")), label)
    with pytest.raises(DataError, match="has no classes"):
        with_classes_of(dataset(None, ()), label)
    assert with_classes_of(dataset(LABELS, ("cats", "dogs")), {}).classes == ()
    same = dataset(LABELS, ("cats", "dogs"))
    assert with_classes_of(same, label) is same


def test_the_hash_covers_examples_labels_names_and_representation() -> None:
    data = dataset(LABELS, ("cats", "dogs"))
    assert data.sha256 == dataset(LABELS, ("cats", "dogs")).sha256 == replace(data, name="other").sha256
    others = [
        dataset(LABELS, ("cats", "wolves")),
        dataset([1, *LABELS[1:]], ("cats", "dogs")),
        dataset(LABELS, ("cats", "dogs"), seed=1),
        dataset(None, ()),
        replace(data, representation=Pixels(16, (1, 8, 8))),
        with_classes_of(dataset(LABELS, ("dogs", "cats")), {"label": Classes(("cats", "dogs"))}),
    ]
    assert len({data.sha256, *(other.sha256 for other in others)}) == 1 + len(others)


ids = torch.arange(12)
KINDS: list[tuple[Examples, Examples]] = [
    (examples(LABELS), examples([1, *LABELS[1:]])),
    (Rows(torch.eye(3).double()), Rows(torch.eye(3).double() * 2)),
    (Windows(ids, torch.tensor([0, 4]), 4), Windows(ids, torch.tensor([0, 5]), 4)),
    (Pairs(ids.view(3, 4), ids.view(3, 4)), Pairs(ids.view(3, 4), ids.view(3, 4).flip(0))),
    (Sounds(ids.short(), torch.tensor([0]), 4), Sounds(ids.short(), torch.tensor([1]), 4)),
    (WithSketches(examples(None)), WithSketches(examples(None, seed=1))),
]


@pytest.mark.parametrize(("one", "other"), KINDS, ids=lambda part: type(part).__name__)
def test_every_kind_of_examples_answers_for_itself(one: Examples, other: Examples) -> None:
    contents = [[tensor.tolist() for tensor in part.contents()] for part in (one, other)]
    assert contents[0] != contents[1]
