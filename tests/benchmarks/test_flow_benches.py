"""The benches of flows run, with networks of equal sizes on both sides, and their peers do what they say."""

import pytest
import torch

from benchmarks import flows
from benchmarks.goals import GOALS
from benchmarks.names import parse
from benchmarks.peers import zuko_flows

pytest.importorskip("zuko")


@pytest.mark.parametrize("bench", ["realnvp", "maf-sample", "nsf-sample"])
def test_the_benches_run_with_equal_sizes(bench: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BATCH": 4, "BATCHES": 2, "LARGE": 5, "SAMPLED": 3, "WIDTH": 8}.items():
        monkeypatch.setattr(flows, name, value)
    comparisons = getattr(flows, bench.replace("-", "_"))(parse([bench, "vs-default"]))
    labels = [" ".join(comparison.label) for comparison in comparisons]
    assert set(labels) == set(GOALS[f"{bench} vs-default"])
    for comparison in comparisons:
        comparison.ours()
        comparison.peer()
        sizes = comparison.config["parameters"]
        extra = flows.COUPLINGS if bench == "realnvp" else flows.MAPS * (2 * 5 + 1)
        assert 0 <= sizes["ours"] - sizes["peer"] <= extra


def test_the_peer_learns() -> None:
    torch.manual_seed(0)
    flow, x = zuko_flows.realnvp(2, 2, 8), 3 + torch.randn(400, 2)
    before = flow().log_prob(x).mean().item()
    zuko_flows.epochs(flow, x, 20, 5, best=False)()
    assert flow().log_prob(x).mean().item() > before + 1
