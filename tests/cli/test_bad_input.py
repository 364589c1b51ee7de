"""Invalid input: exit code 2, one line that names the value and the remedy, and no file is changed.

Permission bits do not apply to root, so a missing permission is a path below a file, /proc, or an injected
EACCES; a full disk is a limit on file sizes, a small tmpfs where mounting is allowed, or an injected ENOSPC.
"""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from morphogen import files
from morphogen.cli import main
from morphogen.training import checkpoint

TINY = ["--size", "tiny", "--steps", "2"]
DIGITS = ["train", "vae", "--data", "digits", *TINY]
SET = [*DIGITS, "--set"]
DDPM = ["train", "ddpm", "--data", "digits", *TINY]


class Cli:
    """`morphogen WORDS` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: object) -> tuple[int, str]:
        """The exit code and the standard error."""
        self.monkeypatch.setattr(sys, "argv", ["morphogen", *map(str, words)])
        self.capsys.readouterr()
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), self.capsys.readouterr().err
        return 0, self.capsys.readouterr().err

    def refused(self, *words: object) -> str:
        """The one-line error of a refused command, which must not change any file."""
        before = tree(Path())
        code, line = self(*words)
        assert code == 2, line
        assert line.startswith("morphogen: ") and len(line.splitlines()) == 1, line
        assert tree(Path()) == before, "something was written, changed or lost"
        return line


def tree(root: Path) -> dict[str, str]:
    return {
        str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Invalid data of every kind, and a finished run; copied for each test."""
    root, before = tmp_path_factory.mktemp("made"), os.getcwd()
    os.chdir(root)
    Path("book.txt").write_text(
        " ".join(f"the cat sat on mat {i * i} and a dog ran {i} miles." for i in range(200))
    )
    Path("binary.txt").write_bytes(bytes(range(256)) * 20)
    Path("mixed.txt").write_bytes("日".encode() * 66 + b"x\n\xe9\n")
    Path("empty.txt").touch()
    Path("empty").mkdir()
    for name, count in (("one", 1), ("corrupt", 30)):
        Path(name).mkdir()
        for i in range(count):
            Image.new("L", (8, 8), i * 8).save(f"{name}/{i}.png")
    for i in range(6):
        Path(f"corrupt/{i}.png").write_bytes(Path(f"corrupt/{i}.png").read_bytes()[:30])
    Path("corrupt/notes.doc").write_text("no picture")
    Path("file").write_text("a file where a folder is needed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["morphogen", *DIGITS])
        with pytest.raises(SystemExit) as done:
            main()
        assert not done.value.code
    os.chdir(before)
    return root


@pytest.fixture
def cli(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Cli:
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return Cli(monkeypatch, capsys)


RUN = "runs/vae-digits-001"
MATRIX: dict[str, tuple[list[str], list[str]]] = {
    # case: the arguments, and parts of the message
    "missing path": (["train", "vae", "--data", "nowhere/photos", *TINY], ["nowhere/photos", "digits"]),
    "empty folder": (["train", "vae", "--data", "empty", *TINY], ["empty", "put pictures in it"]),
    "corrupt files": (["train", "vae", "--data", "corrupt", *TINY], ["corrupt", "6 of 30", "remove them"]),
    "one picture": (["train", "vae", "--data", "one", *TINY], ["one", "at least 3"]),
    "large on a CPU": (
        ["train", "vae", "--data", "digits", "--resolution", "512", "--device", "cpu", *TINY],
        ["512", "--resolution 64"],
    ),
    "no side": (["train", "vae", "--data", "one", "--resolution", "0", *TINY], ["resolution 0", "4 to 1024"]),
    "text for pictures": (["train", "ddpm", "--data", "book.txt", *TINY], ["ddpm", "pictures", "gpt"]),
    "pictures for text": (["train", "gpt", "--data", "digits", *TINY], ["gpt", "text", "ddpm"]),
    "binary as text": (["train", "gpt", "--data", "binary.txt", *TINY], ["binary.txt", "give a text file"]),
    "mixed encodings": (
        ["train", "gpt", "--data", "mixed.txt", *TINY],
        ["mixed.txt: byte 200 (0xE9, line 2)"],
    ),
    "empty text": (["train", "gpt", "--data", "empty.txt", *TINY], ["empty.txt", "give a text file"]),
    "long windows": (
        ["train", "gpt", "--data", "book.txt", "--length", "999999", *TINY],
        ["999999", "smaller length"],
    ),
    "unknown system": (["train", "dppm", "--data", "digits"], ["'dppm'", "ddpm", "morphogen systems"]),
    "no system": (["train"], ["morphogen train ddpm --data digits"]),
    "unknown label": (["sample", RUN, "--condition", "cow"], ["'cow'", "0, 1, 2"]),
    "label past the last": (["sample", RUN, "--condition", "10"], ["'10'", "9"]),
    "zero steps": (["train", "vae", "--data", "digits", "--steps", "0"], ["--steps 0", "positive"]),
    "negative steps": (["train", "vae", "--data", "digits", "--steps", "-3"], ["--steps -3", "positive"]),
    **{
        f"time {t!r}": (["train", "vae", "--data", "digits", "--time", t], [repr(t), "10m"])
        for t in ("0", "-5s", "nan", "inf", "")
    },
    "zero samples": (["sample", RUN, "--n", "0"], ["--n 0", "positive"]),
    "negative samples": (["sample", RUN, "--n", "-2"], ["--n -2", "positive"]),
    "a beam of pictures": (["sample", RUN, "--beam", "3"], ["Beam does not sample a VAE", "default sampler"]),
    "another family's sampler": (
        ["sample", RUN, "--sampler", "ddim"],
        ["DDIM does not sample a VAE", "default sampler"],
    ),
    "a sampler of tokens": (
        ["sample", RUN, "--sampler", "d3pmsampler"],
        ["D3PMSampler does not sample a VAE", "default sampler"],
    ),
    "top-k of pictures": (["sample", RUN, "--top-k", "3"], ["does not accept top_k"]),
    "steps of a VAE": (["sample", RUN, "--steps", "5"], ["leave --steps out; it accepts --temperature\n"]),
    "negative seed": ([*DIGITS, "--seed", "-1"], ["--seed -1", "0 to 2^63"]),
    "seed too large": ([*DIGITS, "--seed", "9" * 30], ["--seed 999", "0 to 2^63"]),
    "unknown command": (["trainx"], ["trainx", "train", "--help"]),
    "unknown option": (["train", "ddpm", "--stepz", "3"], ["--stepz", "--steps", "morphogen train --help"]),
    "no whole number": (["train", "ddpm", "--steps", "abc"], ["--steps", "morphogen train --help"]),
    "unknown precision": ([*DIGITS, "--precision", "fp8"], ["fp8", "bf16"]),
    "unknown number": ([*SET, "network.channelz=3"], ["network.channelz", "objective.network.widths"]),
    "no number": ([*SET, "bound.beta=much"], ["bound.beta=much", "ELBO expects a number"]),
    "half a number": ([*SET, "plan.batch=1.5"], ["plan.batch=1.5", "an integer"]),
    "not a number": ([*SET, "bound.beta=NaN"], ["bound.beta=nan", "ELBO expects a number"]),
    "null": ([*SET, "plan.batch=null"], ["plan.batch", "an integer"]),
    "no list": ([*SET, "network.widths=8"], ["network.widths=8", "ConvDecoder expects"]),
    "no part": ([*SET, "network=abc"], ["network=abc", "VAE expects"]),
    "another part": ([*SET, 'network={"part":"Adam"}'], ["Adam", "give other values"]),
    "an unknown part": ([*SET, 'network={"part":"Eve"}'], ["'Eve'", "cannot be built"]),
    "unknown target": ([*DDPM, "--set", "objective.target=foo"], ["'foo'", "'x0' or 'eps' or 'v'"]),
    "a rate below 0": ([*SET, "plan.optimizer.lr=-1"], ["lr=-1", "give other values"]),
    "a batch below 0": ([*SET, "plan.batch=-1"], ["batch >= 0", "batch=-1"]),
    "numbers that do not fit": ([*SET, "network.widths=[-3]"], ["network.widths=[-3]", "give other values"]),
    "numbers that do not fit the data": (
        [*SET, "encoder.shape=[3,8,8]"],
        ["encoder.shape=[3, 8, 8]", "give other values"],
    ),
    "out of memory": ([*SET, "network.widths=[1000000000000]"], ["network.widths", "give other values"]),
    "resume and system": (["train", "vae", "--resume", RUN], ["--resume", "are those of the run"]),
    "resume and fewer steps": (["train", "--resume", RUN, "--steps", "1"], ["--steps 1", "give more than 2"]),
    "resume nothing": (["train", "--resume", "empty"], ["empty", "run.json", "morphogen train"]),
    "runs below a file": ([*DIGITS, "--runs", "file/runs"], ["file/runs", "check the path"]),
    "runs is a file": ([*DIGITS, "--runs", "file"], ["file", "check the path"]),
    "runs in /proc": ([*DIGITS, "--runs", "/proc/runs"], ["/proc/runs", "check the path"]),
}


@pytest.mark.parametrize("what", MATRIX)
def test_invalid_input_ends_in_one_line_and_changes_no_file(what: str, cli: Cli) -> None:
    words, parts = MATRIX[what]
    line = cli.refused(*words)
    assert all(part in line for part in parts), line


def test_guidance_must_be_a_number(cli: Cli) -> None:
    assert cli("train", "ddpm", "--data", "digits", "--size", "tiny", "--steps", "1")[0] == 0
    line = cli.refused("sample", "runs/ddpm-digits-001", "--n", "2", "--guidance", "nan")
    assert "guidance" in line and "nan" in line


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def unseal(file: Path, text: str) -> None:
    """Replace the config of a model without a manifest."""
    (file.parent / "manifest.json").unlink()
    file.write_text(text)


CHECKPOINT, RESTORE = f"morphogen train --resume {RUN}", "restore it or train again"
EVE = '{"format": 1, "config": {"part": "Eve"}}'
WEIGHTS, CONFIG = "model/weights.safetensors", "model/config.json"
DAMAGE: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    # case: the damage, the file that the message names, the remedy
    "weights flipped": (lambda run: flip(run / WEIGHTS), f"{WEIGHTS} has changed", CHECKPOINT),
    "weights cut": (lambda run: os.truncate(run / WEIGHTS, 99), f"{WEIGHTS} has changed", CHECKPOINT),
    "weights missing": (lambda run: (run / WEIGHTS).unlink(), f"{WEIGHTS} is missing", CHECKPOINT),
    "config flipped": (lambda run: flip(run / CONFIG), f"{CONFIG} has changed", CHECKPOINT),
    "config missing": (lambda run: (run / CONFIG).unlink(), f"{CONFIG} is missing", CHECKPOINT),
    "manifest torn": (
        lambda run: os.truncate(run / "model/manifest.json", 20),
        "model/manifest.json cannot",
        CHECKPOINT,
    ),
    "config is no JSON": (lambda run: unseal(run / CONFIG, "{"), CONFIG, CHECKPOINT),
    "config of an unknown part": (lambda run: unseal(run / CONFIG, EVE), "'Eve'", CHECKPOINT),
    "another format": (lambda run: unseal(run / CONFIG, '{"format": 2}'), f"{CONFIG} has format", CHECKPOINT),
    "model missing": (lambda run: shutil.rmtree(run / "model"), "model does not exist", CHECKPOINT),
    "model and checkpoints missing": (
        lambda run: [shutil.rmtree(run / d) for d in ("model", "checkpoints")],
        "model",
        CHECKPOINT,
    ),
    "run.json torn": (lambda run: os.truncate(run / "run.json", 70), "run.json", RESTORE),
    "run.json of bytes": (lambda run: (run / "run.json").write_bytes(b"\xff\xfe\x00"), "run.json", RESTORE),
    "run.json of a list": (lambda run: (run / "run.json").write_text("[]"), "run.json", RESTORE),
    "run.json missing": (lambda run: (run / "run.json").unlink(), "run.json", "morphogen train"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_run_is_refused_and_repaired_by_resume(what: str, cli: Cli) -> None:
    damage, file, remedy = DAMAGE[what]
    before = tree(Path(RUN) / "model")
    damage(Path(RUN))
    for verb in ("sample", "evaluate"):
        line = cli.refused(verb, RUN)
        assert file in line and remedy in line, line
    if remedy is CHECKPOINT:
        assert cli(*remedy.split()[1:])[0] == 0
        assert tree(Path(RUN) / "model") == before, "the same weights, bit for bit"
    else:
        assert "run.json" in cli.refused("train", "--resume", RUN)


def test_a_missing_permission_ends_in_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    for method in ("mkdir", "write_bytes"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, method, refuse)
            line = cli.refused(*DIGITS)
        assert "runs" in line and "Permission denied" in line and "change its permissions" in line


def test_a_disk_that_fills_during_a_checkpoint(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second checkpoint fails; the first and run.json are intact; `--resume` gives the same weights."""
    words = ["train", "vae", "--data", "digits", "--size", "tiny", "--steps", "5"]
    every_step(monkeypatch)
    assert cli(*words, "--runs", "whole")[0] == 0
    with monkeypatch.context() as patch:
        fill_disk(patch, after=4)  # files of tensors: three in a checkpoint
        code, line = cli(*words, "--runs", "broken")
    run = Path("broken/vae-digits-001")
    assert (
        code == 2
        and len(line.splitlines()) == 1
        and line.startswith("morphogen: broken/vae-digits-001/checkpoints")
    ), line
    assert "No space left" in line and "free some space" in line and f"morphogen train --resume {run}" in line
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["00000001"]
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert "the run is interrupted" in cli.refused("sample", run)
    assert cli("train", "--resume", run)[0] == 0
    assert tree_of_weights("whole") == tree_of_weights("broken")


def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint.Every, "due", lambda self, steps, seconds: True)


def fill_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    calls, save = iter(range(1000)), files.save_file

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if next(calls) >= after:
            path.write_bytes(b"half")
            raise files.SafetensorError(
                "Error while serializing: I/O error: No space left on device (os error 28)"
            )
        save(tensors, path)

    monkeypatch.setattr(files, "save_file", full)


def tree_of_weights(root: str) -> list[str]:
    return [
        tree(Path(root))[f"{root}/vae-digits-001/model/{name}"]
        for name in ("config.json", "weights.safetensors")
    ]


def test_ctrl_c_prints_how_to_resume(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from morphogen.training.step import Stepper

    step, sent = Stepper.step, signal.SIGINT

    def interrupted(self: Stepper, number: int, *arguments: Any) -> Any:
        if number == 2:
            os.kill(os.getpid(), sent)
        return step(self, number, *arguments)

    for code in (130, 143):  # 128 and the signal's number
        sent = signal.Signals(code - 128)
        with monkeypatch.context() as patch:
            patch.setattr(Stepper, "step", interrupted)
            exit_code, line = cli(*DIGITS, "--steps", "9", "--runs", str(code))
        run = f"{code}/vae-digits-001"
        assert exit_code == code
        assert line.startswith("morphogen: stopped") and len(line.splitlines()) == 1
        assert line.rstrip().endswith(f"morphogen train --resume {run}"), line
        assert json.loads(Path(run, "run.json").read_text())["status"] == "interrupted"
        assert cli("train", "--resume", run)[0] == 0


LIMITED = """
import resource, sys
from morphogen.cli import main
sys.argv = ["morphogen", *sys.argv[2:]]
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
main()
"""


def in_a_process(*words: str, limit: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LIMITED.format(limit=limit), "-", *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_limit_on_file_sizes_ends_in_one_line(cli: Cli) -> None:
    """EFBIG in a new process (Python ignores SIGXFSZ): the weights exceed the limit, run.json does not."""
    limit = Path(RUN, "model/weights.safetensors").stat().st_size // 2
    assert limit > 2 * Path(RUN, "run.json").stat().st_size
    done = in_a_process(*DIGITS, "--runs", "limited", limit=limit)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith(
        "morphogen: limited/vae-digits-001/"
    ), done.stderr
    assert (
        "File too large" in done.stderr and "morphogen train --resume limited/vae-digits-001" in done.stderr
    )
    assert json.loads(Path("limited/vae-digits-001/run.json").read_text())["status"] == "interrupted"
    assert cli("train", "--resume", "limited/vae-digits-001")[0] == 0


def test_a_full_disk_is_reported_and_the_run_can_be_resumed(cli: Cli, tmp_path: Path) -> None:
    """A disk of half the size of a run, if mounting is allowed; with more space the run is resumed."""
    disk, takes = tmp_path / "disk", sum(p.stat().st_size for p in Path(RUN).rglob("*") if p.is_file())
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={takes // 2}", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        code, line = cli(*DIGITS, "--runs", disk)
        assert (
            code == 2
            and len(line.splitlines()) == 1
            and "No space left on device" in line
            and "--resume" in line
        ), line
        assert json.loads((disk / "vae-digits-001/run.json").read_text())["status"] == "interrupted"
        subprocess.run(["mount", "-o", f"remount,size={takes * 9}", disk], check=True)
        assert cli("train", "--resume", disk / "vae-digits-001")[0] == 0
    finally:
        subprocess.run(["umount", disk], check=True)


def test_running_out_of_memory_suggests_a_smaller_size() -> None:
    from morphogen.cli.errors import remedy

    for error in (
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ):
        assert "--size" in str(remedy(error))
    assert remedy(RuntimeError("a bug of ours")) is None
    assert remedy(BrokenPipeError(errno.EPIPE, "Broken pipe")) is None
