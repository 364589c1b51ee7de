"""The peers, with the documented defaults that each file names."""
