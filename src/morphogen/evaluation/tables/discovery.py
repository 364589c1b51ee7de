r"""Rules that always hold in a table, found automatically, and how often synthetic rows keep them.

    dependency    A -> B, or A, B -> C                       (origin, dest) determines distance
    relation      a = b // 10^k, a = b % 10^k, a = b + c, a <= b          hour = sched_dep_time // 100
    pairs         values of two columns of categories occur together      (origin, dest)
    missing       A is missing if and only if B is           arr_delay, air_time

A candidate is a rule if

    1. at most 0.1 % of the training rows break it (the error g3 of Kivinen & Mannila 1995);
    2. at least 5 % of the rows, and 10 of them, would break it if the columns were independent: no key,
       which determines everything, and no constant, which everything determines, makes a rule;
    3. held-out rows do not refute it: the 95 % interval of the fraction of them that keep it reaches 99.9 %.

A dependency that follows from others is left out (Maier 1980, "Minimum covers in the relational database
model"). Rows that a rule says nothing about (missing cells, a value of A that no training row has) are not
counted. Pairs that occur are a statement about the training rows, so that 95 % of the held-out rows need to
keep it.
"""

__all__ = ["confirmed", "find_rules"]

from collections.abc import Iterable

from morphogen.evaluation.tables.cells import Cells
from morphogen.evaluation.tables.dependencies import existing_pairs, functional_dependencies, minimal_cover
from morphogen.evaluation.tables.missing_patterns import missing_patterns
from morphogen.evaluation.tables.relations import relations
from morphogen.evaluation.tables.rules import FEWEST, Rule, kept

DISCOVERY = 10_000  # training rows in which candidates are searched for


def find_rules(train: Cells, held_out: Cells, seed: int = 0) -> list[Rule]:
    """The rules of a table: those of the training rows that held-out rows do not refute.

    Arguments:
        train: rows in which rules are found; of more than 10,000, that many are searched.
        held_out: rows that can refute them.
        seed: of the choice of rows.
    """
    some = train.some(DISCOVERY, seed, "rules")
    exact = confirmed(relations(some, seed), train, held_out)
    dependencies = confirmed(functional_dependencies(some, train), train, held_out)
    dependencies = minimal_cover(dependencies, [each for rule in exact for each in rule.implies])
    pairs = confirmed(existing_pairs(some, train, dependencies), train, held_out)
    return [*exact, *dependencies, *pairs, *confirmed(missing_patterns(some), train, held_out)]


def confirmed(rules: Iterable[Rule], train: Cells, held_out: Cells) -> list[Rule]:
    """The rules that hold in all training rows, and that held-out rows do not refute.

    Arguments:
        rules: candidates.
        train, held_out: the rows.
    """
    return [
        rule
        for rule in rules
        if (own := kept(rule, train)) is not None
        and own["value"] >= rule.least
        and (other := kept(rule, held_out)) is not None
        and other["n"] >= FEWEST
        and other["high"] >= rule.least
    ]
