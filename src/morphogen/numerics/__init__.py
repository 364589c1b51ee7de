"""The ground: tensors, keyed randomness, densities. Nothing here knows what a model is."""
