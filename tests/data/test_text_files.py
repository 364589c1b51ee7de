"""Text files: blocks and windows, disjoint parts, and errors for files that are not text."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morphogen.data import DataError, load_data
from morphogen.data.text import cut


def write(path, lines=400):
    generator = torch.Generator().manual_seed(0)
    words = ["sun", "moon", "Größe", "river", "stone", "日本", "light", "green"]
    text = "\n".join(
        " ".join(words[i] for i in torch.randint(8, (9,), generator=generator)) for _ in range(lines)
    )
    path.write_text(text, encoding="utf8")
    return text.encode()


@given(st.text(min_size=1, max_size=400), st.integers(4, 60))
def test_blocks_tile_the_text_and_divide_no_character(text, size):
    content = text.encode()
    blocks = cut(content, size)
    assert b"".join(content[a:b] for a, b in blocks) == content
    assert all(b - a >= size for a, b in blocks[:-1]) and (
        len(blocks) == 1 or blocks[-1][1] - blocks[-1][0] >= size
    )
    for start, end in blocks:
        content[start:end].decode("utf8")


def test_parts_share_no_byte_and_windows_do_not_cross_parts(tmp_path):
    content = write(tmp_path / "poem.txt")
    data = load_data(str(tmp_path / "poem.txt"), length=32)
    covered = []
    for part in (data.train, data.valid, data.test):
        positions = part.starts[:, None] + torch.arange(32)
        covered.append(set(positions.flatten().tolist()))
        batch = part[torch.arange(len(part))]
        assert batch.condition == {} and batch.medium.dtype == torch.int64
        assert bytes(batch.medium[0].tolist()) == content[part.starts[0] : part.starts[0] + 32]
    assert not (covered[0] & covered[1] or covered[0] & covered[2] or covered[1] & covered[2])
    assert len(set().union(*covered)) > 0.9 * len(content)
    assert len(data.test.starts) * 32 == len(covered[2])  # test windows do not overlap
    assert len(covered[0]) / len(content) == pytest.approx(0.75, abs=0.15)
    assert data.representation.length == 32 and data.medium == "text"


def test_the_first_windows_are_spread_over_the_text(tmp_path):
    content = write(tmp_path / "poem.txt")
    starts = load_data(str(tmp_path / "poem.txt")).train.starts
    assert sorted(starts.tolist()) == starts.unique().tolist()
    for quarter in range(4):
        inside = (starts[:100] >= quarter * len(content) / 4) & (
            starts[:100] < (quarter + 1) * len(content) / 4
        )
        assert 10 <= inside.sum() <= 40


def test_a_text_of_one_line(tmp_path):
    (tmp_path / "line.txt").write_text("".join(chr(97 + i * i % 26) + str(i) for i in range(3000)))
    data = load_data(str(tmp_path / "line.txt"))
    assert min(map(len, (data.train, data.valid, data.test))) > 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"short", "too few"),
        (b"a\0b" * 200, "zero bytes"),
        (b"\1\2\3" * 100, "control characters"),
        (b"abc\n" * 4096, "repeats"),
    ],
)
def test_a_file_that_is_not_text_raises_one_line(tmp_path, content, reason):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as error:
        load_data(str(path))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


LINE = st.text(st.characters(codec="utf8", exclude_categories=["C", "Z"]), min_size=5, max_size=40)
SENTENCES = st.lists(LINE, min_size=20, max_size=60).map("\n".join).map(str.encode)


def test_arbitrary_files_load_or_raise_a_data_error(tmp_path):
    path, read = tmp_path / "arbitrary.txt", []

    @settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=2000) | SENTENCES, st.integers(0, 80))
    def check(content, length):
        path.write_bytes(content)
        try:
            data = load_data(str(path), length=length)
        except DataError:
            read.append(False)
            return
        read.append(True)
        assert all(part.first().medium.shape[1] == length for part in (data.train, data.valid, data.test))

    check()
    assert 0.4 < sum(read) / len(read) < 0.9
