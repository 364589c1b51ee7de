"""Evaluation metrics: likelihood, sample quality, diversity and memorisation, each with an interval."""
