"""Parameter count of ddpm at size "paper": 35.7 million on CIFAR-10 (Ho, Jain & Abbeel 2020, appendix B)."""

import torch

from morphogen.component import from_config, to_config
from morphogen.model import parameters
from morphogen.representations.pixels import Pixels
from morphogen.systems.ddpm import ddpm


def test_parameter_count_matches_the_paper_for_its_design_only() -> None:
    with torch.device("meta"):
        network = ddpm(Pixels(256, (3, 32, 32)), size="paper").objective.network
        other = from_config(to_config(network) | {"design": "adm"})  # type: ignore[arg-type]
    assert round(parameters(network) / 1e6, 1) == 35.7  # type: ignore[arg-type]
    assert round(parameters(other) / 1e6, 1) != 35.7
