"""Validation changes no step, keeps the best weights, and survives a crash."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from morphogen.catalogue import build_system
from morphogen.component import ConfigError
from morphogen.contract import Batch, Unsupported
from morphogen.data.dataset import Pictures
from morphogen.model import Model, tensors
from morphogen.representations.pixels import Pixels
from morphogen.training import Every, Validation, train

PIXELS = Pixels(2, (1, 4, 4))


class Broken(Exception):
    pass


class BreakingPictures(Pictures):
    """Rows that raise after `reads` reads."""

    reads = 8

    def __getitem__(self, indices: Tensor) -> Batch:
        self.reads -= 1
        if self.reads < 0:
            raise Broken
        return super().__getitem__(indices)


def pictures(n: int, seed: int, kind: type[Pictures] = Pictures) -> Pictures:
    noise = torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return kind((noise < 0.3).byte(), 2)


TRAIN, HELD_OUT = pictures(20, 1), pictures(40, 2)


def network(**changes: float) -> Model:
    torch.manual_seed(0)
    changed = {f"plan.{name.replace('__', '.')}": value for name, value in changes.items()}
    return build_system("vae_2013", PIXELS, size="tiny", changes=changed)


def equal(a: Model, b: Model) -> bool:
    return all(torch.equal(tensor, tensors(b)[name]) for name, tensor in tensors(a).items())


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_best_weights_are_those_of_a_training_that_ends_there(ema: float) -> None:
    """Twenty rows are soon learned by heart, so that the best step is not the last."""
    changes = {"ema": ema, "optimizer__lr": 0.03, "batch": 20}
    best, until_best, last = network(**changes), network(**changes), network(**changes)
    trained = train(best, TRAIN, steps=32, validation=Validation(HELD_OUT, every=5))
    assert list(trained.validated) == [5, 10, 15, 20, 25, 30, 32] and trained.best_step < 30
    assert trained.validated[trained.best_step] > trained.validated[32] + 0.1  # nats
    train(until_best, TRAIN, steps=trained.best_step)
    train(last, TRAIN, steps=32)
    assert equal(best, until_best) and not equal(best, last)
    nats = best.log_prob(HELD_OUT.first().medium).nats.double().mean().item()
    assert nats == pytest.approx(trained.validated[trained.best_step], abs=1e-5)


def test_a_resumed_validation_equals_the_uninterrupted(tmp_path: Path) -> None:
    uninterrupted, resumed, validation = network(), network(), Validation(HELD_OUT, every=3)
    whole = train(uninterrupted, TRAIN, steps=13, directory=tmp_path / "a", validation=validation)
    with pytest.raises(Broken):
        every = Every(steps=5)
        broken = pictures(20, 1, BreakingPictures)
        train(
            network(),
            broken,
            steps=13,
            directory=tmp_path / "b",
            checkpoint_every=every,
            validation=validation,
        )
    rest = train(resumed, TRAIN, steps=13, directory=tmp_path / "b", validation=validation)
    assert rest.resumed == 5 and rest.validated == whole.validated and next(iter(whole.validated)) == 3
    assert equal(uninterrupted, resumed)


def test_without_validation_the_last_weights_stay() -> None:
    trained = train(network(), TRAIN, steps=3)
    assert trained.validated == {} and trained.best_step == 3


def test_what_cannot_be_validated_is_refused_before_a_step() -> None:
    validation = Validation(HELD_OUT, every=1)
    with pytest.raises(Unsupported):
        train(build_system("wgan_gp", PIXELS, size="tiny"), TRAIN, steps=1, validation=validation)
    with pytest.raises(ConfigError, match="validation: the model has stages"):
        train(build_system("vqvae", PIXELS, size="tiny"), TRAIN, steps=2, validation=validation)
    with pytest.raises(ConfigError, match=r"Validation: every=0, 40 examples: give at least 1 of each"):
        Validation(HELD_OUT, every=0)
