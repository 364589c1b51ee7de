"""Comparisons: every row has every key, all files are complete after every row, a failure is a row."""

import json

import pytest
import torch
from PIL import Image
from rich.console import Console

from morphogen.catalogue import build_system
from morphogen.compare import Comparison, announcement, forecast, table
from morphogen.compare.choice import choose
from morphogen.compare.forecast import affordable_samples, seconds_per_row
from morphogen.compare.scorer import KEYS, Scorer
from morphogen.component import ConfigError
from morphogen.conditioning.specs import Classes
from morphogen.data import DataError, load_data
from morphogen.media import media
from morphogen.media.pictures import PICTURES, read_stamp
from morphogen.networks.unet import UNet
from morphogen.run import Run, RunError

THREE = ["mixture", "gated_pixelcnn", "wgan_gp"]


def text_of(comparison: Comparison) -> str:
    console = Console(width=250, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table(comparison.report))
    return console.export_text()


def test_all_files_are_updated_after_every_row(tmp_path):
    out = tmp_path / "out"
    comparison = Comparison(load_data("digits"), 0.5, out, THREE, "tiny", n=100, settings={"data": "digits"})
    heights = []
    for done, row in enumerate(comparison.run(), start=1):
        report = json.loads((out / "report.json").read_text())
        models = [r for r in report["rows"] if r["run"]]
        assert report["rows"][0]["system"] == "real data" and [r["system"] for r in models] == THREE[:done]
        assert all(set(KEYS) <= set(r) for r in report["rows"]) and report["rows"][-1] == json.loads(
            json.dumps(row)
        )
        assert report["finished"] == (done == 3) and report["systems"] == THREE
        assert (out / "report.html").read_text().rstrip().endswith("</html>")
        heights.append(Image.open(out / "samples.png").height)
    assert heights == sorted(set(heights)), "the picture grows by one row per model"
    assert {"budget": 0.5, "n": 100, "size": "tiny", "seed": 0}.items() <= report.items()
    assert {"created", "seconds", "machine", "versions", "split", "features", "labels"} <= report.keys()
    assert len(report["labels"]) == len(comparison.record.samples["wgan_gp"])
    assert read_stamp(out / "samples.png")["systems"] == THREE
    by_name = {r["system"]: r for r in report["rows"]}
    assert by_name["wgan_gp"]["likelihood"] is None
    assert (
        by_name["gated_pixelcnn"]["likelihood"]["kind"],
        by_name["gated_pixelcnn"]["likelihood"]["measure"],
    ) == ("exact", "mass")
    for measure in ("frechet", "precision", "recall", "density", "coverage", "memorised"):
        assert all(
            {"value", "low", "high", "n"} <= r[measure].keys() and r[measure]["n"] == 100
            for r in [report["rows"][0], *models]
        )
    (png, webp) = (by_name[codec]["likelihood"] for codec in ("PNG", "WebP lossless"))
    assert (png["n"], webp["kind"]) == (100, "exact") and by_name["gated_pixelcnn"]["likelihood"]["n"] == 100
    assert "real data" in text_of(comparison) and "bits/dim" in text_of(comparison)


def test_a_failed_system_is_a_row_and_the_others_continue(tmp_path, monkeypatch):
    comparison = Comparison(load_data("digits"), 0.2, tmp_path / "out", ["mixture", "vae"], "tiny", n=20)
    right = Comparison.train

    def train(self, name, progress):
        if name == "mixture":
            raise torch.OutOfMemoryError("out of memory\nby 3 GB")
        return right(self, name, progress)

    monkeypatch.setattr(Comparison, "train", train)
    failed, fine = comparison.run()
    assert (
        failed["error"] == "out of memory by 3 GB"
        and failed["family"] == "classical"
        and set(failed) == set(KEYS)
    )
    assert fine["error"] is None and comparison.report["finished"] and comparison.waiting == ["mixture"]
    assert "failed" in text_of(comparison)
    assert "out of memory by 3 GB" in (tmp_path / "out" / "report.json").read_text()
    monkeypatch.setattr(Comparison, "train", right)
    assert [row["error"] for row in comparison.run()] == [None], "a failed system is tried again"


def test_a_bug_is_raised(tmp_path, monkeypatch):
    comparison = Comparison(load_data("digits"), 0.2, tmp_path / "out", ["vae"], "tiny", n=20)
    monkeypatch.setattr(Comparison, "train", lambda *_: None + 1)
    with pytest.raises(TypeError):
        list(comparison.run())


def test_text_rates_are_in_bytes(tmp_path):
    book = tmp_path / "book.txt"
    book.write_text(" ".join(f"the cat sat on mat {i * i} and a dog ran {i} miles." for i in range(600)))
    comparison = Comparison(load_data(str(book), length=32), 0.3, tmp_path / "out", ["gpt"], "tiny", n=20)
    (row,) = comparison.run()
    assert row["error"] is None and row["tokens_per_second"] == pytest.approx(32 * row["samples_per_second"])
    assert (
        comparison.report["medium"] == "text"
        and "bits/byte" in text_of(comparison)
        and "bytes/s" in text_of(comparison)
    )


def test_an_energy_based_model_is_compared_by_its_samples(tmp_path):
    data = load_data("digits")
    assert choose(data, ["vae", "energy_model"], ["energy"]) == ["energy_model"]
    (row,) = Comparison(data, 0.3, tmp_path / "out", ["energy_model"], "tiny", n=100).run()
    assert (row["family"], row["error"], row["likelihood"]) == ("energy", None, None)
    assert row["frechet"]["n"] == 100 and row["samples_per_second"] > 0


def test_one_system_represents_each_family():
    assert [*choose(load_data("digits")), "latent_diffusion"] == list(PICTURES.representatives)
    assert choose(load_data("digits"), families=["classical", "vae"]) == ["mixture", "vae"], (
        "a staged model belongs to both its families"
    )
    assert choose(load_data("digits"), families=["vae", "flow"]) == ["vae", "realnvp", "latent_flow"]
    assert choose(load_data("digits"), ["vae", "ddpm"], ["diffusion"]) == ["ddpm"]


def test_representatives_exist_and_are_of_their_medium():
    from morphogen.catalogue import pages

    for name, medium in media().items():
        assert all(pages()[system].medium == name for system in medium.representatives)


def test_invalid_arguments_create_nothing(tmp_path):
    data, out = load_data("digits"), tmp_path / "out"
    with pytest.raises(ValueError, match="did you mean"):
        Comparison(data, 1, out, ["ddmp"])
    with pytest.raises(ConfigError, match="vae"):
        choose(data, families=["vea"])
    with pytest.raises(ConfigError, match="other family"):
        choose(data, ["latent_flow"], ["flow"])
    for n in (5, 5000):
        with pytest.raises(DataError, match=f"n {n}"):
            Comparison(data, 1, out, n=n)
    with pytest.raises(ConfigError, match="huge"):
        Comparison(data, 1, out, size="huge")
    assert not out.exists()


def test_existing_runs_in_the_directory_are_refused(tmp_path):
    Run.create(tmp_path, "vae", "digits")
    with pytest.raises(RunError, match="already contains vae-digits-001"):
        list(Comparison(load_data("digits"), 0.1, tmp_path, ["vae"], "tiny", n=20).run())
    assert not (tmp_path / "report.json").exists()


def test_the_announcement_estimates_training_and_sampling(tmp_path):
    comparison = Comparison(load_data("digits"), 600, tmp_path, ["vae", "mixture"], "tiny", n=20)
    comparison.prepare()
    comparison.forecast, comparison.seconds_of_metrics = {}, 5.0  # independent of this machine
    text = "\n".join(announcement(comparison))
    assert "vae, mixture: at most about 10 min of training each, 20 samples; " in text
    assert "about 20 min in total, until " in text
    comparison.forecast = {"vae": 60.0}
    assert "about 40 min in total" in "\n".join(announcement(comparison)), "20 samples of one minute each"


def test_a_slow_model_reduces_the_number_of_samples():
    assert affordable_samples([0.001, 0.01], 1000) == 1000
    assert affordable_samples([0.001, 0.2], 1000) == 450
    assert affordable_samples([10.0], 1000) == 256 and affordable_samples([10.0], 100) == 100


@pytest.mark.parametrize("slow", [0.0, 1e9], ids=["few rows", "many rows"])
def test_the_forecast_is_proportional_to_the_number_of_steps(slow, monkeypatch):
    """On a clock that advances by one second per row and network call, a sample takes one second per step."""
    clock, data = [0.0], load_data("digits")
    forward = UNet.forward

    def counted(self, x, *arguments, **options):
        clock[0] += len(x)
        return forward(self, x, *arguments, **options)

    monkeypatch.setattr(UNet, "forward", counted)
    monkeypatch.setattr(forecast.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(forecast, "SLOW", slow)
    long, short = (
        build_system("ddpm", data.representation, {"label": Classes(10)}, "tiny", {"schedule.steps": steps})
        for steps in (400, 100)
    )
    assert seconds_per_row(long, data.test) - seconds_per_row(short, data.test) == pytest.approx(300)


def test_the_scorer_evaluates_real_data():
    row, samples = Scorer(load_data("digits"), 100).real()
    assert (
        set(row) == set(KEYS)
        and len(samples) == 100
        and row["frechet"]["n"] == 100
        and row["likelihood"] is None
    )
