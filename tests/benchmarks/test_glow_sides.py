"""normflows' Glow beside ours: one work on both sides, and densities on one scale."""

import math

import pytest
import torch

from benchmarks import glow_bounds
from benchmarks.names import parse
from morphogen.data import load_data
from morphogen.families.flow import Bijection, Chain, Flow
from morphogen.model import Model
from morphogen.representations.pixels import Dequantised

pytest.importorskip("normflows")


def test_both_sides_have_the_same_size() -> None:
    from benchmarks.glow import glow_sample

    (comparison,) = glow_sample(parse(["glow-sample", "fp32", "vs-default"]))
    sizes = comparison.config["parameters"]
    assert abs(sizes["ours"] / sizes["peer"] - 1) <= 0.03


@pytest.mark.parametrize("side", [glow_bounds.OurGlow, glow_bounds.PeerGlow])
def test_training_lowers_the_bits_of_the_test_pictures(side) -> None:
    """Digits of 17 levels, seed 0, after 5 and 25 steps; a uniform distribution has log2 17 bits/dim."""
    data = load_data("digits")
    torch.manual_seed(0)
    net, means = side(data.representation.shape), []
    for steps in (5, 20):
        glow_bounds.fit(net, data, steps)
        means.append(glow_bounds.bits(net, data, 50).mean().item())
    assert means[1] < means[0] - 0.1 and means[1] < math.log2(17)


def test_our_bits_are_those_of_a_model() -> None:
    data = load_data("digits")
    torch.manual_seed(0)
    net = glow_bounds.OurGlow(data.representation.shape)
    net.prepare(torch.rand(50, 1, 8, 8))
    likelihood = Model(Flow(Chain((_Unit(), net.flow))), Dequantised(data.representation)).log_prob(
        data.test.first(200).medium
    )
    bits = -likelihood.nats.double() / math.log(2) / 64
    assert abs(bits.mean() - glow_bounds.bits(net, data, 200).mean()) < 0.05  # other dequantisation noise


def test_a_sample_of_the_peer_has_the_density_that_it_was_drawn_with() -> None:
    data = load_data("digits")
    torch.manual_seed(0)
    net = glow_bounds.PeerGlow(data.representation.shape)
    glow_bounds.fit(net, data, 2)
    with torch.no_grad():
        y, log_density = net.net.sample(20)
        assert torch.allclose(net(y), log_density, rtol=1e-3, atol=1e-2)


class _Unit(Bijection):
    """From [-1, 1] to [0, 1]."""

    def forward(self, x, context):
        return (x + 1) / 2, x.new_full((len(x),), -x[0].numel() * math.log(2))

    def inverse(self, z, context):
        return 2 * z - 1
