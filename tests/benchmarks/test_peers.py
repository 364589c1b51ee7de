"""The peers' loops do what their documentation says."""

import numpy as np
import pytest
import torch

from benchmarks import wavenet
from benchmarks.peers import naive_pixelcnn, naive_wavenet, nanogpt
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.networks.wavenet import WaveNet


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
