"""The words of other libraries are errors that say what to write, and that is code which works."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import words_page

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.other_words import ARGUMENTS, ATTRIBUTES, UnknownAttribute
from morphogen.wrong_calls import UnknownArgument

pytestmark = pytest.mark.usefixtures("untyped")
RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 17, (40, 8, 8)), np.arange(40) % 4
FRAME = pd.DataFrame({"a": RNG.normal(size=60), "b": RNG.normal(size=60)})


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that a remedy may use."""
    data, table = mg.load_data(X, Y), mg.load_data(FRAME)
    model = mg.build_system("vae", data, size="tiny")
    plain = mg.build_system("vae", mg.load_data(X), size="tiny")  # whose pictures need no class
    rows = mg.build_system("table_mixture", table, size="tiny")
    waves = RNG.uniform(-0.5, 0.5, (20, 1500))
    sounds = mg.load_data(waves, rate=44100, length=256)
    known = {"waves": waves, "wavenet": mg.build_system("wavenet", sounds, size="tiny")}
    known |= {
        "ddpm": mg.build_system("ddpm", data, size="tiny"),
        "gpt": mg.build_system(
            "gpt", mg.load_data([f"the cat {i} sat on a mat" for i in range(60)], length=8), size="tiny"
        ),
        "z": torch.zeros(2, *model.objective.latent_shape),
        "mask": (torch.arange(8) > 3).expand(8, 8),
        "has": torch.tensor([True, False]),
        "torch": torch,
        "space": mg.inference.LatentSpace(plain),
        "plain": plain,
    }
    pictures = mg.load_data(X, captions=[f"a {'red' if y else 'blue'} dot" for y in Y])
    clip = mg.build_system("clip", pictures, size="tiny")
    known |= {"captioned": mg.build_system("latent_diffusion", pictures, size="tiny"), "clip": clip}
    known |= {"matcher": mg.inference.Matcher(clip), "x": torch.zeros(1, 1, 8, 8), "condition": 3}
    known |= {"mg": mg, "np": np, "name": "vae", "X": X, "y": Y, "captions": [str(y) for y in Y]}
    return known | {"data": data, "model": model, "df": FRAME, "rows": rows, "table": table}


def evaluate(code: str, names: dict[str, Any]) -> Any:
    """The value of a remedy, which is code of this package."""
    return eval(code, names)  # noqa: S307


FUNCTIONS = {
    "sample": "model.sample",
    "log_prob": "model.log_prob",
    "edit": "mg.inference.edit",
    "invert": "mg.inference.invert",
    "forward": "model.forward",
}
EACH = [(name, words, code) for name, table in ARGUMENTS.items() for words, code in table]


@pytest.mark.parametrize(("function", "words", "code"), EACH)
def test_each_argument_is_an_error_with_code_that_works(
    function: str, words: str, code: str, names: dict[str, Any]
) -> None:
    called = evaluate(FUNCTIONS.get(function, f"mg.{function}"), names)
    if code.startswith("sampler="):  # of the models that it samples
        called = names["ddpm" if "DDIM" in code else "gpt"].sample
    for word in words.split():
        with pytest.raises(TypeError, match=rf"^{function}\(\) has no argument '{word}'; write ") as error:
            called(**{word: 3})
        assert isinstance(error.value, UnknownArgument) and str(error.value).endswith(f"write {code}")
    if code.startswith(("mg.", "model.")):
        is_diffusion = "DDIM" in code or "inference.edit" in code
        evaluate(code, names | ({"model": names["ddpm"]} if is_diffusion else {}))
    else:
        arguments = evaluate(f"dict({code})", names)
        inspect.signature(called).bind_partial(**arguments)
        if function == "build_system":
            assert called("vae", names["data"], size="tiny", **arguments)


def test_the_remedies_of_training_change_the_plan(names: dict[str, Any]) -> None:
    codes = {words.split()[0]: code for words, code in ARGUMENTS["train"]}
    assert (
        evaluate(codes["lr"], names).plan.optimizer.lr == 1e-3
        and evaluate(codes["batch_size"], names).plan.batch == 32
    )


@pytest.mark.parametrize(("what", "words", "code"), [(w, *row) for w, t in ATTRIBUTES.items() for row in t])
def test_each_attribute_is_an_error_with_code_that_works(
    what: str, words: str, code: str, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    of_rows = "df" in code or "frame" in code
    model = names["rows"] if of_rows else names["model"]
    samples = (names["wavenet"] if what == "sounds" else model).sample(4)
    samples = names["captioned"].sample(2, "a red dot") if what == "samples of captions" else samples
    own = {"model": names["ddpm"] if "features" in code or "decode" in code else model, "autoencoder": model}
    owner = {
        **names,
        **own,
        "samples": samples,
        "sounds": samples,
        "samples of captions": samples,
        "data.train": names["data"].train,
        "latent space": names["space"],
        "language model": names["gpt"],
        "model of captions": names["captioned"],
        "contrastive model": names["clip"],
        "morphogen": mg,
        "morphogen.metrics": mg.metrics,
    }[what]
    for word in words.split():
        assert not hasattr(owner, word) and getattr(owner, word, 5) == 5
        with pytest.raises(AttributeError, match=f"^{what} has no attribute '{word}'; write ") as error:
            getattr(owner, word)
        assert isinstance(error.value, UnknownAttribute) and str(error.value).endswith(f"write {code}")
    mg.save(names["model"], "model")
    write_files(names, code)
    model = owner if what in ("language model", "model of captions", "contrastive model") else model
    known = (
        names
        | {"model": names["plain"] if "log_prob" in code or "Latent" in code else model, "samples": samples}
        | ({"X": X / 8 - 1} if not what.startswith("morphogen") else {})
    )
    assert evaluate(code.replace("steps=1000", "steps=1"), known) is not Ellipsis


def write_files(names: dict[str, Any], code: str) -> None:
    """The files that a remedy reads."""
    from morphogen.personalisation import TextualInversion, save_embedding, save_updates

    if "lora" in code:
        save_updates(mg.LoRA(names["model"], 2), "lora.safetensors")
    if "embeds" in code:
        save_embedding(TextualInversion(names["captioned"], "<x>"), "learned_embeds.safetensors")
    if "diffusers:" in code:
        pytest.importorskip("diffusers")
        from benchmarks.peers.diffusers_pipeline import write_pipeline

        write_pipeline(Path("stable-diffusion"))


def test_a_model_that_is_called_with_a_prompt_says_how_it_is_sampled(names: dict[str, Any]) -> None:
    for model in (names["captioned"], names["ddpm"]):
        with pytest.raises(TypeError, match=r"forward\(\) requires rng and player; write model.sample\(16\)"):
            model("a red dot")
        with pytest.raises(UnknownArgument, match=r"write model.sample\(4, condition, mg.Guided\(mg.DDIM"):
            model("a red dot", num_inference_steps=25)
    with pytest.raises(ConfigError, match=r"sample\(4, 'a red dot'\)$"):
        names["captioned"].sample("a red dot")
    assert names["captioned"].sample(2, ["a red dot", "a blue dot"]).captions == ["a red dot", "a blue dot"]
    assert not hasattr(names["ddpm"].sample(2), "captions")
    assert names["matcher"].similarity(X[:2, None] / 8 - 1, "a red dot").shape == (2, 1)
    with pytest.raises(ConfigError, match=r"movedim\(-1, 1\) - 1 of arrays \[N, H, W, C\]"):
        names["matcher"].pictures(np.zeros((2, 8, 8, 1)))


def test_remedies_of_sample_know_the_model(names: dict[str, Any]) -> None:
    vae, ddpm, gpt = (names[name] for name in ("model", "ddpm", "gpt"))
    for model, word, remedy in (
        (
            vae,
            {"guidance_scale": 3},
            "guidance requires a network .* condition dropout, such as .* ddpm$",
        ),
        (vae, {"num_inference_steps": 3}, "its sampler has no steps, which a diffusion model"),
        (gpt, {"num_inference_steps": 3}, "its sampler has no steps, which a diffusion model"),
        (ddpm, {"temperature": 0.5}, "its arguments are n,"),
        (ddpm, {"guidance_scale": 3}, r"write sampler=mg.Guided\(mg.DDIM"),
        (gpt, {"temperature": 0.5}, "write sampler=mg.Ancestral"),
        (vae, {"class_labels": "bag"}, 'write condition="bag"$'),
        (vae, {"class_labels": 1}, "write condition=1$"),
        (vae, {"conditions": {"label": 2}}, r'write condition=\{"label": 2\}$'),
        (vae, {"class_labels": None}, "write condition=3$"),
        (gpt, {"prompt": "a cat"}, 'write condition="a cat"$'),
        (gpt, {"prompt": ["a cat"]}, 'write condition="the"$'),
        (vae, {"negative_prompt": "bag"}, 'write negative="bag"$'),
    ):
        with pytest.raises(UnknownArgument, match=rf"^sample\(\) has no argument '\w+'; {remedy}"):
            model.sample(2, **word)


def test_a_column_of_classes_by_name_is_the_condition() -> None:
    frame = FRAME.assign(s=["u", "v"] * 30)
    with pytest.raises(UnknownArgument, match=r"no argument 'target'; write condition=\"s\"$"):
        mg.load_data(frame, target="s")
    with pytest.raises(UnknownArgument, match=r"no argument 'target'; write labels=y$"):
        mg.load_data(frame[["a", "b"]], target=frame["s"])
    assert mg.load_data(frame, condition="s").classes == ("u", "v")


def test_the_example_of_a_system_has_its_name() -> None:
    for call in (lambda: mg.build_system("realnvp"), lambda: mg.build_system(name="realnvp")):
        with pytest.raises(
            TypeError, match=r'requires representation; write mg.build_system\("realnvp", data'
        ):
            call()


def test_other_names_suggest_ours_and_signatures_stay() -> None:
    with pytest.raises(TypeError, match=r"train\(\) has no argument 'step'; did you mean steps"):
        mg.train(1, 2, step=3)
    with pytest.raises(
        TypeError, match=r"load_data\(\) has no argument 'zzz'; its arguments are data, labels,"
    ):
        mg.load_data(1, zzz=3)
    assert list(inspect.signature(mg.load_data).parameters)[:2] == ["data", "labels"]
    assert "n" in inspect.signature(mg.Model.sample).parameters and mg.Model.sample.__doc__


def test_labels_stand_where_load_data_has_them(names: dict[str, Any]) -> None:
    model = mg.build_system("vae", names["data"], size="tiny")
    assert mg.train(model, X, Y, steps=1, device="cpu").steps == 1
    with pytest.raises(ValueError, match="labels"):
        mg.train(model, X, Y[:3], steps=1, device="cpu")
    with pytest.raises(ValueError):
        mg.train(model, names["data"], Y, steps=1, device="cpu")


def test_the_page_has_the_words() -> None:
    page = words_page.PAGE.read_text(encoding="utf8")
    assert page == words_page.filled(page), "run: python docs/hooks/words_page.py"
