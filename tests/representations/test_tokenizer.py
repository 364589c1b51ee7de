"""Tokenizers: reproducible training, the file saved next to the config, and errors if it is damaged."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from morphogen.catalogue import build_system
from morphogen.component import Asset, ConfigError, from_config, to_config
from morphogen.contract import Batch
from morphogen.model import load, save
from morphogen.representations import tokenizer as tokenizer_module
from morphogen.representations.text import Tokens
from morphogen.representations.tokenizer import Tokenizer, bpe, unigram
from morphogen.saved_config import read_config
from morphogen.testing import check_model

RHYME = "the cat sat on the mat; the rat that sat by the cat had that hat.\n" * 8
TOKENIZER = bpe([RHYME], 280)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save(build_system("gpt", Tokens(TOKENIZER, 8), {}, "tiny"), tmp_path)
    return tmp_path


@pytest.mark.parametrize("train", [bpe, unigram])
def test_training_is_reproducible(train):
    texts = [path.read_text(encoding="utf8") for path in sorted(Path(json.__file__).parent.glob("*.py"))]
    program = (
        "import sys; from pathlib import Path; from morphogen.representations.tokenizer import *; "
        "texts = [Path(p).read_text(encoding='utf8') for p in sys.argv[1:]]; "
        f"print({train.__name__}(texts, 400).file.sha256)"
    )
    files = [str(path) for path in sorted(Path(json.__file__).parent.glob("*.py"))]
    other = subprocess.run(
        [sys.executable, "-c", program, *files], capture_output=True, text=True, check=True
    )
    assert {train(texts, 400).file.sha256 for _ in range(2)} == {other.stdout.strip()}


@pytest.mark.parametrize("train", [bpe, unigram])
def test_the_vocabulary_has_the_requested_size_and_at_least_the_bytes(train):
    prose = Path(json.__file__).read_text(encoding="utf8")
    assert len(train([prose], 300).pieces) == 300 and len(train([prose], 258).pieces) == 258
    assert 257 <= len(train(["ab"], 300).pieces) <= 258
    with pytest.raises(ConfigError, match="a vocabulary of 257 is too small for the 256 bytes"):
        train([prose], 257)
    with pytest.raises(ConfigError, match="all texts are empty"):
        train(["", ""], 300)


def test_a_model_with_a_tokenizer_satisfies_the_laws():
    text = Tokens(TOKENIZER, 8)
    rows = text.tokenize(RHYME)[:64].view(8, 8)
    torch.manual_seed(0)
    assert "save_load_round_trip" in check_model(build_system("gpt", text, {}, "tiny"), Batch(rows))


def test_the_file_is_saved_next_to_the_config_under_its_hash(saved: Path):
    name = TOKENIZER.file.name
    assert name == f"tokenizer-{TOKENIZER.file.sha256[:8]}.json"
    assert (saved / name).read_bytes() == TOKENIZER.file.content
    assert json.loads((saved / "manifest.json").read_text())[name] == TOKENIZER.file.sha256
    written = read_config(saved / "config.json")["representation"]["tokenizer"]["file"]
    assert written == {"asset": name, "sha256": TOKENIZER.file.sha256}
    program = f"from morphogen.model import load; print(load({str(saved)!r}).representation.ids('the hat'))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(TOKENIZER.ids("the hat"))


def test_a_tokenizer_is_rebuilt_from_its_config():
    text = Tokens(TOKENIZER, 8)
    assert to_config(from_config(to_config(text))) == to_config(text)


def test_the_error_names_a_missing_or_different_file(saved: Path):
    file, other = saved / TOKENIZER.file.name, bpe([RHYME], 270)
    file.write_bytes(other.file.content)
    with pytest.raises(ConfigError, match=f"{file} has changed since it was written"):
        load(saved)
    (saved / "manifest.json").unlink()
    with pytest.raises(ConfigError, match="is not the file that the config names"):
        load(saved)
    config = saved / "config.json"
    config.write_text(config.read_text().replace(TOKENIZER.file.sha256, "0" * 64))
    file.unlink()
    with pytest.raises(ConfigError, match=f"{TOKENIZER.file.name} is missing; restore it next to the config"):
        load(saved)


def test_an_asset_is_never_read_from_another_folder(tmp_path: Path):
    (tmp_path / "secret").write_bytes(b"x")
    with pytest.raises(ConfigError, match="is not a file name"):
        from_config(
            {"part": "Tokenizer", "file": {"asset": "../secret", "sha256": Asset("a", b"x").sha256}},
            tmp_path / "run",
        )


def _without(*keys: str) -> bytes:
    config = json.loads(TOKENIZER.file.content)
    node = config
    for key in keys[:-1]:
        node = node[key]
    del node[keys[-1]]
    return json.dumps(config).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is not a valid tokenizer file"),
        (b"\xff\xfe", "is not a valid tokenizer file"),
        (b"[1, 2]", "is not a valid tokenizer file"),
        (TOKENIZER.file.content[:-20], "is not a valid tokenizer file"),
        (_without("model"), "is not a valid tokenizer file"),
        (
            _without("model", "vocab", "t"),
            "is not a valid tokenizer file|has no piece for 1 of the 256 bytes",
        ),
        (_without("added_tokens"), "is not a valid tokenizer file|has no special token"),
        (TOKENIZER.file.content.replace("\u0120".encode(), "\u2581".encode()), "is not byte-level"),
    ],
)
def test_a_damaged_file_raises_one_line(content: bytes, why: str):
    with pytest.raises(ConfigError, match=why) as error:
        Tokenizer(Asset("tokenizer.json", content))
    assert "\n" not in str(error.value) and str(error.value).startswith("tokenizer-")


def test_a_randomly_damaged_file_loads_or_raises_one_line():
    rng, rejected = random.Random(0), 0
    for _ in range(100):
        content = bytearray(TOKENIZER.file.content)
        for _ in range(rng.randrange(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        try:
            Tokenizer(Asset("tokenizer.json", bytes(content)))
        except ConfigError as error:
            assert "\n" not in str(error)
            rejected += 1
    assert rejected > 50


def test_the_error_names_a_missing_end_token():
    with pytest.raises(ConfigError, match=r"has no special token '</s>'"):
        Tokenizer(TOKENIZER.file, "</s>")
    assert Tokenizer(TOKENIZER.file, None).end_id is None


@pytest.mark.parametrize("train", [bpe, unigram])
def test_endless_words_are_learned_from_pieces(train, monkeypatch):
    """The time of the trainers grows with the square of the length of a word: 40 s for 200,000 letters."""
    generator = random.Random(0)
    dna = "".join(generator.choices("ACGT", k=40_000))
    monkeypatch.setattr(tokenizer_module, "LEARNED", 2**13)
    start = time.process_time()
    tokenizer = train([dna[:20_000], "a few words\n", dna[20_000:]], 280)
    assert time.process_time() - start < 5
    ids = tokenizer.ids(dna)
    assert b"".join(tokenizer.pieces[i] for i in ids) == dna.encode() and len(ids) < 0.6 * len(dna)


def test_ordinary_texts_are_learned_whole():
    for text in ("word " * 2000, "x" * 4095, "1a" * 4000, "日本、" * 3000, "a-" * 4000):
        assert list(tokenizer_module._cut([text, "b"])) == [text, "b"]
    pieces = list(tokenizer_module._cut(["one " + "x" * 5000 + " two"]))
    assert (
        "".join(pieces) == "one " + "x" * 5000 + " two" and max(map(len, pieces)) == tokenizer_module.LONGEST
    )


def test_a_panic_of_the_trainer_is_one_line(monkeypatch):
    class PanicException(BaseException):
        pass

    class Trained:
        def __init__(self, _):
            pass

        def train_from_iterator(self, *_):
            raise PanicException("likelihood is NAN\nsecond line")

    monkeypatch.setattr(tokenizer_module.tokenizers, "Tokenizer", Trained)
    with pytest.raises(ConfigError, match=r"cannot be learned \(likelihood is NAN\); give other texts"):
        unigram(["a text"], 300)
