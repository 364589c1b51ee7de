r"""Formulas as MathML, converted when the site is built; browsers render it without a script or the network.

The Markdown extension arithmatex finds `$...$` and `$$...$$`, except in code. This hook converts its output,
`\(...\)` and `\[...\]`, to MathML Core. A formula that cannot be parsed fails the build.
"""

__all__ = ["mathml", "on_page_content"]

import re
from functools import cache
from html import unescape
from typing import Any

from math_core import LatexError, LatexToMathML
from mkdocs.exceptions import PluginError

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S)


@cache
def mathml(latex: str, block: bool) -> str:
    """Convert a formula to MathML. Errors: ValueError with the position that cannot be parsed."""
    try:
        return LatexToMathML(fancy_error=False).convert_with_local_state(latex.strip(), displaystyle=block)
    except LatexError as error:
        raise ValueError(f"{latex.strip()}: {error}") from error


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Called by mkdocs: convert the formulas of a page."""
    try:
        return FORMULA.sub(_convert, html)
    except ValueError as error:
        raise PluginError(f"{page.file.src_uri}: {error}") from error


def _convert(match: re.Match[str]) -> str:
    block = match[2] == "["
    formula = mathml(unescape(match[3]), block)
    return f'<div class="formula">{formula}</div>' if block else formula
