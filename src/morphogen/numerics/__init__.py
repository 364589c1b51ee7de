"""Tensor operations, keyed random numbers, densities and spectra; independent of any model."""
