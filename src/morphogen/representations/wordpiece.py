"""WordPiece, the tokenizer of BERT: pieces of lower-case words, of which all but the first begin with ##.

    "A reddish circle" -> a, red, ##dish, circle

It is not lossless (case and accents are lost), so that it encodes conditions and is no representation.

Reference: BERT: pre-training of deep bidirectional transformers for language understanding, Devlin, Chang,
Lee & Toutanova, 2019, section 3.
"""

__all__ = ["WordPiece"]

from morphogen.component import Asset, Component, ConfigError
from morphogen.representations.tokenizer import parse_tokenizer

START, END = "[CLS]", "[SEP]"


class WordPiece(Component):
    """BERT's tokenizer (Devlin et al. 2019), loaded from the JSON file of the library `tokenizers`.

    Arguments:
        file: the JSON file.

    Attributes:
        start, end: ids of [CLS] and [SEP].

    Raises ConfigError for a damaged file, or one without these tokens.
    """

    def __init__(self, file: Asset):
        self.file = file
        self._model = parse_tokenizer(file)
        self._model.no_padding()
        self._model.no_truncation()
        self._model.encode_special_tokens = True  # "[SEP]" in a text is read as characters
        start, end = (self._model.token_to_id(token) for token in (START, END))
        if start is None or end is None:
            raise ConfigError(f"{file.name} has no tokens {START} and {END}: give the tokenizer of a BERT")
        self.start, self.end = start, end

    def ids(self, text: str) -> list[int]:
        """The ids of a text, without start and end; never a special token but that of unknown words."""
        found: list[int] = self._model.encode(text, add_special_tokens=False).ids
        return found

    def __deepcopy__(self, memo: object) -> "WordPiece":
        return self  # immutable
