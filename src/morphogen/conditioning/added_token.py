"""A tokenizer with a new token, such as `<my-object>`, that stands for an object in prompts.

    "a photo of <my-object>" -> ids("a photo of"), first, .., first + count - 1

Reference: An image is worth one word, Gal et al., 2022 (the pseudo-word S*).
"""

__all__ = ["AddedToken"]

from typing import Any

from morphogen.component import Component, ConfigError


class AddedToken(Component):
    """A tokenizer that reads one more token, as one or several new ids (Gal et al. 2022).

    White space around the token is dropped, since tokenizers join it to the words.

    Arguments:
        tokenizer: a part with `ids(text)`.
        token: the new token, as it is written in prompts.
        first: its first id, the number of ids before.
        count: number of its ids.

    Errors: ConfigError for a token that is empty or has white space, and for one that is there already.
    """

    def __init__(self, tokenizer: Any, token: str, first: int, count: int = 1):
        if not token or token.split() != [token]:
            raise ConfigError(f"the token {token!r} must be one word: give it like '<my-object>'")
        if token in _tokens(tokenizer):
            raise ConfigError(f"the token {token!r} is there already: give another one")
        self.tokenizer, self.token, self.first, self.count = tokenizer, token, first, count

    def ids(self, text: str) -> list[int]:
        """The ids of a text, with those of the token wherever it occurs."""
        before, *rest = text.split(self.token)
        found = self.tokenizer.ids(before.rstrip() if rest else before)
        for i, piece in enumerate(rest):
            found += range(self.first, self.first + self.count)
            piece = piece.lstrip()
            found += self.tokenizer.ids(piece.rstrip() if i + 1 < len(rest) else piece) if piece else []
        return found


def _tokens(tokenizer: Any) -> list[str]:
    """The tokens that were added to a tokenizer."""
    return [tokenizer.token, *_tokens(tokenizer.tokenizer)] if isinstance(tokenizer, AddedToken) else []
