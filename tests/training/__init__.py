"""Tests of training/, and the toy models they share with test_run.py."""
