"""Embeddings of a contrastive model as conditions and as x: one space, never trained, errors."""

import pytest
import torch
from torch import Tensor

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.conditioning.caption import Captions, caption_bytes
from morphogen.conditioning.embedded_caption import EmbeddedCaption
from morphogen.conditioning.picture_embedding import PictureEmbedding
from morphogen.contract import Unsupported, owned
from morphogen.inference import Matcher
from morphogen.numerics.randomness import Rng
from morphogen.representations import Bytes, Pixels
from morphogen.representations.contrastive_embedding import ContrastiveEmbedding
from morphogen.systems import clip

TEXTS = ["a dot", "a longer text", "no"]


@pytest.fixture(scope="module")
def contrastive() -> mg.Model:
    torch.manual_seed(0)
    return clip(Pixels(17, (1, 8, 8)), Captions(Bytes(16)), "tiny")


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return Rng(0, 3).integers(17, 1, 8, 8) / 8 - 1


def test_their_inner_product_is_the_match(contrastive: mg.Model, pictures: Tensor) -> None:
    """E times the cosine of `Matcher`; the mean square is 1."""
    x = ContrastiveEmbedding(contrastive).encode(pictures, Rng(0, 3), measure=False).x
    vector = EmbeddedCaption(contrastive)(caption_bytes(TEXTS)).vector
    assert isinstance(x, Tensor) and vector is not None
    match = Matcher(contrastive).match(pictures, TEXTS)
    torch.testing.assert_close((x * vector).mean(1), match, atol=1e-6, rtol=0)
    for embedding in (x, vector):
        torch.testing.assert_close(embedding.square().mean(1), torch.ones(3))


def test_nothing_of_the_contrastive_model_is_trained(contrastive: mg.Model, pictures: Tensor) -> None:
    embedding, caption = ContrastiveEmbedding(contrastive), EmbeddedCaption(contrastive).train()
    assert not list(owned(embedding)) and not list(owned(caption))
    assert not embedding.encode(pictures, Rng(0, 3), measure=False).x.requires_grad
    context = caption(caption_bytes(TEXTS), Rng(0, 3))
    assert context.tokens is not None and not context.tokens.requires_grad


def test_an_embedding_is_no_picture(contrastive: mg.Model, pictures: Tensor) -> None:
    embedding = ContrastiveEmbedding(contrastive)
    with pytest.raises(Unsupported, match="an embedding is not a picture: sample the system"):
        embedding.decode(torch.zeros(1, 16))
    with pytest.raises(Unsupported, match="an embedding does not determine the picture"):
        embedding.encode(pictures, Rng(0, 3))


def test_models_without_embeddings_are_refused() -> None:
    other = mg.build_system("vae", Pixels(17, (1, 8, 8)), size="tiny")
    for part in (ContrastiveEmbedding, EmbeddedCaption):
        with pytest.raises(ConfigError, match=f"{part.__name__} requires a contrastive model, not VAE"):
            part(other)


def test_a_picture_embedding_is_a_vector_and_tokens() -> None:
    conditioner = PictureEmbedding(6, 4, count=3)
    z = Rng(0, 2).normal(6)
    context = conditioner(z)
    assert context.vector is not None and context.tokens is not None
    assert context.vector.shape == (2, 4) and context.tokens.shape == (2, 3, 4)
    assert not torch.equal(context.tokens[:, 0], context.tokens[:, 1])
    conditioner.check(z)
    with pytest.raises(ConfigError, match=r"embeddings of pictures are float \[N, 6\], not int64 \[2, 6\]"):
        conditioner.check(z.long())
    with pytest.raises(ConfigError, match=r"not float32 \[2, 5\]"):
        conditioner.check(z[:, 1:])
