"""How good a model is: likelihood, distance of laws, fidelity and diversity, copying; each figure with its interval and n."""
