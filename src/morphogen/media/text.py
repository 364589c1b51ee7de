"""Text: int64 [B, T] token ids, shown and saved as UTF-8; bits are per byte (or character), not per token."""

__all__ = ["TEXT", "TextMedium"]

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from morphogen.component import ConfigError, to_config
from morphogen.files import naming
from morphogen.lazy import lazy
from morphogen.media import Medium, ReadingOptions

PROSE = (".txt", ".md", ".rst", ".tex", ".html")
CODE = (".py", ".pyi", ".c", ".h", ".cpp", ".rs", ".go", ".js", ".ts", ".java", ".css", ".sh")
JSON_LINES = (".jsonl", ".ndjson")
JSON = ".json"
JSON_SUFFIXES = (*JSON_LINES, JSON)
DELIMITED = (".tsv", ".csv")  # pairs of texts, if its columns are; else a table
RECORDS = (*DELIMITED, *JSON_SUFFIXES)  # texts or rows, by their content
SAMPLE = 200  # files by which a folder is recognised


class TextMedium(Medium):
    """Text: strings, from text files or folders of them; running text in windows, or pairs of texts."""

    name = "text"
    unit = element = "byte"
    suffix = "txt"
    files_of_many = JSON_LINES
    shown = 2
    suffixes = PROSE + CODE + JSON_LINES
    features = lazy("evaluation.features.text_features")
    corruptions = lazy("evaluation.corruptions.text_corruptions")
    statistics = lazy("evaluation.ngrams.text_statistics")
    holds = lazy("data.text_lists.holds_texts")
    collect = lazy("data.text_lists.collect_texts")
    codecs = lazy("evaluation.codecs.text_codecs")
    read_file = lazy("data.documents.load_text")
    read_folder = lazy("data.documents.load_texts")
    holds_texts = lazy("data.recognition.holds_texts")
    is_text_file = lazy("data.recognition.is_text_file")
    few = 100_000
    goals: ClassVar = {
        "quality": ("gpt", "rnn_lm"),
        "likelihood": ("gpt", "rnn_lm"),
        "speed": ("ngram", "rnn_lm"),
        "few": ("ngram", "gpt"),
    }
    representatives = ("ngram", "rnn_lm", "gpt", "llama")

    def save(self, path: Path, samples: Sequence[Any], records: Sequence[Mapping[str, Any]]) -> None:
        path.write_text(samples[0], encoding="utf8")

    def write_file(self, path: Path, samples: Any) -> None:
        """One text, or a line {"text": ...} of JSON for each."""
        texts = samples.decode()
        if path.suffix.lower() in JSON_LINES:
            texts = ["".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)]
        with naming(path):
            self.save(path, texts, [])

    def preview(self, sample: str) -> str:
        return sample

    def confidence(self, path: Path) -> float:
        """A file of another suffix is taken for text; in a folder it counts half of one that is known."""
        if path.is_file():
            return 1.0 if self.holds_texts(path) else 0.5
        files = self.visible_files(path)
        sample = [file for file in files[:: 1 + len(files) // SAMPLE] if self.is_text_file(file)]
        known = sum(file.suffix.lower() in (*self.suffixes, *RECORDS) for file in sample)
        return 0.5 * (known + len(sample)) / max(1, len(files[:: 1 + len(files) // SAMPLE]))

    def read(self, path: Path, options: ReadingOptions) -> Any:
        return (self.read_folder if path.is_dir() else self.read_file)(path, options.length)

    def reading(self, representation: Any) -> Mapping[str, Any]:
        return {"tokenizer": representation, "length": representation.length}

    def describe(self, data: Any) -> tuple[str, str, int]:
        representation, parts = data.representation, (data.train, data.valid, data.test)
        if _is_pairs(data):
            shape = f"pairs of texts, at most {representation.length} tokens each"
            size = sum(int(representation.count(part.first().medium).sum()) for part in parts)
            return shape, f"{representation.vocabulary} tokens", size
        unit = f"{representation.unit}s"
        different = int((data.train.text.unique() >= 0).sum())
        # training windows overlap, and start at every token; others do not
        size = len(data.train) + sum(len(part) * part.length for part in parts[1:])
        return f"windows of {data.train.length} {unit}", f"{different} different {unit}", size

    def conditions(self, data: Any) -> Iterable[str]:
        if _is_pairs(data):
            return ("a source text, to be translated",)
        return ("a prompt: the beginning of the text",)

    def amount(self, data: Any) -> tuple[int, str]:
        return super().amount(data) if _is_pairs(data) else (len(data.train), "bytes of text")

    def units_per_sample(self, representation: Any, samples: Any) -> float:
        return representation.count(samples).double().mean().item()

    def check_comparable(self, model: Any, data: Any) -> None:
        """Errors: ConfigError for a model whose tokenizer is not that of the data."""
        if to_config(model) != to_config(data):
            raise ConfigError(
                f"the model's tokenizer is {model!r}, that of the data {data!r}; "
                "load the data with the model's tokenizer"
            )


TEXT = TextMedium()


def _is_pairs(data: Any) -> bool:
    """Whether the examples have source texts."""
    return hasattr(data.train, "sources")
