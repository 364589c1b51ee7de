"""Near-duplicate texts are found after a few changes, and texts of the same kind are not."""

import random

from morphogen.data import load_data
from morphogen.data.documents import load_texts
from morphogen.data.near_duplicate_texts import near_duplicate_texts

WORDS = ("stone", "river", "house", "night", "green", "walked", "found", "under", "every", "morning", "light")


def document(seed: int, words: int = 120) -> str:
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) + str(draw.randrange(30)) for _ in range(words))


def changed(text: str, seed: int, every: int = 40) -> str:
    """Every 40th word is another one; in capitals, and with another layout."""
    words = text.split()
    words[seed % every :: every] = ["changed"] * len(words[seed % every :: every])
    return "\n  ".join(words).upper()


def shingles(text: str) -> set[str]:
    text = " ".join(text.split()).lower()
    return {text[i : i + 8] for i in range(len(text) - 7)}


def test_changed_documents_are_found():
    """300 of 300, at a similarity of about 0.85 that 8 tries of 4 miss once in 300."""
    texts = [document(seed) for seed in range(300)]
    group = near_duplicate_texts(texts + [changed(text, i) for i, text in enumerate(texts)])
    assert (group[:300] == group[300:]).mean() >= 0.99 and len(set(group)) <= 303


def test_pairs_are_near_duplicates_by_the_exact_similarity_only():
    texts = [document(0)] + [changed(document(0), i, every) for i, every in enumerate((60, 40, 20, 9, 5, 3))]
    group = near_duplicate_texts(texts)
    first = shingles(texts[0])
    for i, text in enumerate(texts):
        similar = len(first & shingles(text)) / len(first | shingles(text))
        assert (group[i] == group[0]) or similar < 0.9, similar
        assert (group[i] != group[0]) or similar >= 0.8, similar


def test_lines_of_a_template_and_short_texts_are_not():
    lines = [f"line {i}: the cat of {i * i % 97} sat on mat {i * 7 % 31}." for i in range(500)]
    records = [
        f"<record><id>{i}</id><unit>metres per second, at noon, in the shade</unit></record>"
        for i in range(500)
    ]
    names = ["Anna", "Anne", "Annie", "", "Bob", "bob"]
    for texts in (lines, records, names):
        assert len(set(near_duplicate_texts(texts))) == len(texts)


def test_no_texts():
    assert near_duplicate_texts([]).tolist() == []


def test_a_folder_of_texts_keeps_them_in_one_part_and_says_so(tmp_path):
    for i in range(30):
        (tmp_path / f"{i}.txt").write_text(document(i))
        if i < 8:
            (tmp_path / f"{i} again.txt").write_text(changed(document(i), i))
    data = load_data(str(tmp_path), length=32)
    assert (
        "16 of 38 files are near-duplicates of others (slightly changed): each group is in one part"
        in data.notes
    )
    documents = load_texts(tmp_path).documents
    for i in range(8):
        start = " ".join(document(i).split()[60:80])
        parts = [part for part, text in documents if start in " ".join(text.split()).lower()]
        assert len(parts) == 2 and len(set(parts)) == 1
