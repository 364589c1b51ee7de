"""Bytes to text: marks, UTF-16 without one, legacy encodings, damaged UTF-8, line ends, binary files."""

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.data import DataError
from morphogen.data.encoding import decode, decode_utf8

SENTENCES = {
    "cp1252": "Le café était fermé; l'élève a rêvé d'une forêt, “près” de la mer — à 5 €.\n",
    "latin_1": "Die Größe der Häuser überrascht: schöne Straßen, grüne Gärten.\n",
    "cp1250": "Příliš žluťoučký kůň úpěl ďábelské ódy. Těšíme se na shledanou, přátelé.\n",
    "iso8859_2": "Zażółć gęślą jaźń. Łódź jest piękna, a ludzie są życzliwi i mówią głośno.\n",
    "cp1251": "Съешь же ещё этих мягких французских булок, да выпей чаю.\n",
    "koi8_r": "Съешь же ещё этих мягких французских булок, да выпей чаю.\n",
    "cp1253": "Η γρήγορη καφέ αλεπού πηδάει πάνω από τον τεμπέλη σκύλο.\n",
    "cp1254": "Pijamalı hasta yağız şoföre çabucak güvendi. İstanbul güzel bir şehirdir.\n",
    "cp1255": "דג סקרן שט בים מאוכזב ולפתע מצא חברה. שלום עולם, מה שלומך היום?\n",
    "cp1256": "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ومغلف بجلد أزرق\n",
    "shift_jis": "いろはにほへと、ちりぬるを。東京は日本の首都です。カタカナも使います。\n",
    "euc_jp": "いろはにほへと、ちりぬるを。東京は日本の首都です。カタカナも使います。\n",
    "gbk": "我们昨天去了北京,天气很好。他说:学习是一生的事情,不能停止。\n",
    "big5": "我們昨天去了臺北,天氣很好。他說:學習是一生的事情,不能停止。\n",
    "euc_kr": "안녕하세요. 오늘 날씨가 좋습니다. 우리는 서울에서 만났습니다.\n",
    "cp850": "Le café était fermé. Après la fête, l'élève a mangé une pêche.\n",
}
PLAIN = "The ordinary text goes on without any accents for a while, as texts do.\n"


@pytest.mark.parametrize("encoding", SENTENCES)
@pytest.mark.parametrize("plain", [0, 60])
def test_legacy_encodings_are_detected_also_between_plain_lines(encoding, plain):
    text = PLAIN * plain + SENTENCES[encoding] + PLAIN * plain
    decoded = decode("a.txt", text.encode(encoding))
    assert decoded.text == text
    assert "detected from its bytes" in decoded.notes[0] and "-t UTF-8 a.txt > a-utf8.txt" in decoded.notes[0]


WESTERN = [
    *(
        "Preis [€]",
        "gut, aber säuerlich;5 €",
        "Straße;Größe;Köln",
        "crème brûlée à 5 €, déjà",
        "L'été, l'hiver",
    ),
    *("¿Dónde está la estación? 3 €", "El niño pagó 5 €", "São Paulo, coração", "perché è così", "5 €", "£5"),
    *(
        "Smørrebrød 5 €",
        "blåbær på øya",
        "räksmörgås 10 €",
        "Þórður á Íslandi",
        "20 °C",
        "½ cup",
        "10 µm ± 2",
    ),
    *("it’s “good” — €5", "Zoë, Müller, café, naïve", "Ærø"),
]


@pytest.mark.parametrize("text", WESTERN)
@pytest.mark.parametrize("times", [1, 3, 40])
def test_few_western_letters_are_windows_1252(text, times):
    content = f"a;b\n{text}\n" * times
    assert decode("a.txt", content.encode("cp1252")).text == content


@pytest.mark.parametrize(
    "text", ["Größe der Häuser", "Le café était fermé", "El niño pagó", "räksmörgås", "Köln"]
)
def test_signs_inside_of_words_speak_for_dos(text):
    assert decode("a.txt", text.encode("cp850")).text == text


def test_the_remedy_can_be_pasted():
    note = decode("my data/häuser [1].csv", "Größe".encode("cp1252")).notes[0]
    assert note.endswith("iconv -f cp1250 -t UTF-8 'my data/häuser [1].csv' > 'my data/häuser [1]-utf8.csv'")


def test_an_encoding_by_the_user():
    assert decode("a.txt", "kočka".encode("cp1250"), "cp1250") == ("kočka", ())
    with pytest.raises(
        DataError, match=r"a.txt: byte 1 \(0xE9, line 1\) is not ascii; choose another encoding"
    ):
        decode("a.txt", b"a\xe9", "ascii")


@pytest.mark.parametrize("size", [16, 32])
@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("marked", [False, True])
def test_utf_16_and_32(size, order, marked):
    text = "Größe, 日本 and 🦋.\n" * 20
    content = ("\ufeff" * marked + text).encode(f"utf_{size}_{order}")
    decoded = decode("a.txt", content)
    reason = "by its byte order mark" if marked else "by its zero bytes"
    assert decoded == (text, (f"decoded as UTF-{size} {order.upper()}, {reason}",))


def test_half_a_unit_at_the_end_is_counted():
    text, notes = decode("a.txt", codecs.BOM_UTF16_LE + "hello".encode("utf_16_le")[:-1])
    assert text == "hell\ufffd" and notes[1] == "1 invalid units became U+FFFD"


def test_one_stray_byte_keeps_the_rest_and_is_named():
    content = "café\n".encode() * 5 + b"th\xe9 noir\n" + "thé\n".encode() * 5
    text, notes = decode("a.txt", content)
    assert text == "café\n" * 5 + "thé noir\n" + "thé\n" * 5
    assert notes == ("byte 32 (0xE9, line 6) is not valid UTF-8 and was read as Windows-1252",)


def test_stray_bytes_in_another_script_are_refused_by_place():
    with pytest.raises(DataError, match=r"a.txt: byte 14 \(0xE9, line 3\) is not valid UTF-8.* in an editor"):
        decode("a.txt", "日本\n".encode() * 2 + b"\xe9\n" + "日本\n".encode() * 2)


def test_a_text_cut_inside_of_a_character_loses_only_that():
    text, notes = decode("a.txt", "日本".encode()[:-1])
    assert text == "日" and notes == ("its last 2 bytes, which are a part of a character, were dropped",)


@pytest.mark.parametrize(
    ("content", "text", "notes"),
    [
        (b"a\r\nb\r\n", "a\nb\n", (r"line ends CRLF became \n",)),
        (b"a\rb\r", "a\nb\n", (r"line ends CR became \n",)),
        (b"\xef\xbb\xbfa\n", "a\n", ("byte order marks were removed",)),
        ("a\ufeffb".encode(), "ab", ("byte order marks were removed",)),
        (b"a\n", "a\n", ()),
    ],
)
def test_line_ends_and_marks(content, text, notes):
    assert decode("a.txt", content) == (text, notes)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (codecs.BOM_UTF8, "the file is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "looks like a picture; give a folder of pictures"),
        (b"%PDF-1.7\n", "looks like a PDF document; save its text as .txt"),
        (b"PK\3\4\0\0", "looks like a ZIP archive or an office document"),
        (b"a\0b" * 200, "has zero bytes"),
        (bytes(range(1, 32)) * 20, "control characters, so it is not text"),
    ],
)
def test_other_files_are_refused(content, why):
    with pytest.raises(DataError, match=why) as error:
        decode("a.txt", content)
    assert str(error.value).startswith("a.txt: ") and "\n" not in str(error.value)


def test_an_ordinary_word_is_no_binary_file():
    for word in ("RIFF", "ID3", "BZh", "GGUF", "OggS"):
        assert decode("a.txt", f"{word} is a word.\n".encode()).notes == ()


def test_pinned_data_sets_are_not_changed():
    assert decode_utf8("a", b"\xef\xbb\xbfa\r\nb\r") == "\ufeffa\r\nb\r"
    with pytest.raises(DataError, match=r"byte 1 \(0xE9, line 1\) is not valid UTF-8"):
        decode_utf8("a", b"a\xe9")


@given(
    st.text(alphabet=st.characters(codec="utf8", exclude_characters="\r\ufeff\0", exclude_categories=["Cc"]))
)
@settings(derandomize=True)
def test_utf_8_comes_back_unchanged(text):
    if text:
        assert decode("a.txt", text.encode()) == (text, ())


def test_arbitrary_bytes_are_text_or_one_line():
    read = []

    @given(st.binary(max_size=300))
    @settings(derandomize=True, max_examples=300, deadline=None)
    def check(content):
        try:
            text, notes = decode("a.txt", content)
        except DataError as error:
            assert "\n" not in str(error)
            read.append(False)
        else:
            assert text.encode().decode() == text and "\r" not in text
            assert all("\n" not in note for note in notes)
            read.append(True)

    check()
    assert 0.6 < sum(read) / len(read) < 0.95
