"""DreamBooth's rows and loss: both kinds in turn, the weights of equation 2, and what is refused."""

import pytest
import torch

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.contract import Batch
from morphogen.data.prior_preservation import PriorPreservation, class_examples
from morphogen.numerics.randomness import Rng
from morphogen.personalisation.lora import LoRA
from personalisation.painter import drawn, painter, pictures, unchanged, weights

OBJECT, CLASS = pictures(3, "a sks dog"), pictures(5, "a dog")


def test_rows_are_of_the_object_and_of_its_class_in_turn() -> None:
    rows = PriorPreservation(OBJECT, CLASS, 0.5)
    assert len(rows) == 10
    batch = rows[torch.tensor([3, 0, 8, 9])]
    assert torch.equal(batch.medium, torch.stack([CLASS.medium[1], *OBJECT.medium[[0, 1]], CLASS.medium[4]]))
    assert batch.weight is not None and batch.weight.tolist() == [1, 2, 2, 1]
    captions = batch.condition["caption"]
    assert captions.shape == (4, 9) and captions[0].tolist()[5:] == [-1] * 4
    assert len(rows[torch.tensor([1, 3])]) == 2


@pytest.mark.parametrize("lora", [False, True])
def test_the_loss_is_that_of_the_object_and_lambda_times_that_of_the_class(lora: bool) -> None:
    model, rng = painter(), Rng(0, 8, ("train", 0))
    subject = LoRA(model, 2) if lora else model
    batch = PriorPreservation(OBJECT, CLASS, 0.3)[torch.arange(8)]
    expected = 0.0
    for kind, weight in ((0, 1.0), (1, 0.3)):
        rows = torch.arange(kind, 8, 2)
        alone = Batch(batch.medium[rows], {"caption": batch.condition["caption"][rows]})
        expected += weight * subject(alone, rng[rows], "model").total.mean()
    assert torch.allclose(subject(batch, rng, "model").total.mean(), expected, rtol=1e-5)


def test_all_weights_or_those_of_a_lora_are_trained() -> None:
    model = painter()
    prior = class_examples(model, "a dog", 4)
    assert torch.equal(prior.medium, model.sample(4, "a dog", seed=0).tensor)
    before, rows = weights(model), PriorPreservation(OBJECT, prior)
    lora = LoRA(model, 2)
    mg.train(lora, rows, steps=3)
    assert unchanged(model, before) and not torch.equal(drawn(lora), drawn(model))
    mg.train(model, rows, steps=3, warm_start=True)
    assert not torch.equal(model.objective.network.stem.weight, before["objective.network.stem.weight"])


def test_missing_pictures_of_the_class_and_other_conditions_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"prior has no examples: draw them: class_examples\("):
        PriorPreservation(OBJECT, CLASS[:0])
    with pytest.raises(ConfigError, match="instances has no examples"):
        PriorPreservation(OBJECT[:0], CLASS)
    with pytest.raises(ConfigError, match="the object has the conditions caption, its class none"):
        PriorPreservation(OBJECT, Batch(CLASS.medium))
    with pytest.raises(ConfigError, match="weight is -1: give lambda"):
        PriorPreservation(OBJECT, CLASS, -1.0)
    with pytest.raises(ConfigError, match="n is 0: give the number of pictures of the class"):
        class_examples(painter(), "a dog", 0)
