"""Re-ranking: the candidate that fits its caption best, reproducibly, whatever else is drawn."""

import pytest
import torch

import morphogen as mg
from conditioning.test_caption import caption, painter
from evaluation.coloured import untrained_clip
from morphogen.cli.arguments import choose_sampler
from morphogen.component import ConfigError
from morphogen.conditioning.caption import CaptionDropout
from morphogen.contract import Unsupported
from morphogen.families.diffusion import DDIM
from morphogen.inference import Matcher, best_of

CAPTIONS = {"caption": ["a red circle", "blue", "a small green square"]}


@pytest.fixture(scope="module")
def model() -> mg.Model:
    torch.manual_seed(0)
    model = painter(CaptionDropout(caption()))
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(scope="module")
def ranker() -> mg.Model:
    return untrained_clip()


def test_the_best_candidate_is_kept(model: mg.Model, ranker: mg.Model) -> None:
    """Of 4 candidates each; the same are drawn again by their indices."""
    matcher, chosen = Matcher(ranker), best_of(4, ranker, model, condition=CAPTIONS, sampler=DDIM(2), seed=1)
    assert len(chosen) == 3 and chosen.settings["best_of"] == 4
    for i, text in enumerate(CAPTIONS["caption"]):
        every = model.sample(4, text, DDIM(2), seed=1, indices=range(4 * i, 4 * i + 4))
        match = matcher.match(every, [text] * 4)
        assert chosen.indices[i] == 4 * i + int(match.argmax())
        assert chosen.settings["match"][i] == pytest.approx(float(match.max()), abs=1e-5)
        torch.testing.assert_close(chosen.tensor[i], every.tensor[int(match.argmax())], atol=1e-5, rtol=0)
    alone = best_of(
        4, matcher, model, 1, {"caption": "a small green square"}, indices=[2], sampler=DDIM(2), seed=1
    )
    assert alone.indices == chosen.indices[2:]
    torch.testing.assert_close(alone.tensor, chosen.tensor[2:], atol=1e-5, rtol=0)


def test_the_worst_candidate_of_an_opposite_ranker(model: mg.Model, ranker: mg.Model) -> None:
    """The mutant: a ranker of the other sign chooses others."""

    class Opposite(Matcher):
        def match(self, medium, texts):  # type: ignore[no-untyped-def]
            return -super().match(medium, texts)

    options = {"condition": CAPTIONS, "sampler": DDIM(2)}
    best, worst = (best_of(4, kind(ranker), model, **options) for kind in (Matcher, Opposite))
    assert all(a > -b for a, b in zip(best.settings["match"], worst.settings["match"], strict=True))


def test_texts_in_place_of_captions(model: mg.Model, ranker: mg.Model) -> None:
    chosen = best_of(2, ranker, model, 2, "blue", texts="a red circle", sampler=DDIM(2))
    assert len(chosen) == 2
    one = best_of(1, ranker, model, 2, "blue", sampler=DDIM(2))
    assert torch.equal(one.tensor, model.sample(2, "blue", DDIM(2)).tensor)


def test_a_model_of_several_stages_is_ranked(model: mg.Model, ranker: mg.Model) -> None:
    staged = mg.Staged(last=model)
    chosen = best_of(2, ranker, staged, 2, "blue", sampler=DDIM(2))
    assert torch.equal(chosen.tensor, best_of(2, ranker, model, 2, "blue", sampler=DDIM(2)).tensor)


def test_a_ranker_is_not_sampled(ranker: mg.Model) -> None:
    with pytest.raises(Unsupported, match="Contrastive does not generate samples"):
        choose_sampler(ranker, None, 1.0, {}, {})


def test_what_cannot_be_ranked_is_refused(model: mg.Model, ranker: mg.Model) -> None:
    with pytest.raises(ConfigError, match=r"candidates=0: give the number"):
        best_of(0, ranker, model, 2, "blue")
    with pytest.raises(ConfigError, match="best_of ranks by captions"):
        best_of(2, ranker, model, 2)
    with pytest.raises(Unsupported, match="Diffusion does not compare pictures with texts"):
        best_of(2, model, model, 2, "blue")
