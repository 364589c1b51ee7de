r"""Mathematics as MathML, made when the site is built: browsers set it themselves, without a script and without the web.

`$...$` and `$$...$$` are found by the Markdown extension arithmatex, which knows what is code and what is not; here its output,
`\(...\)` and `\[...\]`, becomes MathML Core. A formula that cannot be read ends the build.
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
    """A formula. Errors: ValueError with the place where it cannot be read."""
    try:
        return LatexToMathML(fancy_error=False).convert_with_local_state(latex.strip(), displaystyle=block)
    except LatexError as error:
        raise ValueError(f"{latex.strip()}: {error}") from error


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """mkdocs: a page's HTML, its formulas made MathML."""
    try:
        return FORMULA.sub(_set, html)
    except ValueError as error:
        raise PluginError(f"{page.file.src_uri}: {error}") from error


def _set(found: re.Match[str]) -> str:
    block = found[2] == "["
    formula = mathml(unescape(found[3]), block)
    return f'<div class="formula">{formula}</div>' if block else formula
