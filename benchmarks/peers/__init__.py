"""The peers' own ways, with their documented defaults, each named in its file."""
