"""Packages that add systems and parts: known to every command, and unable to break the others."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from morphogen.catalogue import pages
from plugin_packages import SYSTEM, environment, install

MORPHOGEN = [sys.executable, "-m", "morphogen"]
COMMANDS = str(Path(__file__).parent / "cli" / "run_commands.py")
TRAIN = "train", "tiny_vae", "--data", "digits", "--steps", "3"
ONE_SYSTEM, ONE_MODULE = "tiny_vae = tinypkg:tiny_vae", "tiny = tinypkg"
USE = """
import sys
import morphogen as mg
from morphogen.catalogue import family, page
from morphogen.representations.pixels import Pixels
model = mg.load(sys.argv[1])
print(family(page("tiny_vae").build(Pixels(17, (1, 8, 8)))), type(model.objective.network).__name__)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a package that adds one system and its decoder."""
    install(tmp_path / "site", "tinypkg", SYSTEM, ONE_SYSTEM, ONE_MODULE)
    return tmp_path / "site"


def run(site: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that knows the packages of `site`, in the folder above it."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=site.parent,
        env=environment(site),
    )


def test_every_command_knows_an_installed_system(site: Path) -> None:
    listed = run(site, *MORPHOGEN, "systems")
    assert listed.returncode == 0 and listed.stderr == "", listed.stderr
    lines = {line.split()[0]: line for line in listed.stdout.splitlines()}
    assert set(lines) == {*pages(), "tiny_vae"}
    assert lines["tiny_vae"].split(maxsplit=1)[1] == "pictures  A tiny VAE of another package.  [tinypkg]"
    words = TRAIN, ("sample", "runs/tiny_vae-digits-001", "--n", "4")
    done = run(site, sys.executable, COMMANDS, *map(json.dumps, words))
    assert done.returncode == 0, done.stderr
    assert (site.parent / "runs/tiny_vae-digits-001/samples/sheet.png").exists()
    used = run(site, sys.executable, "-c", USE, "runs/tiny_vae-digits-001/model")
    assert used.stdout.split() == ["vae", "TinyDecoder"], used.stderr


@pytest.mark.slow
def test_a_saved_model_whose_package_is_broken_or_gone_is_refused(site: Path) -> None:
    assert run(site, *MORPHOGEN, *TRAIN).returncode == 0
    missing = "no part is named 'TinyDecoder'; import the module, or install the package, that defines it"
    (site / "tinypkg.py").write_text("import nothing_of_that_name")
    broken = f"{missing}; the package tinypkg cannot be used (morphogen.parts 'tiny': ModuleNotFoundError"
    for message in (broken, missing):
        refused = run(site, *MORPHOGEN, "sample", "runs/tiny_vae-digits-001")
        assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1
        assert message in refused.stderr and ("tinypkg" in refused.stderr) == (message == broken)
        shutil.rmtree(site)
        site.mkdir()


BROKEN = {
    # case: the module, and the reason that is given
    # and {name} is that of the package
    "missing import": ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of"),
    "syntax error": ("def f(:", "SyntaxError: invalid syntax"),
    "exits": ("raise SystemExit('enough')", "SystemExit: enough"),
    "no such function": ("x = 1", "AttributeError: module '{name}' has no attribute '{name}_vae'"),
    "name of one of our parts": (
        "from morphogen.component import Component\nclass UNet(Component): ...",
        "ConfigError: two parts are named UNet: morphogen.networks.unet and {name}; rename one",
    ),
}
USE_THE_OTHERS = """
import sys
from morphogen.component import ConfigError, find_part
print(find_part("TinyDecoder").__module__, find_part("UNet").__module__)  # of the packages, broken first
from morphogen.catalogue import page
from morphogen.representations.pixels import Pixels
for name in ("tiny_vae", "ddpm"):
    page(name).build(Pixels(17, (1, 8, 8)), size="tiny")
for name in sys.argv[1:]:
    try:
        page(f"{name}_vae")
    except ConfigError as error:
        print(error)
"""


def test_a_broken_package_is_one_line_and_breaks_nothing_else(site: Path) -> None:
    """One package broken in each way, all of them in one process."""
    names = [f"broken_{i}" for i in range(len(BROKEN))]
    for name, (source, _) in zip(names, BROKEN.values(), strict=True):
        install(site, name, source, f"{name}_vae = {name}:{name}_vae", f"a_first_{name} = {name}")
    done = run(site, sys.executable, "-c", USE_THE_OTHERS, *names)
    assert done.returncode == 0, done.stderr
    parts, *lines = done.stdout.splitlines()
    assert parts == "tinypkg morphogen.networks.unet"
    for name, line, (_, reason) in zip(names, lines, BROKEN.values(), strict=True):
        start = f"the package {name} cannot be used (morphogen.systems '{name}_vae': "
        assert line.startswith(start + reason.replace("{name}", name))


def test_a_broken_package_is_listed_and_refused_by_name(site: Path) -> None:
    install(site, "broken", "import nothing_of_that_name", "broken_vae = broken:broken_vae")
    listed = run(site, *MORPHOGEN, "systems")
    assert {row.split()[0] for row in listed.stdout.splitlines()} == {*pages(), "tiny_vae"}
    assert listed.stderr.startswith("morphogen: the package broken cannot be used")
    assert listed.returncode == 0 and len(listed.stderr.splitlines()) == 1
    refused = run(site, *MORPHOGEN, "train", "broken_vae", "--data", "digits", "--steps", "1")
    assert refused.returncode == 2 and refused.stderr == listed.stderr


@pytest.mark.parametrize("name", [pytest.param("ddpm", marks=pytest.mark.slow), "tiny_vae"])
def test_two_systems_of_one_name_are_refused_with_both_packages(name: str, site: Path) -> None:
    install(site, "zweitpkg", SYSTEM.replace("TinyDecoder", "OtherDecoder"), f"{name} = zweitpkg:tiny_vae")
    owner = "morphogen" if name == "ddpm" else "tinypkg"
    line = f"morphogen: two packages have a system {name!r}: {owner} and zweitpkg; uninstall one\n"
    refused = run(site, *MORPHOGEN, "train", name, "--data", "digits", "--steps", "1")
    assert (refused.returncode, refused.stderr) == (2, line)
    listed = run(site, *MORPHOGEN, "systems")
    assert listed.stderr == line
    assert {row.split()[0] for row in listed.stdout.splitlines()} == {*pages(), "tiny_vae"} - {name}


FROM_CONFIG = """
import sys
from morphogen.component import ConfigError, from_config
for name in sys.argv[1:]:
    try:
        from_config({"part": name})
    except ConfigError as error:
        print(error)
"""


def test_a_config_names_parts_and_never_modules(site: Path) -> None:
    """A package that declares nothing is never imported, whatever a config says."""
    install(site, "silent", "from pathlib import Path\nPath('imported').touch()")
    names = "silent", "silent.Part", "silent:Part"
    done = run(site, sys.executable, "-c", FROM_CONFIG, *names)
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        assert f"no part is named {name!r}" in line
    assert not (site.parent / "imported").exists()
