"""Decoding.

What people ask of a text model: a length, a stop string, a schema, an expression, a temperature.
"""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from morphogen.run import Run
from tests.cases import case
from tests.command_line import run

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["name", "tags"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of numbered sentences with a window of 48 bytes."""
    folder = tmp_path_factory.mktemp("text")
    text = folder / "t.txt"
    text.write_text(
        "\n".join(f"the cat of {i} sat on mat {i * i % 31}." for i in range(600)), encoding="utf8"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ("--size", "tiny", "--length", "48", "--steps", "12")
        assert run(patch, "train", "gpt", "--data", "t.txt", *words) == 0
    return Run.latest(folder / "runs").directory


@pytest.fixture
def sample(trained, tmp_path, monkeypatch, capsys):
    """Run `morphogen sample` with these words: exit code, texts and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, list[str], str]:
        capsys.readouterr()
        code = run(monkeypatch, "sample", str(trained), "--n", "3", "--out", "out", *words)
        texts = [path.read_text(encoding="utf8") for path in sorted(Path("out").glob("*.txt"))]
        return code, texts, capsys.readouterr().err

    return call


@case(
    '`sample --prompt "the cat" --max-new 200`, window 48',
    "200 tokens; said once: beyond the window, the newest are seen",
    source="litgpt#43",
)
def test_more_tokens_than_the_window(sample) -> None:
    code, texts, error = sample("--prompt", "the cat", "--max-new", "200")
    assert code == 0 and error.count("\n") == 1 and "exceed the model's window of 48" in error
    run_of_bytes = [len(text.encode("utf8", "replace")) for text in texts]
    assert len(texts) == 3 and min(run_of_bytes) >= 200


@case("a prompt that fills the window", "one line: shorten it, or add `--max-new`")
def test_a_prompt_that_fills_the_window(sample) -> None:
    code, texts, error = sample("--prompt", "the cat of 7 " * 5)
    assert code == 2 and not texts and error.count("\n") == 1 and "--max-new" in error


@case("a prompt longer than the window, with `--max-new 20`", "continued; the newest tokens are seen")
def test_a_prompt_beyond_the_window(sample) -> None:
    prompt = "the cat of 7 " * 5
    code, texts, _ = sample("--prompt", prompt, "--max-new", "20")
    assert code == 0 and all(text.startswith(prompt) and len(text) > len(prompt) for text in texts)


@case("`--beam 2 --max-new 80`, window 48", "beams continue beyond the window too")
def test_beams_beyond_the_window(sample) -> None:
    code, texts, _ = sample("--prompt", "the", "--beam", "2", "--max-new", "80")
    assert code == 0 and len(texts[0].encode("utf8", "replace")) >= 83


@case("a prompt and tokens that fit into the window", "as before, and nothing is said")
def test_what_fits_is_silent(sample) -> None:
    code, texts, error = sample("--prompt", "the cat", "--max-new", "20")
    assert code == 0 and error == "" and len(texts) == 3


@case("`--stop a`", "the text before the first a that is generated", source="fauxpilot#85")
def test_a_stop_string(sample) -> None:
    code, texts, _ = sample("--prompt", "the cat", "--stop", "a")
    _, unstopped, _ = sample("--prompt", "the cat")
    assert code == 0
    assert texts == ["the cat" + text[7:].partition("a")[0] for text in unstopped]


@case(r"`--stop '\n'`", "a line end", source="llama.cpp#1362")
def test_a_stop_string_with_an_escape(sample) -> None:
    _, unstopped, _ = sample("--prompt", "the cat", "--max-new", "120")
    code, texts, _ = sample("--prompt", "the cat", "--max-new", "120", "--stop", r"\n")
    assert code == 0 and texts == [text.partition("\n")[0] for text in unstopped]


@case(r"`--stop '\\n'`", "a backslash and an n")
def test_an_escaped_backslash(sample) -> None:
    _, unstopped, _ = sample("--max-new", "120")
    code, texts, _ = sample("--max-new", "120", "--stop", r"\\n")
    assert code == 0 and texts == [text.partition(r"\n")[0] for text in unstopped]


@case("`--json-schema` {name: string, tags: [string]}", "valid JSON within the window", source="vllm#8350")
def test_json_closes_in_time(sample) -> None:
    Path("schema.json").write_text(json.dumps(SCHEMA), encoding="utf8")
    for most in ("21", "24", "40"):
        code, texts, error = sample("--json-schema", "schema.json", "--max-new", most)
        assert code == 0, error
        for text in texts:
            jsonschema.validate(json.loads(text), SCHEMA)


@case("a schema whose shortest text exceeds `--max-new`", "one line with the length that it needs")
def test_a_budget_that_holds_no_text(sample) -> None:
    Path("schema.json").write_text(json.dumps(SCHEMA), encoding="utf8")
    code, texts, error = sample("--json-schema", "schema.json", "--max-new", "20")
    assert code == 2 and not texts and "has 21 tokens" in error and error.count("\n") == 1


@case(r"`--regex '\d{4}'`", "four ASCII digits", source="regex#62")
def test_digits_are_ascii(sample) -> None:
    code, texts, _ = sample("--regex", r"\d{4}")
    assert code == 0 and all(re.fullmatch("[0-9]{4}", text) for text in texts)


@case(
    "`oneOf` with branches that overlap",
    "one line: write anyOf, or tell the branches apart",
    source="livekit/agents#5324",
)
def test_one_of_that_overlaps(sample) -> None:
    overlapping = {"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 3}]}
    Path("schema.json").write_text(json.dumps(overlapping), encoding="utf8")
    code, _, error = sample("--json-schema", "schema.json")
    assert code == 2 and "write anyOf" in error and "coerce" not in error and error.count("\n") == 1


@case("`oneOf` with branches that exclude each other", "either of them")
def test_one_of_that_excludes(sample) -> None:
    schema = {"oneOf": [{"type": "integer"}, {"enum": ["red", "blue"]}]}
    Path("schema.json").write_text(json.dumps(schema), encoding="utf8")
    code, texts, error = sample("--json-schema", "schema.json", "--max-new", "9")
    assert code == 0, error
    for text in texts:
        jsonschema.validate(json.loads(text), schema)


@case("a schema with `format: color`", "ignored with a note, as the standard says")
def test_an_unknown_format(sample) -> None:
    Path("schema.json").write_text('{"type": "string", "format": "color"}', encoding="utf8")
    code, texts, error = sample("--json-schema", "schema.json", "--max-new", "9")
    assert (
        code == 0
        and "format 'color' is unknown" in error
        and all(isinstance(json.loads(t), str) for t in texts)
    )


@case("`--temperature 1e-40`", "greedy, as 0")
def test_a_tiny_temperature(sample) -> None:
    code, texts, error = sample("--temperature", "1e-40")
    assert code == 0, error
    assert texts == sample("--temperature", "0")[1]
