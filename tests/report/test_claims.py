"""A claim is supported, contradicted or left open by the figures, never by its author."""

from typing import Any

import pytest

from morphogen.report.claims import CLAIMS, FAMILIES, Claim, Finding, judge
from morphogen.report.rows import MEASURES, read_rows
from report.rows_of import REPORT, changed, interval, likelihood


def found(text: str, family: str, report: dict[str, Any]) -> Finding:
    claim = next(claim for claim in CLAIMS if claim.text.startswith(text) and claim.family == family)
    return judge(claim, read_rows(report["rows"]))


CASES = [
    ("Drops modes", "gan", "gan", {}, {"recall": interval(0.99, 0.01)}),
    ("No likelihood", "gan", "gan", {}, {"likelihood": likelihood(2.0)}),
    ("Slow to sample", "diffusion", "ddpm", {}, {"samples_per_second": 1e6}),
    ("Slow to sample", "autoregressive", "cnn", {}, {"samples_per_second": 1e6}),
    ("The best likelihoods", "autoregressive", "cnn", {}, {"likelihood": likelihood(2.3)}),
    ("An exact likelihood", "autoregressive", "cnn", {}, {"likelihood": likelihood(1.8, "lower_bound")}),
    ("The best samples", "diffusion", "ddpm", {"frechet": interval(1.0, 0.1)}, {}),
    ("Too simple", "classical", "em", {}, {"likelihood": likelihood(1.0, "lower_bound")}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "family", "system", "held", "broken"), CASES, ids=[f"{case[1]}: {case[0]}" for case in CASES])
def test_each_rule_both_ways(text, family, system, held, broken):
    supported, contradicted = (found(text, family, changed(system, **figures)) for figures in (held, broken))
    assert (supported.status, contradicted.status) == ("supported", "contradicted")
    assert supported.anchor == contradicted.anchor and supported.anchor.startswith(f"row-{system}-")


def test_overlapping_intervals_leave_a_claim_open():
    assert found("Drops modes", "gan", changed("gan", recall=interval(0.85, 0.1))).status == "open"
    assert found("Slow to sample", "autoregressive", changed("cnn", samples_per_second=4500.0)).status == "open", (
        "one is slower, one faster"
    )


def test_the_best_is_contradicted_by_one_family_that_is_better():
    report = changed("cnn", likelihood=likelihood(2.2))
    assert found("The best likelihoods", "autoregressive", report).status == "contradicted"
    assert judge(Claim("autoregressive", True, "", "likelihood", "strong"), read_rows(report["rows"])).status == "open"


def test_chains_and_codecs_are_nobodys_rivals():
    rows = [row for row in REPORT["rows"] if row["family"] in ("autoregressive", "codec", None)]
    chain = rows[1] | {"system": "latent", "family": "vae + flow", "likelihood": likelihood(1.0)}
    assert found("The best likelihoods", "autoregressive", {"rows": [*rows, chain]}).status == "not measured here"


def test_a_family_speaks_through_its_best_row():
    second = REPORT["rows"][3] | {"system": "gan2", "recall": interval(0.99, 0.01)}
    finding = found("Drops modes", "gan", {"rows": [*REPORT["rows"], second]})
    assert (finding.status, finding.anchor) == ("contradicted", "row-gan2-recall")


def test_a_flow_on_a_grid_is_exact_only_of_noisy_data():
    flow = REPORT["rows"][1] | {"system": "nvp", "family": "flow"}
    finding = found("An exact likelihood", "flow", {"rows": [*REPORT["rows"], flow]})
    assert finding.status == "contradicted" and "noise added" in finding.why


def test_absent_families_and_untestable_claims_are_not_measured():
    assert found("Blurry", "vae", REPORT).status == "not measured here"
    assert found("Fitted", "classical", REPORT).status == "not measured here"


def test_the_claims_name_real_columns_and_have_two_sides():
    keys = {measure.key for measure in MEASURES}
    assert all(claim.measure in keys if claim.rule else not claim.measure for claim in CLAIMS)
    assert {(claim.family, claim.good) for claim in CLAIMS} == {(family, good) for family in FAMILIES for good in (True, False)}
