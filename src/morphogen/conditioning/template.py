r"""Prompt templates and few-shot prompts.

    >>> capitals = Template("Q: What is the capital of {country}?\nA: {city}")
    >>> capitals(country="France", city="Paris")
    'Q: What is the capital of France?\nA: Paris'
    >>> capitals.prompt(country="Spain")
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
    """A text with named fields.

    No paper: the syntax is Python's `{name}`, without conversions or format specifications; {{ is a literal
    brace.

    Arguments:
        text: the template.

    Raises:
        ConfigError: for unbalanced braces, or a field that is not a plain name.
    """

    def __init__(self, text: str):
        self.text = text
        try:
            self._pieces = [
                (literal, name)
                for literal, name, spec, conversion in Formatter().parse(text)
                if _is_plain(name, spec, conversion)
            ]
        except ValueError as error:
            raise ConfigError(
                f"template {text!r}: {error}; write fields as {{name}}, a literal brace as {{{{"
            ) from None

    @property
    def fields(self) -> list[str]:
        """The names of the fields, in the order of the text."""
        return list(dict.fromkeys(name for _, name in self._pieces if name is not None))

    def __call__(self, **values: str) -> str:
        """The text with all fields filled. Errors: ConfigError for a missing or unknown name."""
        return self._fill(values, self._pieces)

    def prompt(self, **values: str) -> str:
        """The prompt: the text up to the first field without a value, for a model to complete.

        Trailing white space is removed: tokenizers join a space to the word that follows it, so after a
        prompt that ends in a space the model would have to continue with a word without one.
        """
        until = next(
            (i for i, (_, name) in enumerate(self._pieces) if name is not None and name not in values), None
        )
        if until is None:
            raise ConfigError(
                f"template {self.text!r}: every field has a value; leave out the one to be completed"
            )
        later = {name for _, name in self._pieces[until:]} & values.keys()
        if later:
            names = ", ".join(sorted(map(str, later)))
            raise ConfigError(
                f"template {self.text!r}: {names} comes after the field to be completed; leave it out"
            )
        literal, _ = self._pieces[until]
        return (self._fill(values, self._pieces[:until]) + literal).rstrip()

    def _fill(self, values: Mapping[str, str], pieces: list[tuple[str, str | None]]) -> str:
        names = {name for _, name in pieces if name is not None}
        if names != values.keys():
            missing, unknown = sorted(names - values.keys()), sorted(values.keys() - names)
            raise ConfigError(
                f"template {self.text!r}: missing {missing}, unknown {unknown}; its fields are {self.fields}"
            )
        return "".join(literal + ("" if name is None else values[name]) for literal, name in pieces)


class KShot(Component):
    """A few-shot prompt: k completed examples, then the question (Brown et al. 2020).

    Arguments:
        template: of one question with its answer.
        examples: the field values of each example, including the answer.
        k: number of examples to show, taken from the first; 0: the question alone.
        separator: between examples.

    Raises:
        ConfigError: if there are fewer than k examples, or k is negative.
    """

    def __init__(
        self, template: Template, examples: tuple[Mapping[str, str], ...], k: int, separator: str = "\n\n"
    ):
        self.template, self.examples, self.k, self.separator = template, examples, k, separator
        if not 0 <= k <= len(examples):
            raise ConfigError(
                f"k={k} of {len(examples)} examples: give 0 to {len(examples)}, or more examples"
            )

    def __call__(self, **values: str) -> str:
        """The prompt: the examples, then the question up to its answer."""
        shots = [self.template(**example) for example in self.examples[: self.k]]
        return self.separator.join([*shots, self.template.prompt(**values)])


def _is_plain(name: str | None, spec: str | None, conversion: str | None) -> bool:
    """True for literal text and for a field with a plain name. Errors: ValueError for any other field."""
    if name is not None and (not name.isidentifier() or spec or conversion):
        field = f"{{{name}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}}"
        raise ValueError(f"{field} is not a plain name")
    return True
