"""Our ALIGN and that of transformers give the same embeddings, with the same random weights."""

from typing import Any

import pytest
import torch
from safetensors.torch import save

from morphogen.interop.packaged_weights import bert
from morphogen.networks.bert import BertText
from morphogen.networks.efficientnet import EfficientNet, rounded, scaled

transformers = pytest.importorskip("transformers")


def perturbed(model: Any) -> Any:
    """The model with all weights and statistics of normalization awake."""
    torch.manual_seed(0)
    for p in model.parameters():
        p.data += 0.1 * torch.randn_like(p)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    return model.eval()


def vision(width: float, depth: float) -> Any:
    return transformers.AlignVisionConfig(
        width_coefficient=width, depth_coefficient=depth, hidden_dim=rounded(1280 * width)
    )


@torch.no_grad()
def test_pictures() -> None:
    """The pooled output, of pictures of two sizes: both name their tensors from the input to the output."""
    theirs = perturbed(transformers.AlignVisionModel(vision(0.5, 0.5)))
    ours = EfficientNet(3, scaled(0.5, 0.5), rounded(16)).eval()
    state, given = ours.state_dict(), list(theirs.state_dict().values())
    assert [each.shape for each in state.values()] == [each.shape for each in given]
    ours.load_state_dict(dict(zip(state, given, strict=True)))
    for side in (64, 96):
        x = torch.rand(2, 3, side, side) * 2 - 1
        expected = theirs(x).pooler_output
        assert torch.allclose(ours(x), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@torch.no_grad()
def test_texts() -> None:
    """The class token and the tokens, of texts of 5, 2 and 0 tokens between start 48 and end 49."""
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=96,
        max_position_embeddings=12,
    )  # fmt: skip
    theirs = perturbed(transformers.BertModel(config))
    network = bert(save({k: v.contiguous() for k, v in theirs.state_dict().items()}))
    state = {k: v.clone() for k, v in network.state_dict().items()}
    ours = BertText(network, 48, 49)  # draws its weights
    ours.network.load_state_dict(state)
    mask = torch.arange(5) < torch.tensor([[5], [2], [0]])
    ids = torch.where(mask, torch.randint(48, (3, 5)), -1)
    found = ours.eval()(ids, mask)
    assert found.vector is not None and found.tokens is not None and found.mask is not None
    for row, n in enumerate((5, 2, 0)):
        framed = torch.tensor([[48, *ids[row, :n].tolist(), 49]])
        expected = theirs(framed).last_hidden_state[0]
        assert torch.allclose(found.vector[row], expected[0], atol=1e-5)
        assert torch.allclose(found.tokens[row, : n + 2], expected, atol=1e-5)
        assert found.mask[row].tolist() == [True] * (n + 2) + [False] * (5 - n)


def test_the_published_sizes() -> None:
    """EfficientNet-L2, 480M with its head (Xie et al. 2020); B7, 66M (Tan & Le 2019): as transformers'."""
    for width, depth, stated in ((4.3, 5.3, "4.80e+08"), (2.0, 3.1, "6.6e+07"), (1.0, 1.0, "5.3e+06")):
        with torch.device("meta"):
            ours = EfficientNet(3, scaled(width, depth), rounded(32 * width))
            theirs = transformers.AlignVisionModel(vision(width, depth))
        count = sum(p.numel() for p in ours.parameters())
        assert count == sum(p.numel() for p in theirs.parameters())
        head = rounded(1280 * width)
        count += (ours.features + 2) * head + (head + 1) * 1000  # convolution, norm, classes
        assert f"{count:.{len(stated.split('e')[0]) - 2}e}" == stated
