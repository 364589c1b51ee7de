"""Formats that others write: one adapter each, and nothing of them anywhere else."""
