"""Conditions into Context: what a network hears besides x."""
