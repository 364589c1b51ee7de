r"""How near a translation is to another person's: BLEU, as sacrebleu counts it.

    BLEU = 100 min(1, e^(1 - r/c)) (prod_(n=1..4) p_n)^(1/4)

p_n: the share of n-grams of words that stand in the reference too; c, r: words written, words of the references. The signature says
which tokenisation and smoothing it was, without which a BLEU means nothing.

References: BLEU, a method for automatic evaluation of machine translation, Papineni, Roukos, Ward & Zhu, 2002; A call for clarity in
reporting BLEU scores, Post, 2018.
"""

__all__ = ["Bleu", "bleu"]

from collections.abc import Sequence
from typing import TypedDict

import torch

from morphogen.contract import Unsupported
from morphogen.evaluation.intervals import bootstrap


class Bleu(TypedDict):
    """0 .. 100, its 95 % interval over sentences, how many they are, and the signature."""

    value: float
    low: float
    high: float
    n: int
    signature: str


def bleu(written: Sequence[str], references: Sequence[str]) -> Bleu:
    """BLEU of the whole, by sacrebleu's defaults.

    Arguments:
        written: a text each.
        references: what each should be, one a text.

    Errors: Unsupported without sacrebleu; ValueError where the two are not equally many, or none.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise Unsupported("BLEU is counted by the package sacrebleu; install it: pip install 'morphogen[text]'") from None
    if len(written) != len(references) or not written:
        raise ValueError(f"{len(written)} texts beside {len(references)} references; give one of each, and at least one")
    metric = BLEU(effective_order=True)
    scores = [metric.sentence_score(text, [reference]) for text, reference in zip(written, references, strict=True)]
    counts = torch.tensor([[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in scores])

    def of(rows: torch.Tensor) -> float:
        *ngrams, written_words, words = rows.sum(0).tolist()
        return BLEU.compute_bleu(ngrams[:4], ngrams[4:], written_words, words).score

    found, whole = bootstrap(of, (counts,), least=0.0), BLEU()
    whole.corpus_score(written[:1], [references[:1]])  # how many references there are stands in the signature
    return {
        "value": found["value"], "low": found["low"], "high": found["high"], "n": found["n"], "signature": str(whole.get_signature()),
    }  # fmt: skip
