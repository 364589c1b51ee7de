"""Damaged GGUF files: each is read or refused in one line, within a second and in bounded memory."""

import resource
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morphogen.component import ConfigError
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_chat import read_chat_format
from morphogen.interop.gguf_header import SCALARS
from morphogen.interop.gguf_llama import read_model
from tests.interop.gguf_files import LlamaSizes, gguf, llama, metadata, sentencepiece_vocabulary

MEMORY = 1 << 30  # bytes that reading may allocate
SMALL = LlamaSizes(width=8, layers=1, heads=2, key_values=1, hidden=8)
NUMBERS = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    9,
    10,
    12,
    13,
    255,
    2**16,
    2**24,
    2**31,
    2**32 - 1,
    2**32,
    2**40,
    2**63,
    2**64 - 1,
)
KEYS = (
    "general.architecture", "general.alignment", "split.count", "split.no", "llama.context_length",
    "llama.embedding_length", "llama.block_count", "llama.feed_forward_length", "llama.attention.head_count",
    "llama.attention.head_count_kv", "llama.rope.freq_base", "llama.rope.dimension_count",
    "llama.rope.scaling.type", "llama.rope.scaling.factor", "llama.rope.scale_linear",
    "llama.attention.layer_norm_rms_epsilon", "tokenizer.ggml.model", "tokenizer.ggml.pre",
    "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type", "tokenizer.ggml.merges",
    "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_space_prefix", "tokenizer.chat_template",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(NUMBERS[:16]), st.booleans(), st.floats(width=32), st.text(max_size=20), st.none(),
    st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=4),
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=4),
)  # fmt: skip


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("damaged")
    files = (
        llama(folder / "bpe.gguf", SMALL),
        llama(folder / "sp.gguf", SMALL, sentencepiece=sentencepiece_vocabulary()),
    )
    return [path.read_bytes() for path in files]


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Limit the memory that may be allocated inside."""
    limits, pages = resource.getrlimit(resource.RLIMIT_AS), Path("/proc/self/statm")
    if pages.exists():
        used = int(pages.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[str, float, int, int]]:
    """Up to three edits: kind, place as a fraction of the header, a number and a width."""
    kinds = st.sampled_from(["cut", "flip", "number", "delete", "insert", "copy"])
    return [
        (draw(kinds), draw(st.floats(0, 1)), draw(st.sampled_from(NUMBERS)), draw(st.integers(1, 64)))
        for _ in range(draw(st.integers(1, 3)))
    ]


def edit(content: bytes, changes: list[tuple[str, float, int, int]]) -> bytes:
    """The content with its header damaged."""
    damaged = bytearray(content)
    for kind, place, number, width in changes:
        header = max(1, len(damaged) // 2)  # weights are about half of the file
        at = min(int(place * header), max(0, len(damaged) - 1))
        if kind == "cut":
            del damaged[int(place * len(damaged)) :]
        elif kind == "flip" and damaged:
            damaged[at] ^= 1 << width % 8
        elif kind == "number":
            packed = struct.pack("<Q", number)
            damaged[at : at + 8] = packed if width % 2 else packed[:4] + damaged[at + 4 : at + 8]
        elif kind == "delete":
            del damaged[at : at + width]
        elif kind == "insert":
            damaged[at:at] = bytes(width)
        elif kind == "copy":
            damaged[at : at + width] = damaged[at + width : at + 2 * width]
    return bytes(damaged)


def check_is_read_or_refused(path: Path) -> bool:
    """Whether it was read."""
    is_read, start = True, time.process_time()
    try:
        with bounded_memory():
            file = GGUF(path)
            form, model = read_chat_format(file), read_model(file, 64)
            form.ids([{"role": "user", "content": "hello 12"}], model.representation.ids)
    except ConfigError as error:
        line, is_read = str(error), False
        assert len(line.splitlines()) == 1 and len(line) < 600, line
        assert line.startswith(str(path)) or "the chat template" in line or "has no piece for" in line, line
    assert time.process_time() - start < 1
    return is_read


def check_damaged_bytes(originals: list[bytes], path: Path, count: int) -> None:
    read: list[bool] = []
    for original in originals:
        path.write_bytes(original)
        assert check_is_read_or_refused(path), "a whole file"

    @settings(max_examples=count, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(range(len(originals))), edits())
    def check(which: int, changes: list[tuple[str, float, int, int]]) -> None:
        path.write_bytes(edit(originals[which], changes))
        read.append(check_is_read_or_refused(path))

    check()
    assert 0.01 * count < sum(read) < 0.9 * count


def check_wrong_metadata(path: Path, count: int) -> None:
    read: list[bool] = []
    vocabularies = [None, sentencepiece_vocabulary()]

    @settings(max_examples=count, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(vocabularies), st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=3)
    )
    def check(vocabulary: dict[str, float] | None, values: dict[str, object]) -> None:
        llama(path, SMALL, sentencepiece=vocabulary, change=metadata(values))
        read.append(check_is_read_or_refused(path))

    check()
    assert 0.01 * count < sum(read) < 0.9 * count


def test_damaged_files(originals: list[bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    check_damaged_bytes(originals, tmp_path / "broken.gguf", 150)
    check_wrong_metadata(tmp_path / "wrong.gguf", 100)
    assert "panicked" not in capfd.readouterr().err


@pytest.mark.slow
def test_1000_damaged_files(
    originals: list[bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    check_damaged_bytes(originals, tmp_path / "broken.gguf", 1000)
    check_wrong_metadata(tmp_path / "wrong.gguf", 1000)
    assert "panicked" not in capfd.readouterr().err


def header(tensors: int, pairs: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, pairs) + rest


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def info(name: str, dims: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    return string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header(2**63, 0), "9223372036854775808 tensors exceed the rest of the file"),
        (header(0, 2**64 - 1), "18446744073709551615 pairs exceed"),
        (header(0, 1, struct.pack("<Q", 2**62) + bytes(40)), "bytes of a key exceed"),
        (header(0, 1, string("k") + struct.pack("<IIQ", 9, 4, 2**61) + bytes(40)), "numbers of 'k' exceed"),
        (header(0, 1, string("k") + struct.pack("<IIQ", 9, 8, 2**60) + bytes(40)), "strings of 'k' exceed"),
        (header(0, 1, string("k") + struct.pack("<IIQ", 9, 9, 2) + bytes(40)), "unsupported element type 9"),
        (header(0, 1, string("k") + struct.pack("<I", 77) + bytes(40)), "unknown type 77 of 'k'"),
        (header(0, 1, string("\x1b[2J" * 500) + struct.pack("<I", 77)), "unknown type 77 of '\\x1b[2J"),
        (header(1, 0, info("w", (4, 2**64 - 1)) + bytes(64)), "ends at byte"),
        (header(1, 0, info("w", (0, 4)) + bytes(64)), "shape (4, 0) of 'w' is impossible"),
        (header(1, 0, info("w", (4,) * 5) + bytes(64)), "'w' has 5 dimensions"),
        (header(1, 0, info("w", (4,), offset=2**63) + bytes(64)), "ends at byte"),
        (header(1, 0, info("w", (4,), offset=8) + bytes(64)), "or is not aligned"),
        (header(2, 0, info("a", (16,)) + info("b", (8,), offset=32) + bytes(999)), "'a' and 'b' overlap"),
        (header(2, 0, info("a", (8,)) + info("a", (8,), offset=32) + bytes(999)), "duplicate tensor 'a'"),
        (
            header(0, 1, string("general.alignment") + struct.pack("<If", 6, 32.0) + bytes(64)),
            "general.alignment '32.0' is not a power of 2",
        ),
        (
            header(0, 1, string("general.alignment") + struct.pack("<IIQII", 9, 4, 2, 32, 32) + bytes(64)),
            "general.alignment '[32 32]' is not a power of 2",
        ),
    ],
)  # fmt: skip
def test_each_kind_of_damage_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    with bounded_memory(), pytest.raises(ConfigError) as error:
        GGUF(path)
    line = str(error.value)
    assert (
        line.startswith(f"{path}: ") and message in line and len(line.splitlines()) == 1 and len(line) < 400
    )


def test_the_codes_of_metadata_are_those_of_ggml() -> None:
    assert {kind.value for kind in gguf.GGUFValueType} == {*SCALARS, 8, 9}
