"""A tokenizer is its file: learned the same again, saved beside the config under its hash, and refused in a line where it is damaged."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from morphogen.catalogue import compose
from morphogen.component import Asset, ConfigError, build, describe
from morphogen.contract import Batch
from morphogen.model import load, save
from morphogen.representations.text import Tokens
from morphogen.representations.tokenizer import Tokenizer, bpe, unigram
from morphogen.testing import check_model

RHYME = "the cat sat on the mat; the rat that sat by the cat had that hat.\n" * 8
TOKENIZER = bpe([RHYME], 280)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save(compose("gpt", Tokens(TOKENIZER, 8), 0, "tiny"), tmp_path)
    return tmp_path


@pytest.mark.parametrize("learn", [bpe, unigram])
def test_learned_again_it_is_the_same_file(learn):
    texts = [path.read_text(encoding="utf8") for path in sorted(Path(json.__file__).parent.glob("*.py"))]
    program = (
        "import sys; from pathlib import Path; from morphogen.representations.tokenizer import *; "
        f"print({learn.__name__}([Path(p).read_text(encoding='utf8') for p in sys.argv[1:]], 400).file.sha256)"
    )
    files = [str(path) for path in sorted(Path(json.__file__).parent.glob("*.py"))]
    elsewhere = subprocess.run([sys.executable, "-c", program, *files], capture_output=True, text=True, check=True)
    assert {learn(texts, 400).file.sha256 for _ in range(2)} == {elsewhere.stdout.strip()}


@pytest.mark.parametrize("learn", [bpe, unigram])
def test_the_vocabulary_is_what_was_asked_and_the_bytes_at_least(learn):
    prose = Path(json.__file__).read_text(encoding="utf8")
    assert (
        len(learn([prose], 300).pieces) == 300 and 257 <= len(learn(["ab"], 300).pieces) <= 258 and len(learn([prose], 258).pieces) == 258
    )
    with pytest.raises(ConfigError, match="a vocabulary of 257 cannot hold the 256 bytes, the end and a piece"):
        learn([prose], 257)
    with pytest.raises(ConfigError, match="there is none"):
        learn(["", ""], 300)


def test_a_model_with_a_tokenizer_keeps_the_laws():
    text = Tokens(TOKENIZER, 8)
    rows = text.read(RHYME)[:64].view(8, 8)
    torch.manual_seed(0)
    assert "saved_and_loaded_is_equal" in check_model(compose("gpt", text, 0, "tiny"), Batch(rows))


def test_it_lies_beside_the_config_under_its_hash(saved: Path):
    name = TOKENIZER.file.name
    assert name == f"tokenizer-{TOKENIZER.file.sha256[:8]}.json" and (saved / name).read_bytes() == TOKENIZER.file.content
    assert json.loads((saved / "manifest.json").read_text())[name] == TOKENIZER.file.sha256
    written = json.loads((saved / "config.json").read_text())["representation"]["tokenizer"]["file"]
    assert written == {"asset": name, "sha256": TOKENIZER.file.sha256}
    program = f"from morphogen.model import load; import morphogen.systems.gpt; print(load({str(saved)!r}).representation.ids('the hat'))"
    elsewhere = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() == str(TOKENIZER.ids("the hat"))


def test_a_config_is_built_again_where_it_was_described():
    text = Tokens(TOKENIZER, 8)
    assert describe(build(describe(text))) == describe(text)


def test_a_missing_or_another_file_is_named(saved: Path):
    file, other = saved / TOKENIZER.file.name, bpe([RHYME], 270)
    file.write_bytes(other.file.content)
    with pytest.raises(ConfigError, match=f"{file} is not what was written"):
        load(saved)
    (saved / "manifest.json").unlink()
    with pytest.raises(ConfigError, match="is not the file that the config names"):
        load(saved)
    config = saved / "config.json"
    config.write_text(config.read_text().replace(TOKENIZER.file.sha256, "0" * 64))
    file.unlink()
    with pytest.raises(ConfigError, match=f"{TOKENIZER.file.name} is missing; restore it beside the config"):
        load(saved)


def test_an_asset_never_comes_from_elsewhere(tmp_path: Path):
    (tmp_path / "secret").write_bytes(b"x")
    with pytest.raises(ConfigError, match="is no name of a file"):
        build({"part": "Tokenizer", "file": {"asset": "../secret", "sha256": Asset("a", b"x").sha256}}, tmp_path / "run")


def _without(*keys: str) -> bytes:
    config = json.loads(TOKENIZER.file.content)
    place = config
    for key in keys[:-1]:
        place = place[key]
    del place[keys[-1]]
    return json.dumps(config).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is no tokenizer file"),
        (b"\xff\xfe", "is no tokenizer file"),
        (b"[1, 2]", "is no tokenizer file"),
        (TOKENIZER.file.content[:-20], "is no tokenizer file"),
        (_without("model"), "is no tokenizer file"),
        (_without("model", "vocab", "t"), "is no tokenizer file|has no piece for 1 of the 256 bytes"),
        (_without("added_tokens"), "is no tokenizer file|has no special piece"),
        (TOKENIZER.file.content.replace("\u0120".encode(), "\u2581".encode()), "is not written in bytes"),
    ],
)
def test_a_damaged_file_is_refused_in_a_line(content: bytes, why: str):
    with pytest.raises(ConfigError, match=why) as refusal:
        Tokenizer(Asset("tokenizer.json", content))
    assert "\n" not in str(refusal.value) and str(refusal.value).startswith("tokenizer-")


def test_no_damage_gives_more_than_a_line():
    draw, refused = random.Random(0), 0
    for _ in range(100):
        content = bytearray(TOKENIZER.file.content)
        for _ in range(draw.randrange(1, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        try:
            Tokenizer(Asset("tokenizer.json", bytes(content)))
        except ConfigError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 50


def test_an_end_that_the_file_lacks_is_named():
    with pytest.raises(ConfigError, match=r"has no special piece '</s>' to end a text with"):
        Tokenizer(TOKENIZER.file, "</s>")
    assert Tokenizer(TOKENIZER.file, None).last is None
