"""`realnvp`, `maf-sample` and `nsf-sample`: flows of vectors, against zuko.

`realnvp` has 8 affine couplings of 2 and of 64 dimensions, in batches of 256: log-density, samples and
training. The networks have two hidden layers of 64 on both sides, and the same numbers of parameters but for
one learned scale per coupling of ours. `maf-sample` and `nsf-sample` draw 1024 samples of 64 dimensions, of
three autoregressive maps with two hidden layers of 64; ours also have two numbers per dimension of actnorm.

Where the time goes: our couplings take slices, and their networks receive and return one half, as zuko's do;
it also builds a distribution and a transform per layer in each call, and gathers and scatters the halves. Its
autoregressive samples take one pass of each network per dimension. Ours evaluate each hidden unit once.
"""

__all__ = ["maf_sample", "nsf_sample", "realnvp"]

import torch
from torch import nn

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers import zuko_flows
from morphogen.families.flow import (
    Chain,
    Flow,
    MaskedAutoregressiveFlow,
    RationalQuadraticSpline,
    SplitCoupling,
)
from morphogen.model import Model, parameters
from morphogen.networks.perceptron import Perceptron
from morphogen.plan import Adam, Plan
from morphogen.recipes.gan_rings import ClosedFormRows
from morphogen.representations.points import Points
from morphogen.training import train

COUPLINGS, MAPS, WIDTH, BINS = 8, 3, 64, 8
DIMS, BATCH, BATCHES, EPOCHS = (2, 64), 256, 120, 1  # of `realnvp`; batches of a repetition
LARGE, SAMPLED = 64, 1024  # dimensions and samples of the other two


def realnvp(name: Name) -> list[Comparison]:
    """Rows per second, of log-density, samples and training."""
    return [comparison for dims in DIMS for comparison in _couplings(name, dims)]


def maf_sample(name: Name) -> list[Comparison]:
    """Samples per second of affine maps."""
    bijection = MaskedAutoregressiveFlow(LARGE, WIDTH, 2, MAPS)
    return [_sampled(bijection, zuko_flows.maf(LARGE, MAPS, WIDTH), 12, 2)]


def nsf_sample(name: Name) -> list[Comparison]:
    """Samples per second of splines."""
    bijection = MaskedAutoregressiveFlow(
        LARGE, WIDTH, 2, MAPS, transform=RationalQuadraticSpline(BINS, bound=5.0)
    )
    return [_sampled(bijection, zuko_flows.nsf(LARGE, MAPS, WIDTH, BINS), 4, 1)]


def _couplings(name: Name, dims: int) -> list[Comparison]:
    torch.manual_seed(0)
    half = dims // 2
    networks = [Perceptron((half,), (dims,), (WIDTH, WIDTH), activation="relu") for _ in range(COUPLINGS)]
    couplings = [SplitCoupling(network, "blocks", i % 2) for i, network in enumerate(networks)]
    plan = Plan(Adam(zuko_flows.LR), batch=BATCH)
    model = Model(Flow(Chain(tuple(couplings))), Points(dims), plan=plan)
    theirs = zuko_flows.realnvp(dims, COUPLINGS, WIDTH)
    rows = BATCH * BATCHES
    x = torch.randn(rows, dims)
    config = {
        "parameters": {"ours": parameters(model), "peer": parameters(theirs)},
        "couplings": COUPLINGS, "width": WIDTH, "dimensions": dims, "batch": BATCH,
        "precision": "fp32", "peer": "flow().log_prob, flow().sample" + ", Adam fused" * name.best,
    }  # fmt: skip

    def trained() -> None:
        train(model, ClosedFormRows(x), steps=BATCHES, device="cpu", precision="fp32", warm_start=True)

    both = {
        "log-prob": (lambda: model.log_prob(x, batch=BATCH), zuko_flows.densities(theirs, x, BATCH)),
        "sample": (lambda: model.sample(rows, batch=BATCH), zuko_flows.samples(theirs, BATCH, BATCHES)),
        "train": (trained, zuko_flows.epochs(theirs, x, BATCH, EPOCHS, name.best)),
    }
    return [
        Comparison(ours, peer, (rows, rows), "rows/s", config, (f"d{dims}", what))
        for what, (ours, peer) in both.items()
    ]


def _sampled(bijection: MaskedAutoregressiveFlow, theirs: nn.Module, ours: int, peer: int) -> Comparison:
    """So many batches of samples of both sides."""
    model = Model(Flow(bijection), Points(LARGE))
    config = {
        "parameters": {"ours": parameters(model), "peer": parameters(theirs)},
        "maps": MAPS, "width": WIDTH, "dimensions": LARGE, "samples": SAMPLED,
        "ours": "Model.sample", "peer": "flow().sample, a pass per dimension", "precision": "fp32",
    }  # fmt: skip
    return Comparison(
        lambda: [model.sample(SAMPLED, seed=i, batch=SAMPLED) for i in range(ours)],
        zuko_flows.samples(theirs, SAMPLED, peer),
        (SAMPLED * ours, SAMPLED * peer),
        "samples/s",
        config,
    )
