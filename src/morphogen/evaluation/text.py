r"""BLEU of translations, as computed by sacrebleu.

    BLEU = 100 min(1, e^(1 - r/c)) (prod_(n=1..4) p_n)^(1/4)

p_n is the fraction of word n-grams of the translation that occur in the reference; c and r are the numbers of
words of the translations and of the references. The signature records the tokenization and smoothing, without
which BLEU scores are not comparable.

References: BLEU, a method for automatic evaluation of machine translation, Papineni, Roukos, Ward & Zhu,
2002; A call for clarity in reporting BLEU scores, Post, 2018.
"""

__all__ = ["Bleu", "bleu"]

from collections.abc import Sequence
from typing import TypedDict

import torch

from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import bootstrap


class Bleu(TypedDict):
    """BLEU in 0 .. 100, its 95 % interval over sentences, the number of sentences, and the signature."""

    value: float
    low: float
    high: float
    n: int
    signature: str


@reads_arguments
def bleu(translations: Sequence[str], references: Sequence[str]) -> Bleu:
    """Corpus BLEU with sacrebleu's default settings.

    Arguments:
        translations: one text per source sentence.
        references: one reference per translation.

    Errors: Unsupported without sacrebleu; ConfigError for unequal numbers of texts, none, or one text.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise Unsupported(
            "BLEU requires the package sacrebleu; install it: pip install 'morphogen[text]'"
        ) from None
    if len(translations) != len(references) or not translations:
        raise ConfigError(
            f"BLEU requires one reference per translation and at least one pair, got {len(translations)} "
            f"translations and {len(references)} references"
        )
    metric = BLEU(effective_order=True)
    pairs = zip(translations, references, strict=True)
    scores = [metric.sentence_score(text, [reference]) for text, reference in pairs]
    counts = torch.tensor([[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in scores])

    def corpus_bleu(rows: torch.Tensor) -> float:
        *ngrams, words, reference_words = rows.sum(0).tolist()
        return BLEU.compute_bleu(ngrams[:4], ngrams[4:], words, reference_words).score

    interval, corpus = bootstrap(corpus_bleu, (counts,), minimum=0.0), BLEU()
    corpus.corpus_score(translations[:1], [references[:1]])  # the signature includes the number of references
    return {
        "value": interval["value"],
        "low": interval["low"],
        "high": interval["high"],
        "n": interval["n"],
        "signature": str(corpus.get_signature()),
    }
