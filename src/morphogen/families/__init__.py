"""The families: each an objective with its samplers, none importing another."""
