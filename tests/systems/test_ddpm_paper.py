"""The `paper` size of ddpm is the paper's network: 35.7 million parameters on CIFAR-10 (Ho, Jain & Abbeel 2020, appendix B)."""

import torch

from morphogen.component import build, describe
from morphogen.model import parameters
from morphogen.representations.pixels import Pixels
from morphogen.systems.ddpm import ddpm


def test_the_paper_size_has_the_papers_parameters_and_the_other_design_has_not() -> None:
    with torch.device("meta"):
        network = ddpm(Pixels(256, (3, 32, 32)), size="paper").objective.network
        other = build(describe(network) | {"design": "adm"})  # type: ignore[arg-type]
    assert round(parameters(network) / 1e6, 1) == 35.7  # type: ignore[arg-type]
    assert round(parameters(other) / 1e6, 1) != 35.7
