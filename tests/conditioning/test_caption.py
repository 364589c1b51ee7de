"""Captions: from words to tokens, their mask and a vector; too long ones, and those dropped for guidance."""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import morphogen as mg
from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.caption import (
    Caption,
    CaptionDropout,
    Captions,
    TruncatedCaption,
    caption_bytes,
    caption_texts,
)
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.frozen import Frozen
from morphogen.contract import Batch, Conditioner
from morphogen.families.diffusion import DDIM, Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.text_encoder import BagOfWords
from morphogen.networks.text_transformer import TextTransformer
from morphogen.networks.unet import UNet
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes, Characters, Tokens
from morphogen.representations.tokenizer import bpe
from morphogen.testing import LAWS, check_model

TEXTS = ["a red circle", "blue", "a small green square above a red circle"]
WIDTH = 16


def tower(length: int = 12, **options: int) -> TextTransformer:
    """A text transformer of bytes."""
    block = Block(Attention(WIDTH, 2), FeedForward(WIDTH, 32, "quick-gelu"), LayerNorm(WIDTH))
    return TextTransformer(258, length, block, 2, 256, 257, **options)


def caption(length: int = 42) -> Caption:
    torch.manual_seed(0)
    return Caption(Bytes(length), tower(length)).eval()


@given(st.lists(st.text(max_size=20).filter(lambda text: text.isprintable()), min_size=1, max_size=4))
def test_any_text_is_bytes_and_back(texts: list[str]) -> None:
    assert caption_texts(caption_bytes(texts)) == texts


def test_captions_are_read_from_words() -> None:
    spec = Captions(Bytes(20))
    assert torch.equal(spec.read(TEXTS), caption_bytes(TEXTS))
    assert caption_texts(spec.read("a cat")) == ["a cat"] and spec.optional
    assert to_config(from_config(to_config(spec))) == to_config(spec)


def test_encoded_rows_do_not_depend_on_the_others() -> None:
    """Nor on their padding; an empty caption has its start and end."""
    encode = caption()
    together = encode(caption_bytes([*TEXTS, ""]))
    assert together.tokens is not None and together.mask is not None and together.vector is not None
    for row, text in enumerate([*TEXTS, ""]):
        alone, n = encode(caption_bytes([text])), len(text) + 2
        assert int(together.mask[row].sum()) == n
        torch.testing.assert_close(alone.tokens, together.tokens[row : row + 1, :n], atol=1e-5, rtol=0)
        torch.testing.assert_close(alone.vector, together.vector[row : row + 1], atol=1e-5, rtol=0)
        assert not together.tokens[row, n:].any()


def test_long_captions_lose_their_end_with_a_note() -> None:
    encode, given = caption(12), caption_bytes(TEXTS[:1])
    with pytest.warns(TruncatedCaption, match="'a red circle' has 12 tokens, .* takes 10: the last 2"):
        encode.check(given)
    cut = encode(caption_bytes([TEXTS[0][:10]]))
    torch.testing.assert_close(encode(given).vector, cut.vector, atol=0, rtol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode.check(caption_bytes(["blue"]))


def test_characters_without_an_id_are_refused() -> None:
    encode = Caption(Characters("abc ", 10), tower())
    with pytest.raises(ConfigError, match=r"'d' \(U\+0064\), character 1"):
        encode.check(caption_bytes(["ad"]))
    with pytest.raises(ConfigError, match="a caption is a text"):
        encode.check(torch.zeros(2, 3))
    unknown = Caption(Tokens(bpe(TEXTS, 300), 20), BagOfWords(300, 20, WIDTH))
    unknown.check(caption_bytes(["teal 猫"]))  # bytes spell any word


def test_bag_of_words_ignores_their_order() -> None:
    torch.manual_seed(0)
    encode = Caption(Bytes(20), BagOfWords(256, 20, WIDTH))
    there, back, empty = (encode(caption_bytes([text])) for text in ("abc", "cba", ""))
    torch.testing.assert_close(there.vector, back.vector)
    assert not torch.equal(*(context.tokens for context in (there, back)))  # type: ignore[arg-type]
    assert empty.vector is not None and not empty.vector.any()
    assert not torch.equal(*(caption()(caption_bytes([t])).vector for t in ("abc", "cba")))  # type: ignore[arg-type]


def test_the_null_of_caption_dropout_is_the_empty_caption() -> None:
    encode = CaptionDropout(caption(), p=0.5)
    context = encode(caption_bytes(TEXTS))
    empty = encode.conditioner(caption_bytes([""] * 3))
    assert context.null is not None and encode.required == ()
    torch.testing.assert_close(context.null.tokens, empty.tokens, atol=1e-6, rtol=0)
    dropped = encode(caption_bytes(TEXTS * 20), Rng(0, 60)).vector
    assert dropped is not None and empty.vector is not None
    rate = torch.isclose(dropped, empty.vector[:1], atol=1e-6).all(1).float().mean()
    assert 0.3 < float(rate) < 0.7  # 3 standard errors of 60 draws: 0.19
    for p in (-0.1, 1.1):
        with pytest.raises(ConfigError, match="is a probability"):
            CaptionDropout(caption(), p)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"skip": 2}, "skip must be 0 .. 1, got 2"), ({"padding": 258}, "padding must be an id in 0 .. 257")],
)
def test_impossible_text_transformers(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tower(**arguments)


def test_an_encoder_says_what_it_takes() -> None:
    ids = torch.zeros(1, 11, dtype=torch.int64)
    with pytest.raises(ConfigError, match="a text of 11 tokens: TextTransformer takes 10"):
        tower()(ids, ids >= 0)


def painter(conditioner: Conditioner) -> mg.Model:
    """A diffusion model of pictures of 8 x 8 pixels that attends to the tokens of a caption."""
    network = UNet((1, 8, 8), 16, (1, 2), blocks=1, attention=(4,), heads=2, vector=(WIDTH, WIDTH))
    objective = Diffusion(
        network, LinearBetas(1e-3, 0.2, 50), DiscretizedGaussian(17), sampler=DDIM(5), bound_steps=8
    )
    return mg.Model(objective, Pixels(17, (1, 8, 8)), conditioner)


def captioned(n: int = 12) -> Batch:
    grid = Rng(0, n).integers(17, 1 * 8 * 8).view(n, 1, 8, 8)
    return Batch(grid / 8 - 1, {"caption": caption_bytes([TEXTS[i % 3] for i in range(n)])})


def test_prompts_are_texts() -> None:
    model = painter(CaptionDropout(caption()))
    sampler = mg.Guided(DDIM(3), 3.0)
    one = model.sample(2, "a red circle", sampler, negative="blue")
    named = model.sample(2, {"caption": ["a red circle"] * 2}, sampler, negative={"caption": "blue"})
    assert torch.equal(one.tensor, named.tensor)
    assert caption_texts(one.condition["caption"]) == ["a red circle"] * 2


def test_dropped_captions_equal_those_not_given() -> None:
    torch.manual_seed(0)
    check_model(painter(CaptionDropout(Frozen(caption()))), captioned(), ["dropped_equals_not_given"])


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_law(law: str) -> None:
    """Of a frozen encoder with the empty caption as null, and of a trained one with a learned null."""
    torch.manual_seed(0)
    check_model(painter(CaptionDropout(Frozen(caption()))), captioned(), [law])
    check_model(painter(ConditionDropout(caption())), captioned(), [law])


def test_precomputed_captions_are_dropped_too() -> None:
    frozen = Frozen(caption())
    computed = frozen.precompute(captioned())[torch.arange(5)].condition
    encode = CaptionDropout(frozen)
    given: Tensor = captioned(5).condition["caption"]  # type: ignore[assignment]
    live, once = encode(given), encode(encode.select(computed))
    torch.testing.assert_close(live.tokens, once.tokens[:, : live.tokens.shape[1]], atol=1e-6, rtol=0)  # type: ignore[union-attr,index]
    assert once.null is not None and live.null is not None
    assert torch.equal(once.null.tokens, live.null.tokens)  # type: ignore[arg-type]
