"""Parameter counts at size "paper" against the counts that the papers state, on the meta device.

A count must round to the stated one, in as many digits as are stated, and a network with one more layer must
not. Where a paper's count cannot be reached, the test has the true count, and the page the difference.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn

from morphogen.conditioning.specs import Classes
from morphogen.model import parameters
from morphogen.networks import decoders
from morphogen.networks.dit import DiT
from morphogen.networks.unet import UNet
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.systems import autoencoder_kl, d3pm_text, dit, edm, improved_ddpm, rnn_lm, transformer
from morphogen.systems.ddpm import NETWORKS
from morphogen.systems.dit import SIZES as DIT
from morphogen.systems.gpt import SIZES as GPT
from morphogen.systems.improved_ddpm import PAPER_NETWORK
from morphogen.systems.llama import SIZES as LLAMA
from morphogen.systems.palm import SIZES as PALM
from morphogen.systems.transformer import SIZES as TRANSFORMER

CIFAR, LATENTS = Pixels(256, (3, 32, 32)), (4, 32, 32)


def ddpm(numbers: Mapping[str, Any]) -> nn.Module:
    return UNet(CIFAR.shape, **numbers)


def imagenet_64(channels: int) -> Callable[[Mapping[str, Any]], nn.Module]:
    """The paper's ImageNet-64 networks: levels of 1, 2, 3 and 4 times the channels; eps and variance."""
    levels = {"channels": channels, "multipliers": (1, 2, 3, 4)}

    def build(numbers: Mapping[str, Any]) -> nn.Module:
        unet = UNet((3, 64, 64), **{**numbers, **levels})
        unet.out = nn.Conv2d(channels, 6, 3, padding=1)
        return unet

    return build


def gpt3(width: int) -> Callable[[Mapping[str, Any]], nn.Module]:
    return lambda numbers: decoders.gpt2(50257, 2048, width, numbers["layers"], width // 64, start=50256)


def llama(numbers: Mapping[str, Any]) -> nn.Module:
    names = ("width", "layers", "heads", "kv_heads", "hidden")
    return decoders.llama(32_000, 2048, *(numbers[name] for name in names), start=1)


def palm(numbers: Mapping[str, Any]) -> nn.Module:
    names = ("width", "layers", "heads", "head_width", "hidden")
    network = decoders.palm(256_000, 2048, *(numbers[name] for name in names), start=1)
    for module in network.modules():  # the paper's count is that of the matrices
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.ndim == 1:
                delattr(module, name)
    return network


STATED: dict[str, tuple[str, Mapping[str, Any], str, Callable[[Mapping[str, Any]], nn.Module]]] = {
    # source: the count, in the digits that it states; our numbers; the name of their depth; the network
    "Ho et al. 2020, appendix B: CIFAR-10": ("3.57e+07", NETWORKS["paper"], "blocks", ddpm),
    "Nichol & Dhariwal 2021, section 6: 64 channels": ("3.0e+07", PAPER_NETWORK, "blocks", imagenet_64(64)),
    "Nichol & Dhariwal 2021, section 6: 96 channels": ("6.8e+07", PAPER_NETWORK, "blocks", imagenet_64(96)),
    "Nichol & Dhariwal 2021, section 6: 128 channels": ("1.2e+08", PAPER_NETWORK, "blocks", imagenet_64(128)),
    "Nichol & Dhariwal 2021, section 6: 192 channels": ("2.7e+08", PAPER_NETWORK, "blocks", imagenet_64(192)),
    "Brown et al. 2020, table 2.1: 125M": ("1.25e+08", {"layers": 12}, "layers", gpt3(768)),
    "Brown et al. 2020, table 2.1: 760M": ("7.6e+08", {"layers": 24}, "layers", gpt3(1536)),
    "Brown et al. 2020, table 2.1: 1.3B": ("1.3e+09", {"layers": 24}, "layers", gpt3(2048)),
    "Brown et al. 2020, table 2.1: 6.7B": ("6.7e+09", {"layers": 32}, "layers", gpt3(4096)),
    "Brown et al. 2020, table 2.1: 175B": ("1.75e+11", {"layers": 96}, "layers", gpt3(12288)),
    "Touvron et al. 2023, table 2: 6.7B": ("6.7e+09", LLAMA["paper"], "layers", llama),
    "Chowdhery et al. 2022, table 1: 540.35B": ("5.4035e+11", PALM["paper"], "layers", palm),
}


@pytest.mark.parametrize("source", STATED)
def test_the_count_is_the_papers_and_that_of_another_depth_is_not(source: str) -> None:
    stated, numbers, depth, build = STATED[source]
    digits = len(stated.split("e")[0]) - 2
    with torch.device("meta"):
        network, deeper = build(numbers), build({**numbers, depth: numbers[depth] + 1})
    assert f"{parameters(network):.{digits}e}" == stated
    assert (
        f"{parameters(deeper):.{digits}e}" != stated
    )  # not those whose digits absorb a layer, as GPT-3 2.7B


def count(build: Callable[[], nn.Module]) -> int:
    with torch.device("meta"):
        return parameters(build())


def test_gpt2_is_the_released_model() -> None:
    """124,439,808 in the released checkpoint; 117M in the paper, an error according to its code's README."""
    numbers = GPT["paper"]
    width, layers, heads = (numbers[name] for name in ("width", "layers", "heads"))
    assert count(lambda: decoders.gpt2(50257, 1024, width, layers, heads, start=50256)) == 124_439_808


def test_llama_is_the_released_model() -> None:
    assert count(lambda: llama(LLAMA["paper"])) == 6_738_415_616


def test_improved_ddpm_has_52_million_on_cifar_10() -> None:
    """52,546,438 in the authors' code; the paper states none. The input has three more planes here."""
    ours = count(lambda: improved_ddpm(CIFAR, size="paper").objective.network)
    assert ours - 3 * 128 * 3 * 3 == 52_546_438


def test_dit_has_675_million_and_one_linear_layer_more() -> None:
    """Peebles & Xie 2023, table 4: 675M for DiT-XL/2 on 4 x 32 x 32 latents of 1,000 classes."""
    width = DIT["paper"]["width"]
    conditional = count(lambda: dit(Pixels(256, LATENTS), Classes(1000), "paper"))
    assert f"{conditional - width * (width + 1):.2e}" == "6.75e+08"
    sizes = {**DIT["paper"], "layers": DIT["paper"]["layers"] + 1}
    patch, layers, heads = (sizes[name] for name in ("patch", "layers", "heads"))
    assert f"{count(lambda: DiT(LATENTS, patch, width, layers, heads, 0)):.2e}" != "6.75e+08"


def test_the_first_stage_of_latent_diffusion_is_the_released_model() -> None:
    """83,653,863 in the released autoencoder of Stable Diffusion; the paper states none."""
    pixels = Pixels(256, (3, 256, 256))
    autoencoder = count(lambda: autoencoder_kl(pixels, "paper").objective.autoencoder)
    scale_of_the_likelihood = 1
    assert autoencoder - scale_of_the_likelihood == 83_653_863


def test_the_base_transformer_has_63_million_where_the_paper_states_65() -> None:
    """Vaswani et al. 2017, table 3, counted by hand: one embedding of 37,000 tokens for both texts."""
    width, layers, hidden = (TRANSFORMER["paper"][name] for name in ("width", "layers", "hidden"))
    attention, feed_forward = 4 * width * (width + 1), 2 * width * hidden + hidden + width
    encoder, decoder = attention + feed_forward + 4 * width, 2 * attention + feed_forward + 6 * width
    by_hand = 37_000 * width + layers * (encoder + decoder)
    assert f"{by_hand:.2e}" == "6.31e+07"
    ours = count(lambda: transformer(Bytes(64), Bytes(64), size="paper"))
    embeddings = width * (256 + 257)  # of the source; of the target, with a start token
    assert ours - embeddings + 37_000 * width == by_hand


def test_d3pm_has_87_million_where_the_paper_states_70() -> None:
    """Austin et al. 2021 state 70M; the sizes of the authors' code (gpt_base, text8) are those below."""
    blocks = 12 * (4 * 768 * 768 + 2 * 768 * 3072)
    assert f"{blocks:.1e}" == "8.5e+07"
    assert f"{count(lambda: d3pm_text(Bytes(256), size='paper')):.1e}" == "8.7e+07"


def graves(layers: int, width: int = 700, characters: int = 205) -> int:
    """Weights of the paper's network: skip connections from the input and to the output, and peepholes."""
    recurrent, below = layers * 4 * width**2, (layers - 1) * 4 * width**2
    from_input, to_output = layers * 4 * width * characters, layers * width * characters
    return recurrent + below + from_input + to_output + layers * (4 + 3) * width + characters


def test_rnn_lm_has_41_million_where_the_paper_states_21() -> None:
    """Graves 2013, section 3.2: seven hidden layers of 700 LSTM cells with approximately 21.3M weights."""
    assert f"{graves(5):.2e}" == "2.13e+07" and f"{graves(7):.2e}" == "3.05e+07"
    embedding = 257 * 700  # of 256 bytes and the start
    inputs = 7 * 4 * 700 * (700 - 205)  # the embedding instead of 205 characters
    output, cells = (
        7 * 700 * (256 - 205) + (256 - 205),
        7 * (8 - 7) * 700,
    )  # two biases of 4, no peepholes of 3
    assert count(lambda: rnn_lm(Bytes(100), size="paper")) == graves(7) + embedding + inputs + output + cells


def test_edm_has_ddpms_network() -> None:
    """35.7 million; Karras et al. 2022 use DDPM++ of Song et al. 2021."""
    assert count(lambda: edm(CIFAR, size="paper")) == count(lambda: ddpm(NETWORKS["paper"])) == 35_746_307
