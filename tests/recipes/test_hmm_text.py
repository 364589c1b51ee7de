"""The recipe of text of known entropy rate: nothing is below the truth, and a model has its figures."""

from morphogen.recipes import hmm_text as recipe


def test_every_system_is_above_the_distribution(monkeypatch) -> None:
    """Two seconds of two systems, 200 rows, seed 0; the divergence is above 0 within its interval."""
    monkeypatch.setattr(recipe, "TEST_ROWS", 100)
    monkeypatch.setattr(recipe, "LENGTH", 32)
    record = recipe.hmm_text(("hmm", "gpt"), 1.0, "tiny", rows=200)
    figures = record["figures"]
    assert set(figures) == {"first", "hmm", "gpt"} and record["unit"] == "nats/token"
    assert all(figures[name]["above_truth"]["high"] > 0 for name in ("hmm", "gpt"))
    assert abs(figures["first"]["value"]) < 0.05
    assert figures["hmm"]["steps"] > 0 and figures["gpt"]["parameters"] > 0
