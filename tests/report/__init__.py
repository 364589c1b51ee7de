"""Tests of report/, and the rows they share."""
