"""GGUF reading: equal to ggml's package bit for bit in every format, one-line errors for damaged files."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from morphogen.component import ConfigError
from morphogen.interop import gguf_blocks
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_blocks import FORMATS, NAMES
from tests.interop.gguf_files import gguf, write

FORMAT_NAMES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"]


def weights(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(6, 4, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def fill(writer: object) -> None:
        writer.add_uint8("a.u8", 200)
        writer.add_int64("a.i64", -(2**40))
        writer.add_float64("a.f64", 0.1)
        writer.add_bool("a.bool", True)
        writer.add_string("a.string", "naïve 日本")
        writer.add_array("a.words", ["x", "", "日本"])
        writer.add_array("a.numbers", [3, -1, 2**30])

    return write(
        tmp_path_factory.mktemp("gguf") / "formats.gguf",
        [fill],
        {kind: (weights(i), kind) for i, kind in enumerate(FORMAT_NAMES)},
    )


def test_metadata_are_read(file: Path) -> None:
    opened = GGUF(file)
    assert opened.version == 3 and opened.metadata["general.architecture"] == "llama"
    scalars = [opened.metadata[key] for key in ("a.u8", "a.i64", "a.f64", "a.bool")]
    assert scalars == [200, -(2**40), 0.1, True]
    assert opened.metadata["a.string"] == "naïve 日本" and opened.metadata["a.words"] == ["x", "", "日本"]
    assert opened.metadata["a.numbers"].tolist() == [3, -1, 2**30]
    assert opened.get("a.u8", int) == 200 and opened.get("absent", int, 7) == 7
    with pytest.raises(ConfigError, match=r"formats.gguf: metadata key absent is missing"):
        opened.get("absent", int)
    with pytest.raises(ConfigError, match=r"a.bool must be int, got 'True'"):
        opened.get("a.bool", int)


@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_every_format_equals_ggml_bit_for_bit(kind: str, file: Path) -> None:
    theirs = next(t for t in gguf.GGUFReader(file).tensors if t.name == kind)
    ours = GGUF(file).tensor(kind, (6, 4, 64))
    assert np.array_equal(
        ours.numpy(), gguf.quants.dequantize(theirs.data, theirs.tensor_type).reshape(6, 4, 64)
    )
    assert (
        ours.dtype == torch.float32
        and (ours - torch.from_numpy(weights(FORMAT_NAMES.index(kind)))).abs().max() < 0.4
    )


def test_random_blocks_equal_the_reference() -> None:
    """4000 random blocks per format, with arbitrary float16 scales; seed 0."""
    for code, known in FORMATS.items():
        raw = np.random.default_rng(0).integers(0, 256, (4000, known.size)).astype(np.uint8)
        with np.errstate(all="ignore"):
            theirs = gguf.quants.dequantize(raw, gguf.GGMLQuantizationType(code))
            assert np.array_equal(known.read(raw), theirs, equal_nan=True), known.name


def test_format_names_are_those_of_ggml() -> None:
    assert all(gguf.GGMLQuantizationType(code).name == name for code, name in NAMES.items())


def test_version_2_is_read_and_others_are_rejected(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    for version, message in ((2, None), (1, "version 1"), (4, "version 4"), (3 << 24, "big-endian")):
        path = tmp_path / f"{version}.gguf"
        path.write_bytes(content[:4] + struct.pack("<I", version) + content[8:])
        if message is None:
            assert torch.equal(GGUF(path).tensor("Q4_1", (6, 4, 64)), GGUF(file).tensor("Q4_1", (6, 4, 64)))
        else:
            with pytest.raises(ConfigError, match=message):
                GGUF(path)


def test_the_error_names_an_unsupported_format(tmp_path: Path) -> None:
    path = tmp_path / "k.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("blk.0.w", np.zeros((1, 144), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q4_K)
    for step in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        step()
    with pytest.raises(
        ConfigError,
        match=r"k.gguf: blk.0.w has the unsupported format Q4_K; .* BF16, F16, F32, Q4_0, Q4_1, Q8_0",
    ):
        GGUF(path)


def test_missing_files_and_tensors_are_reported(file: Path, tmp_path: Path) -> None:
    for name, content in (("empty.gguf", b""), ("other.gguf", b"PK\3\4")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=f"{name}: "):
            GGUF(tmp_path / name)
    with pytest.raises(ConfigError, match="does not exist"):
        GGUF(tmp_path / "nowhere.gguf")
    with pytest.raises(ConfigError, match="tensor x is missing"):
        GGUF(file).tensor("x", (1,))
    with pytest.raises(ConfigError, match=r"Q4_1 has shape \(6, 4, 64\), expected \(6, 256\)"):
        GGUF(file).tensor("Q4_1", (6, 256))


def test_non_finite_weights_are_rejected(file: Path, tmp_path: Path) -> None:
    info = GGUF(file).tensors["Q4_0"]
    content = bytearray(file.read_bytes())
    content[info.start : info.start + 2] = b"\x00\x7c"  # the first block's scale: infinity
    (tmp_path / "inf.gguf").write_bytes(content)
    with pytest.raises(ConfigError, match=r"inf.gguf: Q4_0 contains non-finite values"):
        GGUF(tmp_path / "inf.gguf").tensor("Q4_0", (6, 4, 64))


def big_endian_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_blocks, "_f16", lambda blocks: blocks.view(">f2").astype(np.float32))


def swapped_nibbles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_blocks, "_nibbles", lambda packed: np.concatenate([packed >> 4, packed & 15], 1))


@pytest.mark.parametrize("mutant", [big_endian_scale, swapped_nibbles])
def test_decoding_mutants_are_killed(mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError, match="Q4"):
        test_random_blocks_equal_the_reference()
