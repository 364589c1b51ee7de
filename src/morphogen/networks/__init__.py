"""Networks: architectures alone, without a probability."""
