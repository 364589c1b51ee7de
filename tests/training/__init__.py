"""Tests of training/, and the toy models that they share with test_run.py."""
