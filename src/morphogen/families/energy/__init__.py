"""Energy-based models: a density up to its normalizing constant, sampled by Langevin dynamics."""

__all__ = ["ChainStart", "EnergyBased", "FromData", "FromNoise", "Langevin", "ReplayBuffer"]

from morphogen.families.energy.chain_starts import ChainStart, FromData, FromNoise, ReplayBuffer
from morphogen.families.energy.langevin import Langevin
from morphogen.families.energy.objective import EnergyBased
