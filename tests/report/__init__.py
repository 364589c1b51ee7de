"""Tests of the report, and the example rows that they share."""
