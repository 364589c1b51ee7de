"""Representations: a medium as the x of a law and back, with the change of measure."""
