"""Mutation tests of text data: bytes per token, the train split of the tokenizer, and document boundaries."""

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
TEXTS = {
    "train": f"train {RHYME}",
    "again": f"{RHYME} train",
    "valid": f"valid {RHYME}",
    "test": f"test {RHYME}",
}
CORPUS = Corpus(
    "toy",
    "toy",
    [Document("train" if name == "again" else name, text) for name, text in TEXTS.items()],
    "by hand",
)


class _ShortAndLong(Objective):
    """A model with 10 nats for the first row and 90 for the second."""

    def losses(self, x, context, rng, player): ...

    def default_sampler(self) -> Sampler: ...

    def log_prob(self, x, context, rng):
        return Likelihood(torch.tensor([-10.0, -90.0]), x.dims, "exact", "mass")


def _two_rows() -> tuple[Text, Windows, Tensor]:
    """The rows with the fewest and the most bytes, and their numbers of bytes."""
    data = CORPUS.windows("bpe:280", 5)
    counts = data.representation.count(data.train.first().medium)
    chosen = torch.stack([counts.argmin(), counts.argmax()])
    return data.representation, Windows(data.train.text, data.train.starts[chosen], 5), counts[chosen]


def dims_are_bytes() -> None:
    text = Tokens(TOKENIZER, 64)
    ids = text.tokenize("the cat sat")[None]
    assert text.encode(ids, Rng(0, 1)).dims.tolist() == [11]


def the_end_token_counts_one_and_padding_none() -> None:
    text = Tokens(TOKENIZER, 64)
    ids = torch.tensor([[*text.ids("the cat"), text.end, -1, -1]])
    assert text.encode(ids, Rng(0, 1)).dims.tolist() == [8] and text.present(ids) == ["the cat"]


def special_tokens_in_text_are_not_parsed() -> None:
    assert TOKENIZER.end_id not in Tokenizer(TOKENIZER.file).ids("a <|endoftext|> b")


def the_tokenizer_is_trained_on_the_train_split() -> None:
    other = Corpus(
        "toy",
        "toy",
        [*CORPUS.documents[:2], Document("valid", "zz zz " * 90), Document("test", "qq qq " * 90)],
        "by hand",
    )
    first, second = (corpus.windows("bpe:300", 8).representation for corpus in (CORPUS, other))
    assert first.tokenizer.file.sha256 == second.tokenizer.file.sha256


def windows_do_not_cross_documents() -> None:
    data = CORPUS.windows("bytes", 16)
    assert (data.train.first().medium >= 0).all()


def bits_per_byte_are_averaged_over_bytes() -> None:
    text, rows, counts = _two_rows()
    result = likelihood.bits_per_dim(Model(_ShortAndLong(), text), rows)
    expected = 100 / counts.sum().item() / math.log(2)
    assert result is not None and result["bits_per_dim"] == pytest.approx(expected)


def count_tokens(monkeypatch):
    monkeypatch.setattr(Text, "count", lambda self, medium: (medium >= 0).sum(1))


def count_padding(monkeypatch):
    monkeypatch.setattr(Text, "count", lambda self, medium: self.sizes[medium.clamp_min(0)].sum(1))


def count_the_letters_of_the_end_token(monkeypatch):
    monkeypatch.setattr(Tokens, "_sizes", lambda self: torch.tensor([len(piece) for piece in self.pieces]))


def parse_special_tokens_in_text(monkeypatch):
    def ids(self, text):
        self._model.encode_special_tokens = False
        return self._model.encode(text, add_special_tokens=False).ids

    monkeypatch.setattr(Tokenizer, "ids", ids)


def train_the_tokenizer_on_all_splits(monkeypatch):
    monkeypatch.setattr(Corpus, "of", lambda self, part: [document.text for document in self.documents])


def let_windows_cross_documents(monkeypatch):
    starts = data_text._starts
    monkeypatch.setattr(
        data_text,
        "_starts",
        lambda spans, length, stride: starts([(spans[0][0], spans[-1][1])], length, stride),
    )


def average_over_rows(monkeypatch):
    mean, (*_, counts) = likelihood.mean, _two_rows()
    monkeypatch.setattr(
        likelihood, "mean", lambda rows: mean(torch.tensor([10.0, 90.0]) / counts / math.log(2))
    )


GUARDS = {
    dims_are_bytes: (count_tokens,),
    the_end_token_counts_one_and_padding_none: (
        count_tokens,
        count_padding,
        count_the_letters_of_the_end_token,
    ),
    special_tokens_in_text_are_not_parsed: (parse_special_tokens_in_text,),
    the_tokenizer_is_trained_on_the_train_split: (train_the_tokenizer_on_all_splits,),
    windows_do_not_cross_documents: (let_windows_cross_documents,),
    bits_per_byte_are_averaged_over_bytes: (average_over_rows,),
}


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_guard_passes_and_kills_its_mutants(guard, monkeypatch):
    guard()
    for mutant in GUARDS[guard]:
        with monkeypatch.context() as patch:
            mutant(patch)
            with pytest.raises((AssertionError, RuntimeError, ValueError)):
                guard()
