"""LoRA of a model: what is trained, merging, saving, stacking with weights, and what does not fit."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import morphogen as mg
from laws.test_laws import batch_for, specimen
from morphogen.catalogue import pages
from morphogen.component import ConfigError
from morphogen.model import Model
from morphogen.networks.low_rank import LowRank
from morphogen.personalisation.lora import LoRA
from morphogen.personalisation.update_files import OtherWeights, read_updates, save_updates
from personalisation.painter import drawn, painter, pictures, unchanged, weights


def trained(model: Any, rank: Any = 2) -> LoRA:
    """A LoRA with random updates."""
    lora = LoRA(model, rank)
    for network in lora.networks.values():
        for update in network.updates.values():
            torch.nn.init.normal_(update.up, std=0.3)  # type: ignore[arg-type]
    return lora.eval()


def perturbed(name: str) -> Any:
    """A tiny system whose weights are random, those that are 0 at initialization too."""
    torch.manual_seed(0)
    model = mg.build_system(name, *specimen(name), "tiny")
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


def test_it_is_the_model_at_first_and_training_leaves_the_model_equal_to_the_bit() -> None:
    model = painter()
    before, expected = weights(model), drawn(model)
    lora = LoRA(model, 2)
    assert torch.equal(drawn(lora), expected)
    updates = [p for network in lora.networks.values() for p in network.updates.parameters()]
    assert {id(p) for p in lora.players()["model"]} == {id(p) for p in updates}
    start = [update.clone() for update in updates]
    mg.train(lora, pictures(5, "a sks dog"), steps=4)
    assert unchanged(model, before) and torch.equal(drawn(model), expected)
    assert all(not torch.equal(p, old) for p, old in zip(updates, start, strict=True))
    assert not torch.allclose(drawn(lora), expected, atol=1e-4)


def test_captions_are_given_as_texts() -> None:
    lora = LoRA(painter(), 2)
    medium = (255 * (pictures(5, "a").medium + 1) / 2).round().byte().numpy()
    mg.train(lora, medium, ["a sks dog", "the sks dog", "a dog", "dog", "one sks dog"], steps=2)
    assert any(update.up.any() for update in lora.networks["network"].updates.values())  # type: ignore[union-attr]


def test_the_words_of_its_captions_are_known_beside_those_of_the_model() -> None:
    model, medium = painter(), (255 * (pictures(9, "a").medium + 1) / 2).round().byte().numpy()
    mg.train(model, medium, ["a cat", "the dog", "one red dog"] * 3, steps=1)
    lora = LoRA(model, 2)
    mg.train(lora, medium, ["a sks dog", "the sks", "sks"] * 3, steps=1)
    words: Any = [one.specs["caption"] for one in (model, lora)]
    assert words[0].words.unknown("a red sks cow") == ["sks", "cow"]
    assert words[1].words.unknown("a red sks cow") == ["cow"]


def test_merged_equals_unmerged() -> None:
    lora = trained(painter())
    merged = lora.merged()
    assert type(merged) is Model and not any(isinstance(part, LowRank) for part in merged.modules())
    assert torch.allclose(drawn(merged), drawn(lora), atol=1e-5)
    assert not torch.allclose(drawn(merged), drawn(painter()), atol=1e-3)


def test_updates_are_saved_read_and_stacked_with_weights(tmp_path: Path) -> None:
    model, file = painter(), tmp_path / "dog.safetensors"
    lora = trained(model)
    save_updates(lora, file)
    assert file.stat().st_size < 0.4 * sum(t.nbytes for t in model.state_dict().values())
    assert torch.equal(drawn(read_updates(model, file)), drawn(lora))
    assert torch.equal(drawn(read_updates(model, file, scale=0)), drawn(model))
    doubled = read_updates(read_updates(model, file, 0.5), file, 1.5)
    assert torch.allclose(drawn(doubled), drawn(read_updates(model, file, 2.0)), atol=1e-5)
    assert torch.allclose(drawn(doubled.merged()), drawn(doubled), atol=1e-5)
    mg.save(doubled, tmp_path / "model")
    assert torch.equal(drawn(mg.load(tmp_path / "model")), drawn(doubled))


def test_updates_on_other_weights_of_the_same_shapes_are_used_with_a_warning(tmp_path: Path) -> None:
    model, file = painter(), tmp_path / "dog.safetensors"
    save_updates(trained(model), file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lora = read_updates(model, file)
        save_updates(read_updates(lora, file), tmp_path / "stacked.safetensors")
        read_updates(model, tmp_path / "stacked.safetensors")
    mg.train(model, pictures(8, "a"), steps=1)
    with pytest.warns(OtherWeights, match=r"dog\.safetensors was trained with other weights than this model"):
        read_updates(model, file)


def test_models_without_attention_are_adapted_in_all_layers_and_any_objective_is(tmp_path: Path) -> None:
    data = mg.load_data("digits")
    vae = mg.build_system("vae", data, size="tiny")
    lora = trained(vae)
    assert set(lora.adapted) == {"encoder", "network"} and len(lora.players()["model"]) > 4
    save_updates(lora, tmp_path / "vae.safetensors")
    again = read_updates(vae, tmp_path / "vae.safetensors")
    assert torch.equal(again.sample(2, 3).tensor, lora.sample(2, 3).tensor)
    with pytest.raises(ConfigError, match=r"is for another model: encoder\.\S+ is not a layer"):
        read_updates(painter(), tmp_path / "vae.safetensors")


@pytest.mark.parametrize("name", ["gpt", "realnvp", "maf", "dalle", "sngan"])
def test_networks_that_are_used_by_their_other_methods_are_adapted_too(name: str) -> None:
    """Decoding caches, inverses, masked layers and joint logits have the updated weights."""
    model = perturbed(name)
    base, batch = getattr(model, "last", model), batch_for(pages()[name].medium, 16)
    base.prepare(batch, mg.Rng(0, 16))
    before = weights(base)
    lora = LoRA(model, 2)
    mg.train(lora, batch, steps=len(base.objective.turns))
    assert unchanged(base, before)
    lora = trained(model)
    samples, merged = lora.sample(4, seed=1), lora.merged()
    assert torch.allclose(
        samples.tensor.float(), merged.sample(4, seed=1).tensor.float(), atol=1e-5, equal_nan=True
    )
    assert not torch.equal(samples.tensor, base.sample(4, seed=1).tensor)
    if name != "sngan":
        nats = [one.log_prob(batch.medium, batch.condition or None).nats for one in (lora, merged, base)]
        assert torch.allclose(nats[0], nats[1], rtol=1e-5) and not torch.allclose(nats[0], nats[2], rtol=1e-5)


def test_stages_of_a_cascade_are_adapted_one_by_one() -> None:
    cascade = perturbed("glide")
    with pytest.raises(ConfigError, match=r"samples low, picture .* LoRA\(model.models\['low'\], ...\)"):
        LoRA(cascade, 2)
    adapted = mg.Cascade(**{**cascade.models, "low": trained(cascade.models["low"])})
    caption = {"caption": "a dog"}
    low, other = (model.sample(2, caption, seed=1).tensor for model in (cascade, adapted))
    assert low.shape == other.shape and not torch.equal(low, other)


def cut(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor[:, :-1].contiguous() for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut, "is for another model, or damaged: .*and should be"),
        (lambda tensors: dict(list(tensors.items())[1:]), "is for another model"),
        (lambda tensors: {name: tensor / 0 for name, tensor in tensors.items()}, "should be finite"),
    ],
)
def test_files_for_another_model_are_refused(
    spoil: Callable[[dict[str, Any]], dict[str, Any]], words: str, tmp_path: Path
) -> None:
    file = tmp_path / "dog.safetensors"
    save_updates(trained(painter()), file)
    save_file(spoil(load_file(file)), file, {"format": "morphogen low-rank updates"})
    with pytest.raises(ConfigError, match=words) as error:
        read_updates(painter(), file)
    assert str(error.value).startswith(str(file)) and "\n" not in str(error.value)


def test_what_is_no_model_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LoRA personalises a trained model, not UNet"):
        LoRA(painter().objective.network, 2)
    with pytest.raises(ConfigError, match=r"'crosss': no layer to adapt; known parts: .*cross"):
        LoRA(painter(), {"crosss": 2})
    with pytest.raises(ConfigError, match="at least 1"):
        LoRA(painter(), 0)
    with pytest.raises(ConfigError, match=r"no file of low-rank updates: give one that save_updates wrote"):
        read_updates(painter(), tmp_path / "none.safetensors")
    with pytest.raises(ConfigError, match="Model has no updates: train some"):
        save_updates(painter(), tmp_path / "a.safetensors")
