"""The peers' loops do what their documentation says."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import gan, vqvae, wavenet
from benchmarks.names import parse
from benchmarks.peers import dcgan, naive_pixelcnn, naive_wavenet, nanogpt, vector_quantize, wgan_gp
from morphogen.contract import Encoded
from morphogen.families.vae import VQVAE, Codebook, Gaussian
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.networks.wavenet import WaveNet
from morphogen.numerics.randomness import Rng


def test_nanogpt_learns_a_constant_text_and_is_causal() -> None:
    torch.manual_seed(0)
    net = nanogpt.NanoGPT(5, 8, 16, 2, 2)
    x, text = torch.full((1, 8), 3), np.full(100, 3, dtype=np.uint16)
    before = net(x, x).item()
    nanogpt.training(net, text, 4, 8, 20, torch.float32, best=False)()
    assert net(x, x).item() < 0.9 * before
    embedded = net.token_embedding(x).detach().requires_grad_()
    h = embedded
    for block in net.blocks:
        h = block(h)
    h[0, 3].sum().backward()
    assert (embedded.grad[0].abs().sum(1) > 0).tolist() == [True] * 4 + [False] * 4  # type: ignore[index]


def test_naive_sampling_makes_one_pass_per_pixel() -> None:
    calls: list[int] = []
    network = GatedPixelCNN((1, 4, 4), 3, width=8, layers=2)
    network.register_forward_hook(lambda *_: calls.append(1))
    naive_pixelcnn.passes(network, 2, 10)()
    assert len(calls) == 10


def test_transformers_and_nanogpt_have_equal_sizes_except_biases() -> None:
    peer = pytest.importorskip("benchmarks.peers.transformers_gpt2")
    pytest.importorskip("transformers")
    theirs = {name: p.numel() for name, p in peer.gpt2(11, 8, 16, 2, 2).named_parameters()}
    ours = sum(p.numel() for p in nanogpt.NanoGPT(11, 8, 16, 2, 2).parameters())
    assert sum(n for name, n in theirs.items() if not name.endswith("bias")) == ours


def test_a_naive_wavenet_gives_the_cached_logits_from_its_receptive_field_alone() -> None:
    torch.manual_seed(0)
    network, prefix = WaveNet(5, 4, 4, 2, 3).eval(), torch.randint(5, (1, 30))
    wavenet._check_logits(network, prefix)
    lengths: list[int] = []
    network.register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    naive_wavenet.passes(network, prefix, 3)()
    assert lengths == [network.receptive_field + 1] * 3
    network.receptive_field -= 9
    with pytest.raises(AssertionError, match="cached and full passes differ"):
        wavenet._check_logits(network, prefix)


def test_vector_quantize_pytorch_has_the_loss_and_the_gradient_of_ours() -> None:
    pytest.importorskip("vector_quantize_pytorch")
    torch.manual_seed(0)
    encoder, decoder, codes = vqvae.GridEncoder(8), vqvae.GridDecoder(8), Codebook(16, 8)
    codes.vectors.normal_()
    likelihood = Gaussian(vector_quantize.SIGMA)
    ours = VQVAE(encoder, decoder, likelihood, codes, vqvae.SIDES, vector_quantize.COMMITMENT)
    theirs = vector_quantize.VQAutoencoder(encoder, decoder, 16, (8, *vqvae.SIDES))
    theirs.quantize._codebook.embed.copy_(codes.vectors[None])
    theirs.quantize._codebook.initted.fill_(True)
    x, weights = torch.randn(6, 1, 28, 28), [*encoder.parameters(), *decoder.parameters()]
    row = Encoded(x, torch.zeros(6), torch.full((6,), 784))
    loss, peer = ours.losses(row, None, Rng(0, 6), "model").total.mean(), theirs(x)
    constant = 784 * (0.5 * math.log(2 * math.pi) + math.log(vector_quantize.SIGMA))
    assert loss.item() - constant == pytest.approx(peer.item(), rel=1e-5)
    for own, other in zip(
        torch.autograd.grad(loss, weights), torch.autograd.grad(peer, weights), strict=True
    ):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("peer", "critic"), [(dcgan, dcgan.discriminator), (wgan_gp, wgan_gp.critic)])
def test_the_adversarial_peers_train_each_network_in_its_turns(peer: Any, critic: Any) -> None:
    """The generator of WGAN-GP after five updates of the critic, that of DCGAN after each."""
    torch.manual_seed(0)
    nets = dcgan.generator(4), critic(4)
    for batches in (4, 6):
        before = [[p.detach().clone() for p in net.parameters()] for net in nets]
        x = torch.rand(2 * batches, 3, 32, 32) * 2 - 1
        peer.epochs(*nets, x, 2, 1, torch.float32, best=False)()
        changed = [
            any((p != old).any() for p, old in zip(net.parameters(), values, strict=True))
            for net, values in zip(nets, before, strict=True)
        ]
        assert changed == [batches == 6 or peer is dcgan, True]


def test_the_penalty_of_the_peer_is_ours() -> None:
    """Of a linear critic of gradient norm 3: 10 (3 - 1)^2."""
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(12, 1)), torch.randn(4, 3, 2, 2)
    net[1].weight.data *= 3 / net[1].weight.norm()
    assert wgan_gp.gradient_penalty(net, x, -x, torch.rand(4)).item() == pytest.approx(40, rel=1e-4)


@pytest.mark.parametrize("bench", ["dcgan-train", "wgan-gp-train"])
@pytest.mark.parametrize("options", ["vs-default", "fp32 vs-default", "vs-best"])
def test_the_adversarial_benches_run_with_equal_sizes(
    bench: str, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WIDTH": 4, "DCGAN_BATCH": 4, "WGAN_BATCH": 4, "DCGAN_ITERATIONS": 1}.items():
        monkeypatch.setattr(gan, name, value)
    (comparison,) = getattr(gan, bench.replace("-", "_"))(parse(f"{bench} {options}".split()))
    comparison.setup()
    comparison.ours()
    comparison.peer()
    sizes = comparison.config["parameters"]
    assert sizes["ours"] == sizes["peer"]
    assert comparison.work == ((4, 4) if bench == "dcgan-train" else (20, 20))
