"""`dcgan-train` and `wgan-gp-train`: adversarial networks of 32 x 32 in colour, iteration by iteration.

Both sides have the networks of DCGAN with 64 channels at the finest scale, the same losses and the same Adam.
`dcgan-train` has one turn of the critic per iteration, with batch normalization and batches of 128;
`wgan-gp-train` has five, with a gradient penalty, no normalization in the critic, and batches of 64. The
figure is the number of real pictures that the critic is trained on. Our generator's turn draws new samples,
where the DCGAN example uses those of the critic's turn again: ours has one more pass of the generator.

Where the time goes: in convolutions, of which bf16 takes about half the time of fp32. The penalty stays in
fp32; its second backward pass is shorter than the peer's, since leaky ReLUs have no second derivative that
would pass through the critic again (`networks.leaky_relu`).
"""

__all__ = ["dcgan_train", "wgan_gp_train"]

from types import ModuleType

import torch
from torch import nn

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers import dcgan, wgan_gp
from benchmarks.precisions import best_dtype, describe_precisions, ours_precision
from morphogen.data import Pictures
from morphogen.families.gan import Adversarial, GradientPenalty, NonSaturating, Wasserstein
from morphogen.model import Model, parameters
from morphogen.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from morphogen.plan import Adam, Plan
from morphogen.representations.pixels import Pixels
from morphogen.training import train

WIDTH, SHAPE = 64, (3, 32, 32)
DCGAN_BATCH, DCGAN_ITERATIONS, WGAN_BATCH, WGAN_ITERATIONS = 128, 2, 64, 1


def dcgan_train(name: Name) -> list[Comparison]:
    """Pictures per second."""
    objective = Adversarial(
        DCGANGenerator(dcgan.NZ, SHAPE, WIDTH), DCGANDiscriminator(SHAPE, WIDTH), dcgan.NZ, NonSaturating()
    )
    peers = dcgan.generator(WIDTH), dcgan.discriminator(WIDTH)
    return [_compare(name, objective, peers, dcgan, DCGAN_BATCH, DCGAN_ITERATIONS)]


def wgan_gp_train(name: Name) -> list[Comparison]:
    """Pictures per second."""
    objective = Adversarial(
        DCGANGenerator(dcgan.NZ, SHAPE, WIDTH),
        DCGANDiscriminator(SHAPE, WIDTH, norm="none"),
        dcgan.NZ,
        Wasserstein(),
        GradientPenalty(wgan_gp.PENALTY),
        wgan_gp.CRITIC_STEPS,
    )
    peers = dcgan.generator(WIDTH), wgan_gp.critic(WIDTH)
    return [_compare(name, objective, peers, wgan_gp, WGAN_BATCH, WGAN_ITERATIONS)]


def _compare(
    name: Name,
    objective: Adversarial,
    peers: tuple[nn.Module, nn.Module],
    peer: ModuleType,
    batch: int,
    iterations: int,
) -> Comparison:
    """Iterations of our training loop, and of the peer's, on the same pictures."""
    plan = Plan(Adam(peer.LR, betas=peer.BETAS), batch=batch)
    model = Model(objective, Pixels(256, SHAPE), plan=plan)
    pictures = iterations * objective.critic_steps * batch
    values = torch.randint(256, (pictures, *SHAPE), dtype=torch.uint8)
    steps = iterations * len(objective.turns)

    def ours(steps: int = steps, warm_start: bool = True) -> None:
        precision = ours_precision(name)
        train(model, Pictures(values), steps=steps, device="cpu", precision=precision, warm_start=warm_start)

    theirs = peer.epochs(*peers, values / 127.5 - 1, batch, 1, best_dtype(name), name.best)
    config = {
        "parameters": {"ours": parameters(model), "peer": sum(map(parameters, peers))},
        "width": WIDTH, "batch": batch, "critic turns per iteration": objective.critic_steps,
        "iterations": iterations, "ours": "morphogen.train",
        "peer": "the loop of the public example" + ", Adam fused" * name.best,
    } | describe_precisions(name)  # fmt: skip
    work = pictures, pictures
    return Comparison(ours, theirs, work, "pictures/s", config, setup=lambda: ours(1, warm_start=False))
