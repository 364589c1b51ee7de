"""What our pages promise, read off the text: links, commands, figures. `python tests/docs/prose.py` writes the figures anew.

A figure stands behind a marker that says where it is measured, and is a link to its record:

    <!-- figure: digits-ddpm figures.read_as_asked_at_guidance_3 .0% -->[100 %](../src/morphogen/recipes/results/digits-ddpm.json)

The path steps through the JSON; a system's name is written as one word, `webp-lossless` for "WebP lossless". The form is Python's, or
`bits`: bits/dim with the kind of the likelihood. A record that is not there reads "not yet".
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
MEASURED = re.compile(r"\d+\.\d+|\d[\d,]* ?(?:%|bits|nats|seconds?|minutes?|samples|pictures a second|parameters)")
SIGN = {"exact": "=", "lower_bound": "≤", "estimate": "≈"}


def pages() -> list[Path]:
    """Every page of ours."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def dead_links(text: str, page: Path) -> list[str]:
    """Relative links to files or headings that are not there, and links named `Thing` to a Python file that has no such thing."""
    found = []
    for name, target in LINK.findall(_without_code(text)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = page if not path else page.parent / path
        if not file.exists():
            found.append(f"{target}: no such file")
        elif anchor and (file.suffix != ".md" or anchor not in _anchors(text if file == page else file.read_text(encoding="utf8"))):
            found.append(f"{target}: no such heading")
        elif thing := _missing(name, file):
            found.append(f"{target}: has no {thing}")
    return found


def bad_commands(text: str) -> list[str]:
    """Commands, in blocks or in the line, that would end in an error before they begin."""
    return [f"{line}: {why}" for line in _commands(text) if (why := _fault(line))]


def fill(text: str, page: Path, results: Path = RESULTS) -> str:
    """The text with every figure as its record has it. Errors: ValueError for a marker that cannot be read or points nowhere."""
    if re.search(r"^\s*<!-- figure:", text, re.M):
        raise ValueError(f"{page}: a line that begins with a figure's marker is shown as HTML; let a word stand before it")
    if text.count("<!-- figure:") != len(MARK.findall(text)):
        raise ValueError(f"{page}: a figure's marker is not <!-- figure: RECORD PATH FORM -->not yet, or -->[...](...)")
    return MARK.sub(lambda mark: _figure(mark, page, results), text)


def loose_figures(text: str) -> list[str]:
    """Numbers that look measured and stand in the prose by themselves: neither in code, nor in a formula, nor behind a marker."""
    prose = LINK.sub("", MARK.sub("", _without_code(text)))
    prose = re.sub(r"`[^`\n]*`|\$\$[^$]+\$\$|\$[^$\n]+\$|^ {4}.*$|^Code: .*$", "", prose, flags=re.M)
    return MEASURED.findall(prose)


def _missing(name: str, file: Path) -> str | None:
    """The `Thing` that a link to a Python file is named by, if the file never says it."""
    thing = re.fullmatch(r"`(?:\w+\.)*(\w+)(?:\(.*\))?`", name) if file.suffix == ".py" and name != f"`{file.name}`" else None
    return thing[1] if thing and not re.search(rf"\b{thing[1]}\b", file.read_text(encoding="utf8")) else None


def _figure(mark: re.Match[str], page: Path, results: Path) -> str:
    record, path, form, _ = mark.groups()
    file = results / f"{record}.json"
    shown = "not yet"
    if file.exists():
        node = json.loads(file.read_text(encoding="utf8"))
        for step in path.split("."):
            node = _step(node, step, f"{page}: {record} has no {path}")
        shown = f"[{_written(node, form)}]({os.path.relpath(file, page.parent)})"
    return f"<!-- figure: {record} {path} {form} -->{shown}"


def _step(node: Any, step: str, error: str) -> Any:
    known = {re.sub(r"[^\w]+", "-", name.lower()): value for name, value in node.items()} if isinstance(node, dict) else {}
    if step not in known:
        raise ValueError(f"{error} ({step})")
    return known[step]


def _written(node: Any, form: str) -> str:
    if form == "bits":
        return f"{SIGN.get(node['kind'], '')} {node['bits_per_dim']:.2f}".strip()
    if isinstance(node, dict) and "value" not in node:
        raise ValueError(f"{list(node)} is no figure; name one of them, or the form bits")
    value = node["value"] if isinstance(node, dict) else node
    return format(value, form).replace("%", " %")


def _without_code(text: str) -> str:
    """The text without blocks of code; code in the line stays, since links are named by it, unless it looks like a link."""
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M)
    return re.sub(r"`[^`\n]+`", lambda span: "" if "](" in span[0] else span[0], text)


def _anchors(text: str) -> set[str]:
    """What a heading is called in a link, by GitHub's rule."""
    headings = re.findall(r"^#+ +(.+?) *$", re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _commands(text: str) -> list[str]:
    shell = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.S | re.M)
    rest = re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M)
    indented = re.findall(r"^(?: {4}|\t)(.*)$", rest, re.M)
    lines = [line for block in shell for line in block.splitlines()] + indented + re.findall(r"`([^`\n]+)`", rest)
    bare = [re.split(r"\s#|\s{3,}|\s[|>]\s", line.strip().removeprefix("$ ").removeprefix(".venv/bin/"))[0].strip() for line in lines]
    bare = [re.sub(r"^accelerate launch .*? -m (?=morphogen )", "", line) for line in bare]
    return [line for line in bare if re.match(r"(morphogen|make|python) \S", line) and "=" not in line.split()[1]]


def _fault(line: str) -> str | None:
    """Why a command cannot run; None: it can."""
    program, *words = shlex.split(line)
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.M)
        return next((f"make has no target {word}" for word in words if "=" not in word and word not in targets), None)
    if program == "python":
        if words[0] == "-m" and not find_spec(words[1]):
            return f"no module {words[1]}"
        files = [word for word in words if re.search(r"/|\.py$", word) and "NAME" not in word]
        return next((f"no file {file}" for file in files if not (ROOT / file).exists()), None)
    return _verb_fault(words)


def _verb_fault(words: list[str]) -> str | None:
    import typer

    from morphogen.cli import app

    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    verb, *rest = words
    if verb == "--help":
        return None
    if verb not in verbs:
        return f"no verb {verb}; there are {', '.join(verbs)}"
    try:
        given = verbs[verb].make_context(verb, list(rest)).params
    except Exception as error:  # whatever typer says of words it cannot read
        return None if type(error).__name__ == "Exit" else str(error)
    named = str(given.get("systems") or (given.get("system") if verb == "train" else None) or "").split(",")
    return next((f"no system {name}" for name in named if name.islower() and not (SYSTEMS / f"{name}.py").exists()), None)


if __name__ == "__main__":
    for path in pages():
        path.write_text(fill(path.read_text(encoding="utf8"), path), encoding="utf8")
