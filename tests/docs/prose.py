"""Checks of the pages: links, commands and figures. `python tests/docs/prose.py` updates the figures.

A figure follows a marker that names its record, and links to the record:

    <!-- figure: digits figures.ddpm.frechet .2f -->[3.47](../src/morphogen/recipes/results/digits.json)

The path leads through the JSON; names are written as one word, `webp-lossless` for "WebP lossless". The
format is Python's, or `bits`: bits/dim with the sign of the likelihood's kind. Without a record the figure is
"not yet".
"""

__all__ = ["bad_commands", "dead_links", "fill", "loose_figures", "pages"]

import json
import os
import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "src" / "morphogen" / "recipes" / "results"
SYSTEMS = ROOT / "src" / "morphogen" / "systems"
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
MARK = re.compile(r"<!-- figure: (\S+) (\S+) (\S+) -->(\[[^\]]*\]\([^)]*\)|not yet)")
MEASURED = re.compile(
    r"\d+\.\d+|\d[\d,]* ?(?:%|bits|nats|seconds?|minutes?|samples|pictures a second|parameters)"
)
SIGN = {"exact": "=", "lower_bound": "≤", "estimate": "≈"}


def pages() -> list[Path]:
    """All Markdown pages of the repository."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def dead_links(text: str, page: Path) -> list[str]:
    """Relative links to missing files or headings, or named `Name` if the Python file has no such name."""
    found = []
    for name, target in LINK.findall(_without_code_blocks(text)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = page if not path else page.parent / path
        if not file.exists():
            found.append(f"{target}: no such file")
        elif anchor and (
            file.suffix != ".md"
            or anchor not in _anchors(text if file == page else file.read_text(encoding="utf8"))
        ):
            found.append(f"{target}: no such heading")
        elif missing := _missing(name, file):
            found.append(f"{target}: has no {missing}")
    return found


def bad_commands(text: str) -> list[str]:
    """Commands, in blocks or inline, whose arguments are invalid."""
    return [f"{line}: {fault}" for line in _commands(text) if (fault := _fault(line))]


def fill(text: str, page: Path, results: Path = RESULTS) -> str:
    """The text with all figures as in their records. Errors: ValueError for malformed markers and paths."""
    if re.search(r"^\s*<!-- figure:", text, re.M):
        raise ValueError(
            f"{page}: a line must not begin with a figure's marker, which would be HTML; begin it with a word"
        )
    if text.count("<!-- figure:") != len(MARK.findall(text)):
        raise ValueError(
            f"{page}: a figure's marker must be <!-- figure: RECORD PATH FORMAT -->not yet, or -->[...](...)"
        )
    return MARK.sub(lambda mark: _figure(mark, page, results), text)


def loose_figures(text: str) -> list[str]:
    """Numbers that look measured but have no marker; code and formulas are ignored."""
    prose = LINK.sub("", MARK.sub("", _without_code_blocks(text)))
    prose = re.sub(r"`[^`\n]*`|\$\$[^$]+\$\$|\$[^$\n]+\$|^ {4}.*$|^Code: .*$", "", prose, flags=re.M)
    return MEASURED.findall(prose)


def _missing(name: str, file: Path) -> str | None:
    """The name in backticks that a link gives for a Python file, if the file does not contain it."""
    if file.suffix != ".py" or name == f"`{file.name}`":
        return None
    match = re.fullmatch(r"`(?:\w+\.)*(\w+)(?:\(.*\))?`", name)
    if match is None or re.search(rf"\b{match[1]}\b", file.read_text(encoding="utf8")):
        return None
    return match[1]


def _figure(mark: re.Match[str], page: Path, results: Path) -> str:
    """A marker and its figure, as a link."""
    record, path, form, _ = mark.groups()
    file = results / f"{record}.json"
    shown = "not yet"
    if file.exists():
        node = json.loads(file.read_text(encoding="utf8"))
        for step in path.split("."):
            node = _step(node, step, f"{page}: {record} has no {path}")
        shown = f"[{_formatted(node, form)}]({os.path.relpath(file, page.parent)})"
    return f"<!-- figure: {record} {path} {form} -->{shown}"


def _step(node: Any, step: str, error: str) -> Any:
    items = node.items() if isinstance(node, dict) else ()
    known = {re.sub(r"[^\w]+", "-", name.lower()): value for name, value in items}
    if step not in known:
        raise ValueError(f"{error} ({step})")
    return known[step]


def _formatted(node: Any, form: str) -> str:
    if form == "bits":
        return f"{SIGN.get(node['kind'], '')} {node['bits_per_dim']:.2f}".strip()
    if isinstance(node, dict) and "value" not in node:
        raise ValueError(f"{list(node)} is not a figure; extend the path, or use the format bits")
    value = node["value"] if isinstance(node, dict) else node
    return format(value, form).replace("%", " %")


def _without_code_blocks(text: str) -> str:
    """The text without code blocks; inline code is kept as the name of a link, unless it contains a link."""
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M)
    return re.sub(r"`[^`\n]+`", lambda span: "" if "](" in span[0] else span[0], text)


def _anchors(text: str) -> set[str]:
    """Anchors of the headings, by GitHub's rule."""
    headings = re.findall(r"^#+ +(.+?) *$", re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _commands(text: str) -> list[str]:
    """Commands in shell blocks, indented blocks and inline code, without comments and redirections."""
    shell = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.S | re.M)
    rest = re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M)
    indented = re.findall(r"^(?: {4}|\t)(.*)$", rest, re.M)
    lines = [line for block in shell for line in block.splitlines()]
    lines += indented + re.findall(r"`([^`\n]+)`", rest)
    lines = [line.strip().removeprefix("$ ").removeprefix(".venv/bin/") for line in lines]
    bare = [re.split(r"\s#|\s{3,}|\s\\?[|>]\s", line)[0].strip() for line in lines]
    bare = [re.sub(r"^accelerate launch .*? -m (?=morphogen )", "", line) for line in bare]
    return [
        line for line in bare if re.match(r"(morphogen|make|python) \S", line) and "=" not in line.split()[1]
    ]


def _fault(line: str) -> str | None:
    """Why a command is invalid; None: it is valid."""
    program, *words = shlex.split(line)
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.M)
        unknown = (word for word in words if "=" not in word and word not in targets)
        return next((f"make has no target {word}" for word in unknown), None)
    if program == "python":
        if words[0] == "-m" and not find_spec(words[1]):
            return f"no module {words[1]}"
        files = [word for word in words if re.search(r"/|\.py$", word) and "NAME" not in word]
        return next((f"no file {file}" for file in files if not (ROOT / file).exists()), None)
    return _cli_fault(words)


def _cli_fault(words: list[str]) -> str | None:
    import typer

    from morphogen.cli import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    command, *rest = words
    if command in ("--help", "--version"):
        return None
    if command not in commands:
        return f"no command {command}; there are {', '.join(commands)}"
    try:
        options = commands[command].make_context(command, list(rest)).params
    except Exception as error:  # typer's errors for invalid arguments
        return None if type(error).__name__ == "Exit" else str(error)
    system = options.get("system") if command == "train" else None
    names = [name for name in str(options.get("systems") or system or "").split(",") if name.islower()]
    return next((f"no system {name}" for name in names if not (SYSTEMS / f"{name}.py").exists()), None)


if __name__ == "__main__":
    for path in pages():
        path.write_text(fill(path.read_text(encoding="utf8"), path), encoding="utf8")
