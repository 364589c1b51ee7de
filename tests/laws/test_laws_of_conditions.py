"""Models with several conditions satisfy every law, whether they are dropped together or apart."""

import pytest
import torch

from conditioning.conditioned import batch, denoiser, dropped_apart, dropped_together
from morphogen.testing import LAWS, check_model


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("conditioner", [dropped_together, dropped_apart])
def test_law(conditioner, law):
    torch.manual_seed(0)
    check_model(denoiser(conditioner()), batch(), [law])
