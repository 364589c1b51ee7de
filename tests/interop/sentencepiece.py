"""A slow reference of SentencePiece's BPE: merge the best adjacent pair, the leftmost of equals."""

__all__ = ["reference_ids"]

from collections.abc import Mapping
from itertools import pairwise

from tests.interop.gguf_files import SPACE


def reference_ids(text: str, scores: Mapping[str, float], prefix: str = SPACE) -> list[int]:
    """The ids of a text; the first 259 tokens are control tokens and bytes, which no merge gives."""
    ids = {token: i for i, token in enumerate(scores)}
    words = {token: scores[token] for token, i in ids.items() if i >= 259}
    pieces = list(prefix + text.replace(" ", SPACE)) if text else []
    while True:
        pairs = [(words[a + b], -i) for i, (a, b) in enumerate(pairwise(pieces)) if a + b in words]
        if not pairs:
            break
        i = -max(pairs)[1]
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
    spelled = [
        [piece] if piece in words else [f"<0x{byte:02X}>" for byte in piece.encode()] for piece in pieces
    ]
    return [ids[token] for tokens in spelled for token in tokens]
