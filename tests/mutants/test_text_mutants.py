"""What a text counts, who learns of it and where it ends: each guard kills the mutant that breaks it."""

import math

import pytest
import torch
from torch import Tensor

from morphogen.contract import Likelihood, Objective, Sampler
from morphogen.data import text as data_text
from morphogen.data.dataset import Windows
from morphogen.data.text import Corpus, Document
from morphogen.evaluation import likelihood
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Text, Tokens
from morphogen.representations.tokenizer import Tokenizer, bpe

RHYME = "the cat sat on the mat; the rat that sat by the cat had that hat.\n" * 8
TOKENIZER = bpe([RHYME], 280)
TEXTS = {"train": f"train {RHYME}", "again": f"{RHYME} train", "valid": f"valid {RHYME}", "test": f"test {RHYME}"}
CORPUS = Corpus("toy", "toy", [Document("train" if name == "again" else name, text) for name, text in TEXTS.items()], "by hand")


class _ShortAndLong(Objective):
    """Ten nats of the first row, ninety of the second."""

    def losses(self, x, context, rng, player): ...

    def sampler(self) -> Sampler: ...

    def log_prob(self, x, context, rng):
        return Likelihood(torch.tensor([-10.0, -90.0]), x.dims, "exact", "mass")


def _two_rows() -> tuple[Text, Windows, Tensor]:
    """The rows of fewest and of most bytes, and how many these are."""
    data = CORPUS.windows("bpe:280", 5)
    units = data.representation.count(data.train.first().medium)
    chosen = torch.stack([units.argmin(), units.argmax()])
    return data.representation, Windows(data.train.text, data.train.starts[chosen], 5), units[chosen]


def bytes_are_counted() -> None:
    text = Tokens(TOKENIZER, 64)
    ids = text.read("the cat sat")[None]
    assert text.encode(ids, Rng(0, 1)).dims.tolist() == [11]


def the_end_counts_and_what_follows_does_not() -> None:
    text = Tokens(TOKENIZER, 64)
    ids = torch.tensor([[*text.ids("the cat"), text.end, -1, -1]])
    assert text.encode(ids, Rng(0, 1)).dims.tolist() == [8] and text.present(ids) == ["the cat"]


def no_text_ends_itself() -> None:
    assert TOKENIZER.last not in Tokenizer(TOKENIZER.file).ids("a <|endoftext|> b")


def the_tokenizer_sees_the_train_part_alone() -> None:
    other = Corpus("toy", "toy", [*CORPUS.documents[:2], Document("valid", "zz zz " * 90), Document("test", "qq qq " * 90)], "by hand")
    one, two = (corpus.windows("bpe:300", 8).representation for corpus in (CORPUS, other))
    assert one.tokenizer.file.sha256 == two.tokenizer.file.sha256


def windows_stay_inside() -> None:
    data = CORPUS.windows("bytes", 16)
    assert (data.train.first().medium >= 0).all()


def long_rows_weigh_more() -> None:
    text, rows, units = _two_rows()
    found = likelihood.bits_per_dim(Model(_ShortAndLong(), text), rows)
    assert found is not None and found["bits_per_dim"] == pytest.approx(100 / units.sum().item() / math.log(2))


def count_symbols(monkeypatch):
    monkeypatch.setattr(Text, "count", lambda self, medium: (medium >= 0).sum(1))


def count_what_follows(monkeypatch):
    monkeypatch.setattr(Text, "count", lambda self, medium: self.sizes[medium.clamp_min(0)].sum(1))


def count_the_letters_of_the_end(monkeypatch):
    monkeypatch.setattr(Tokens, "_sizes", lambda self: torch.tensor([len(piece) for piece in self.pieces]))


def read_marks_in_the_text(monkeypatch):
    def ids(self, text):
        self._model.encode_special_tokens = False
        return self._model.encode(text, add_special_tokens=False).ids

    monkeypatch.setattr(Tokenizer, "ids", ids)


def learn_of_all_parts(monkeypatch):
    monkeypatch.setattr(Corpus, "of", lambda self, part: [document.text for document in self.documents])


def leak_across_documents(monkeypatch):
    starts = data_text._starts
    monkeypatch.setattr(data_text, "_starts", lambda spans, length, stride: starts([(spans[0][0], spans[-1][1])], length, stride))


def average_the_rows(monkeypatch):
    mean, (*_, units) = likelihood.mean, _two_rows()
    monkeypatch.setattr(likelihood, "mean", lambda rows: mean(torch.tensor([10.0, 90.0]) / units / math.log(2)))


GUARDS = {
    bytes_are_counted: (count_symbols,),
    the_end_counts_and_what_follows_does_not: (count_symbols, count_what_follows, count_the_letters_of_the_end),
    no_text_ends_itself: (read_marks_in_the_text,),
    the_tokenizer_sees_the_train_part_alone: (learn_of_all_parts,),
    windows_stay_inside: (leak_across_documents,),
    long_rows_weigh_more: (average_the_rows,),
}


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_guard_holds_and_kills(guard, monkeypatch):
    guard()
    for mutant in GUARDS[guard]:
        with monkeypatch.context() as changed:
            mutant(changed)
            with pytest.raises((AssertionError, RuntimeError, ValueError)):
                guard()
