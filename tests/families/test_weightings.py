"""Weightings of the loss, by hand."""

import pytest
import torch

from morphogen.families.diffusion import VP, ForwardProcess, LinearBetas, MinSNR


def check_min_snr_is_the_smaller_of_the_two(process: ForwardProcess) -> None:
    """Hang et al. 2023, section 3.4: snr below gamma, gamma above; both occur."""
    t = process.time_of_ratio(torch.tensor([0.01, 0.2, 1.0, 3.0, 10.0], dtype=torch.float64))
    snr = [float(process.ratio(time[None])) ** -2 for time in t]
    assert snr[0] > snr[1] > 5 > snr[2] > snr[3] > snr[4]
    assert MinSNR(5.0)(process, t).tolist() == pytest.approx([5, 5, *snr[2:]], rel=1e-5)
    assert MinSNR(float("inf"))(process, t).tolist() == pytest.approx(snr, rel=1e-5)


@pytest.mark.parametrize("process", [VP(), LinearBetas()], ids=lambda process: type(process).__name__)
def test_min_snr_is_the_smaller_of_the_two(process: ForwardProcess) -> None:
    check_min_snr_is_the_smaller_of_the_two(process)
