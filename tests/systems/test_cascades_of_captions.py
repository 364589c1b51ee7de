"""GLIDE and Imagen: published sizes, what each stage reads, and a language model that is never trained."""

from typing import Any

import pytest
import torch
from torch import nn

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.conditioning.caption import Caption, Captions, caption_bytes
from morphogen.contract import Batch, owned
from morphogen.data.language_models import LANGUAGE_MODELS, language_model
from morphogen.model import tensors
from morphogen.networks.bert import Bert
from morphogen.networks.language_encoder import BidirectionalEncoder
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.systems import glide, imagen
from morphogen.training import train

PIXELS, CAPTIONS = Pixels(17, (1, 8, 8)), Captions(Bytes(16))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def tiny_language_model() -> Caption:
    torch.manual_seed(0)
    return Caption(Bytes(14), BidirectionalEncoder(Bert(258, 16, 8, 2, 1, 16), 256, 257))


def examples(rows: int = 16) -> Batch:
    pictures = Rng(7, rows).integers(17, 1, 8, 8).float() / 8 - 1
    return Batch(pictures, {"caption": caption_bytes([f"picture {i % 3}" for i in range(rows)])})


@pytest.mark.slow
def test_parameters_of_glide() -> None:
    """2.3 billion, 1.2 billion in the text transformer, and 1.5 billion in the whole upsampler."""

    class Vocabulary(Bytes):
        vocabulary = 50_257

    with torch.device("meta"):
        model = glide(Pixels(256, (3, 256, 256)), Captions(Vocabulary(126)), "paper")
    low, picture = (model.models[name] for name in ("low", "picture"))
    assert low.representation.shape == (3, 64, 64)
    assert count(low.objective.network) == 2_242_347_011 and count(low.conditioner) == 1_311_795_200
    assert count(picture.objective.network) + count(picture.conditioner) == 1_641_587_592


@pytest.mark.slow
def test_parameters_of_imagen() -> None:
    """2 billion, 600 million and 400 million in the paper."""
    with torch.device("meta"):
        model = imagen(Pixels(256, (3, 1024, 1024)), CAPTIONS, "paper")
    sides = {name: stage.representation.shape[1] for name, stage in model.models.items()}
    assert sides == {"low": 64, "middle1": 256, "picture": 1024}
    sizes = [round(count(stage.objective.network) / 1e6) for stage in model.models.values()]
    assert sizes == [2454, 481, 481]


@pytest.mark.parametrize("build", [glide, imagen])
def test_both_stages_read_the_caption_and_the_second_the_smaller_picture(build: Any) -> None:
    torch.manual_seed(0)
    model = build(PIXELS, CAPTIONS, "tiny").eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    low = model.sample_batch(Rng(0, 2, ("sample",)), {"caption": caption_bytes(["a", "bb"])})["low"]
    other = model.sample_batch(Rng(0, 2, ("sample",)), {"caption": caption_bytes(["a", "c"])})["low"]
    assert torch.allclose(low[0], other[0], atol=1e-4) and not torch.allclose(low[1], other[1])
    same, different = caption_bytes(["a", "a"]), caption_bytes(["a", "b"])
    given = [{"caption": same, "low": low}, {"caption": different, "low": low}]
    given.append({"caption": same, "low": -low})
    rng = Rng(0, 2, ("sample",))
    pictures = [model.sample_batch(rng, condition)["picture"] for condition in given]
    for other in pictures[1:]:
        assert (pictures[0][1] - other[1]).abs().max() > 1e-3


def test_the_language_model_is_shared_by_the_stages_and_never_trained() -> None:
    text = tiny_language_model()
    model = imagen(PIXELS, CAPTIONS, "tiny", text)
    assert not set(text.parameters()) & {p for stage in model.models.values() for p in owned(stage)}
    before = {name: value.clone() for name, value in tensors(text).items()}
    frozen = model.models["low"].conditioner.conditioner
    assert model.models["picture"].conditioner.parts["caption"].conditioner is frozen
    computed = frozen.precompute(examples())
    text.encoder.bert = None  # it is not evaluated
    train(model, computed, steps=4, device="cpu")
    assert all(torch.equal(value, before[name]) for name, value in tensors(text).items())


def test_minilm_reads_captions() -> None:
    try:
        text = language_model("minilm")
    except mg.data.DataError:
        pytest.skip("the weights are not in the cache")
    context = text(caption_bytes(["a red circle", "a scarlet disc", "the stock market fell"]))
    assert context.tokens is not None and context.tokens.shape == (3, 6, 384)
    near, far = (torch.cosine_similarity(context.vector[0], context.vector[i], 0) for i in (1, 2))
    assert near > far + 0.2


def test_another_language_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="no language model is named 'minilm2'; did you mean 'minilm'"):
        language_model("minilm2")
    assert set(LANGUAGE_MODELS) == {"minilm", "smollm2"}
