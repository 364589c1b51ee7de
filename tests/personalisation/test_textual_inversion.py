"""Textual inversion: only the embeddings of the new token are trained; files, stacking, what is refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.conditioning.added_token import AddedToken
from morphogen.personalisation.embedding_files import read_embedding, save_embedding
from morphogen.personalisation.textual_inversion import TextualInversion, caption_part
from morphogen.representations.text import Characters
from personalisation.painter import ALPHABET, drawn, painter, pictures, unchanged, weights

TOKEN = "<my-dog>"


@pytest.mark.parametrize("frozen", [False, True], ids=["trained encoder", "frozen encoder"])
def test_only_the_new_embeddings_are_trained(frozen: bool) -> None:
    model = painter(frozen)
    before, expected = weights(model), drawn(model)
    inverted = TextualInversion(model, TOKEN, vectors=2)
    assert [p.shape for p in inverted.players()["model"]] == [(2, 8)]
    mg.train(inverted, pictures(5, f"a {TOKEN}"), steps=4)
    assert unchanged(model, before)
    start = TextualInversion(model, TOKEN, vectors=2)
    assert (inverted.embedding != start.embedding).all()
    assert torch.equal(drawn(inverted), expected)  # of a prompt without the token
    assert not torch.allclose(drawn(inverted, f"a {TOKEN}"), drawn(start, f"a {TOKEN}"), atol=1e-5)


def test_it_starts_at_the_words_that_it_is_like() -> None:
    model = painter()
    inverted = TextualInversion(model, TOKEN, like="d")
    assert torch.allclose(drawn(inverted, TOKEN), drawn(model, "d"), atol=1e-6)
    with pytest.raises(ConfigError, match="like='' has no tokens"):
        TextualInversion(model, TOKEN, like="")


def test_embeddings_have_the_names_of_diffusers_and_are_read_back(tmp_path: Path) -> None:
    model, file = painter(), tmp_path / "learned_embeds.safetensors"
    inverted = TextualInversion(model, TOKEN, vectors=2)
    torch.nn.init.normal_(inverted.embedding)
    save_embedding(inverted, file)
    assert {name: tuple(t.shape) for name, t in load_file(file).items()} == {TOKEN: (2, 8)}
    again = read_embedding(model, file)
    assert torch.equal(drawn(again, f"a {TOKEN}"), drawn(inverted, f"a {TOKEN}"))
    renamed = read_embedding(model, file, "<other>")
    assert torch.equal(drawn(renamed, "a <other>"), drawn(inverted, f"a {TOKEN}"))
    save_file({"<cat>": torch.ones(8)}, file)  # one vector, as some files have it
    both = read_embedding(again, file)
    assert torch.equal(drawn(both, f"a {TOKEN}"), drawn(inverted, f"a {TOKEN}"))
    assert not torch.equal(drawn(both, f"a {TOKEN} and <cat>"), drawn(both, f"a {TOKEN} and a"))
    mg.save(both, tmp_path / "model")
    loaded = mg.load(tmp_path / "model")
    assert torch.equal(drawn(loaded, f"<cat> {TOKEN}"), drawn(both, f"<cat> {TOKEN}"))


def test_the_token_is_read_wherever_it_occurs() -> None:
    plain = Characters(ALPHABET, 1)
    added = AddedToken(plain, "<x>", 100, 2)
    assert added.ids("a <x> b<x>") == [*plain.ids("a"), 100, 101, *plain.ids("b"), 100, 101]
    assert added.ids("a b ") == plain.ids("a b ") and added.ids("<x><x>") == [100, 101, 100, 101]
    assert caption_part(TextualInversion(painter(), "<x>").conditioner).ids("<x>") == [len(ALPHABET) + 2]


@pytest.mark.parametrize(
    ("token", "words"),
    [("my dog", "one word"), ("", "one word"), ("<x>", "is there already")],
)
def test_unusable_tokens_are_refused(token: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TextualInversion(TextualInversion(painter(), "<x>"), token)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (
            {TOKEN: torch.ones(9)},
            r"is \[9\], the text encoder has finite ones of width 8: it is for another",
        ),
        ({TOKEN: torch.full((1, 8), torch.nan)}, "finite"),
        ({TOKEN: torch.ones(8), "<b>": torch.ones(8)}, "has 2 tensors: give a file of one learned token"),
    ],
)
def test_embeddings_for_another_model_are_refused(
    tensors: dict[str, torch.Tensor], words: str, tmp_path: Path
) -> None:
    file = tmp_path / "learned_embeds.safetensors"
    save_file(tensors, file)
    with pytest.raises(ConfigError, match=words) as error:
        read_embedding(painter(), file)
    assert str(error.value).startswith(str(file)) and "\n" not in str(error.value)


def test_models_without_captions_and_missing_files_are_refused(tmp_path: Path) -> None:
    unconditional = mg.build_system("ddpm", mg.load_data("digits").representation, {}, size="tiny")
    with pytest.raises(ConfigError, match="needs a model of captions, not a model without conditions"):
        TextualInversion(unconditional, TOKEN)
    with pytest.raises(ConfigError, match="give a safetensors file of a learned token"):
        read_embedding(painter(), tmp_path / "none.safetensors")
    with pytest.raises(ConfigError, match="has no learned token: train one"):
        save_embedding(painter(), tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match="give 1 or more new ones"):
        TextualInversion(painter(), TOKEN, vectors=0)
