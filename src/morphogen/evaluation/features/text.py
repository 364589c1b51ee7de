"""Features of texts.

    minilm          sentence embeddings, 384-d, where their weights are in the cache (`data.pretrained`)
    random-bytes    a random embedding of byte trigrams, 64-d, averaged over the text

Sentence embeddings know topics and spelling, and hardly the order of words; random trigrams know frequencies.
Whether a space tells text from its shuffled words is checked every time (`evaluation.sight`).

Reference: Sentence-BERT: sentence embeddings using siamese BERT-networks, Reimers & Gurevych, 2019.
"""

__all__ = ["ByteFeatures", "SentenceFeatures", "text_features"]

import hashlib
from typing import Any

import torch
from jaxtyping import Float, Int
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from morphogen.data.cache import cached
from morphogen.data.dataset import Dataset
from morphogen.data.pretrained import PRETRAINED, weights
from morphogen.evaluation.features.space import Features, digest, random_weights
from morphogen.interop.packaged_weights import bert
from morphogen.representations.text import Text

LENGTH = 256  # tokens of a text that are read, as in training of the embeddings


def text_features(data: Dataset) -> Features:
    """Sentence embeddings if their weights are in the cache, else byte trigrams, whatever the tokenizer."""
    representation: Any = data.representation
    if cached(SentenceFeatures.name, PRETRAINED[SentenceFeatures.name].files):
        return SentenceFeatures(representation)
    return ByteFeatures(representation)


class SentenceFeatures(Features):
    """Sentence embeddings of all-MiniLM-L6-v2: mean over WordPiece tokens, of length 1.

    Arguments:
        text: representation that decodes tokens to text, so that features do not depend on the tokenizer.

    Errors: DataError if the weights are not in the cache.
    """

    name = "minilm"

    def __init__(self, text: Text):
        self.text, files = text, weights(self.name)
        self.network = bert(files["model.safetensors"])
        self.tokenizer = Tokenizer.from_str(files["tokenizer.json"].decode())
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(LENGTH)
        self.sha256 = hashlib.sha256(b"".join(files.values())).hexdigest()

    def embed(self, medium: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        encoded = self.tokenizer.encode_batch(self.text.present(medium))
        ids = torch.tensor([row.ids for row in encoded])
        return self.network.embed(ids, torch.tensor([row.attention_mask for row in encoded]).bool())


class ByteFeatures(Features):
    """Random embedding of byte trigrams: mean over t of relu(a[x_t] + b[x_{t+1}] + c[x_{t+2}]).

    Arguments:
        text: representation that decodes tokens to bytes, so that features do not depend on the tokenizer.
        seed: of the tables.
    """

    name = "random-bytes"
    fidelity = False

    def __init__(self, text: Text, seed: int = 0):
        self.text = text
        self.tables = random_weights(seed, "trigrams", (64, 3, 256)).permute(1, 2, 0) * 16
        self.sha256 = digest([self.tables])

    def embed(self, medium: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        utf8_bytes = F.pad(self.text.utf8_bytes(medium), (0, 2), value=-1)
        mask = (utf8_bytes[:, 2:] >= 0)[..., None]
        x, (a, b, c) = utf8_bytes.clamp_min(0), self.tables
        trigrams = F.relu(a[x[:, :-2]] + b[x[:, 1:-1]] + c[x[:, 2:]])
        return (trigrams * mask).sum(1) / mask.sum(1).clamp_min(1)
