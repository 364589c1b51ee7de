r"""A hidden Markov model of text: a chain of hidden states, each of which emits tokens of its own.

    p(x) = sum_s pi(s_1) prod_t A(s_t, s_(t+1)) B_s_t(x_t)

Paper: A tutorial on hidden Markov models and selected applications in speech recognition, Rabiner, 1989. It
has no text and publishes no shape for one. The model is fitted by online expectation-maximization (Cappe &
Moulines 2009) with their exponent 0.6, on batches of windows, so that any budget can end it. A network with
more bits/byte has not learned its text, and one on hidden Markov text is at best equal. Measured, as a fit of
known text: see recipe `hmm-text`; bits/byte of books: not measured.
"""

__all__ = ["hmm"]

from typing import Any

from morphogen.conditioning.label import OneHot
from morphogen.conditioning.prefix import Prefix
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import Ancestral
from morphogen.families.classical import CategoricalEmissions, HiddenMarkov, TokenChain
from morphogen.model import Model
from morphogen.plan import SGD, Plan
from morphogen.representations.text import Text
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # hidden states, of each class if there are labels; windows per round of online EM
    "tiny": {"states": 8, "batch": 64},
    "small": {"states": 32, "batch": 256},
    "paper": {"states": 256, "batch": 1024},
}


def hmm(text: Text, label: Classes | None = None, size: Size = "small") -> Model:
    """Hidden Markov model with exact bits/byte (Baum et al. 1970); the condition is a prompt, or a label.

    Every class has a chain of its own. A state that few tokens belong to is shrunk towards the frequencies of
    all, as if it had emitted one more (MacKay & Peto 1995).
    """
    classes = len(label or ())
    emissions = CategoricalEmissions(text.vocabulary, SIZES[size]["states"] * max(classes, 1), prior=1.0)
    chain = TokenChain(emissions, classes, prior=1.0)
    objective = HiddenMarkov(chain, Ancestral(), decay=0.6, delay=100.0, end=text.end)
    em = Plan(SGD(0.0), batch=SIZES[size]["batch"])  # no parameter has a gradient: a step is a round of EM
    return Model(objective, text, OneHot(classes, label.weights) if label else Prefix(), em)
