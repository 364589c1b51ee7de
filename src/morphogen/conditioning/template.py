r"""Prompts as objects: a text with gaps, and the same after a few that are filled.

    >>> capitals = Template("Q: What is the capital of {country}?\nA: {city}")
    >>> capitals(country="France", city="Paris")
    'Q: What is the capital of France?\nA: Paris'
    >>> capitals.opening(country="Spain")
    'Q: What is the capital of Spain?\nA:'
    >>> print(KShot(capitals, ({"country": "France", "city": "Paris"},), k=1)(country="Spain"))
    Q: What is the capital of France?
    A: Paris
    <BLANKLINE>
    Q: What is the capital of Spain?
    A:

Reference: Language models are few-shot learners, Brown et al., 2020 (section 2 and appendix G).
"""

__all__ = ["KShot", "Template"]

from collections.abc import Mapping
from string import Formatter

from morphogen.component import Component, ConfigError


class Template(Component):
    """A text with named gaps. No paper: Python's own `{name}`, and nothing else of its format language; {{ is a brace.

    Arguments:
        text: the text.

    Raises ConfigError for braces that do not close, a gap without a name, or with more than a name.
    """

    def __init__(self, text: str):
        self.text = text
        try:
            self._pieces = [(before, name) for before, name, form, conversion in Formatter().parse(text) if _plain(name, form, conversion)]
        except ValueError as error:
            raise ConfigError(f"template {text!r}: {error}; write gaps as {{name}}, a brace as {{{{") from None

    @property
    def gaps(self) -> list[str]:
        """The names of the gaps, in the order of the text."""
        return list(dict.fromkeys(name for _, name in self._pieces if name is not None))

    def __call__(self, **values: str) -> str:
        """The text with all gaps filled. Errors: ConfigError for a missing or an unknown name."""
        return self._fill(values, self._pieces)

    def opening(self, **values: str) -> str:
        """The text up to the first gap that is not filled, for a model to go on from: without the white space in front of it.

        A tokenizer writes a word with its space, so that a prompt which ends in one asks for a word that has none.
        """
        until = next((i for i, (_, name) in enumerate(self._pieces) if name is not None and name not in values), None)
        if until is None:
            raise ConfigError(f"template {self.text!r}: every gap is filled; leave out the one to be answered")
        later = {name for _, name in self._pieces[until:]} & values.keys()
        if later:
            raise ConfigError(f"template {self.text!r}: {', '.join(sorted(map(str, later)))} stands behind the gap to be answered")
        before, _ = self._pieces[until]
        return (self._fill(values, self._pieces[:until]) + before).rstrip()

    def _fill(self, values: Mapping[str, str], pieces: list[tuple[str, str | None]]) -> str:
        names = {name for _, name in pieces if name is not None}
        if names != values.keys():
            missing, unknown = sorted(names - values.keys()), sorted(values.keys() - names)
            raise ConfigError(f"template {self.text!r}: missing {missing}, unknown {unknown}; its gaps are {self.gaps}")
        return "".join(before + ("" if name is None else values[name]) for before, name in pieces)


class KShot(Component):
    """A question behind k that are answered (Brown et al. 2020).

    Arguments:
        template: of one question with its answer.
        examples: the values of each, answer included.
        k: how many of them, the first ones, are shown; 0: the question alone.
        separator: between them.

    Raises ConfigError for fewer examples than k.
    """

    def __init__(self, template: Template, examples: tuple[Mapping[str, str], ...], k: int, separator: str = "\n\n"):
        self.template, self.examples, self.k, self.separator = template, examples, k, separator
        if not 0 <= k <= len(examples):
            raise ConfigError(f"k={k} of {len(examples)} examples: give 0 to {len(examples)}, or more examples")

    def __call__(self, **values: str) -> str:
        """The prompt: the examples, then the question up to its answer."""
        shots = [self.template(**example) for example in self.examples[: self.k]]
        return self.separator.join([*shots, self.template.opening(**values)])


def _plain(name: str | None, form: str | None, conversion: str | None) -> bool:
    """Only a name stands between the braces. Errors: ValueError."""
    if name is not None and (not name.isidentifier() or form or conversion):
        raise ValueError(f"{{{name}{'!' + conversion if conversion else ''}{':' + form if form else ''}}} is no name")
    return True
