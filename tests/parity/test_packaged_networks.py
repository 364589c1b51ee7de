"""Packaged networks equal their packages' with random weights, and with the published ones."""

import io

import pytest
import torch
from safetensors.torch import load, save
from transformers import BertConfig, BertModel

from morphogen.component import ConfigError
from morphogen.data.pretrained import PRETRAINED, weights
from morphogen.interop.packaged_weights import bert, convert_efficientnet_lite0, convert_gan_face, gan_face
from morphogen.networks.dcgan import DCGANGenerator
from morphogen.networks.efficientnet_lite import EfficientNetLite0

TEXTS = ["the cat sat on the mat", "spaceship", "a much longer sentence about kittens and their owners"]


def reference_efficientnet():
    module = pytest.importorskip("efficientnet_lite_pytorch")
    torch.manual_seed(0)
    return module.EfficientNet.from_name("efficientnet-lite0").eval()


def old_format(state):
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def ours(content):
    network = EfficientNetLite0().eval()
    network.load_state_dict(load(content))
    return network


@torch.no_grad()
def test_random_efficientnet_lite0_equals_the_package():
    """Of both, logits of three pictures, with statistics of normalization other than 0 and 1."""
    reference, generator = reference_efficientnet(), torch.Generator().manual_seed(0)
    for module in reference.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    network = ours(convert_efficientnet_lite0(old_format(reference.state_dict())))
    x = torch.randn(3, 3, 224, 224, generator=generator)
    assert torch.allclose(network(x), reference(x), rtol=1e-4, atol=1e-4 * float(reference(x).abs().max()))


def test_weights_of_another_network_raise():
    with pytest.raises(ConfigError, match="not those of EfficientNet-Lite0: 2 tensors, not 247"):
        convert_efficientnet_lite0(old_format(torch.nn.Linear(2, 2).state_dict()))
    with pytest.raises(ConfigError, match="not those of gan-face-generate: 2 tensors, not 21"):
        convert_gan_face(old_format(torch.nn.Linear(2, 2).state_dict()))
    with pytest.raises(ConfigError, match="not those of a BertModel"):
        bert(save({"weight": torch.zeros(2)}))


@torch.no_grad()
def test_a_random_face_generator_is_converted():
    """The package's first layer is a transposed convolution; the file names its state dict."""
    torch.manual_seed(0)
    reference, file = DCGANGenerator(100, (3, 64, 64)).eval(), io.BytesIO()
    state = reference.state_dict()
    state["stem.weight"] = state["stem.weight"].T.view(100, 512, 4, 4)
    torch.save({"netG_state_dict": state}, file)
    model, z = gan_face(convert_gan_face(file.getvalue())), torch.randn(2, 100)
    assert torch.equal(model.objective.predict(z, None), reference(z))


@torch.no_grad()
def test_random_bert_equals_transformers():
    """Vectors of valid positions, to 1e-5; rows of different lengths."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=96,
        max_position_embeddings=20, hidden_act="gelu",
    )  # fmt: skip
    reference = BertModel(config).eval()
    for parameter in reference.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    network = bert(save({k: v.contiguous() for k, v in reference.state_dict().items()}))
    ids = torch.randint(50, (3, 12))
    mask = torch.arange(12) < torch.tensor([[12], [7], [1]])
    expected = reference(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    assert torch.allclose(network(ids, mask)[mask], expected[mask], atol=1e-5)
    assert torch.allclose(network.embed(ids, mask).norm(dim=1), torch.ones(3))
    assert torch.allclose(
        network.embed(ids[1:2, :7], mask[1:2, :7]), network.embed(ids, mask)[1:2], atol=1e-6
    )


@pytest.mark.slow
@pytest.mark.skipif(not PRETRAINED["efficientnet-lite0"].available, reason="requires `make data`")
@torch.no_grad()
def test_published_efficientnet_lite0_equals_the_package():
    """Features and logits with the published weights, to 1e-4."""
    content = weights("efficientnet-lite0")["model.safetensors"]
    network, reference = ours(content), reference_efficientnet()
    own = [tensor for name, tensor in network.state_dict().items() if "tracked" not in name]
    theirs = [tensor for name, tensor in reference.state_dict().items() if "tracked" not in name]
    for tensor, value in zip(theirs, own, strict=True):
        tensor.copy_(value)
    x = torch.rand(4, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.allclose(network(x), reference(x), atol=1e-4)
    assert torch.allclose(network.features(x), reference.extract_features(x).mean((2, 3)), atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(not PRETRAINED["minilm"].available, reason="requires `make data`")
@torch.no_grad()
def test_published_minilm_equals_transformers():
    """Token vectors with the published weights, to 1e-4, and embeddings whose neighbours make sense."""
    from tokenizers import Tokenizer

    files = weights("minilm")
    network, state = bert(files["model.safetensors"]), load(files["model.safetensors"])
    config = BertConfig(
        vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
        intermediate_size=1536, hidden_act="gelu",
    )  # fmt: skip
    reference = BertModel(config).eval()
    reference.load_state_dict(state, strict=False)
    tokenizer = Tokenizer.from_str(files["tokenizer.json"].decode())
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch([*TEXTS, "kitten", "cat"])
    ids = torch.tensor([row.ids for row in encoded])
    mask = torch.tensor([row.attention_mask for row in encoded]).bool()
    expected = reference(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    assert torch.allclose(network(ids, mask)[mask], expected[mask], atol=1e-4)
    similar = network.embed(ids, mask) @ network.embed(ids, mask).T
    assert similar[3, 4] > 0.7 > 0.4 > similar[1, 4]


@pytest.mark.slow
@pytest.mark.skipif(not PRETRAINED["gan-face"].available, reason="requires `make data`")
@torch.no_grad()
def test_published_faces_equal_the_package():
    """Pictures of 16 latents with the published weights, to 1e-5."""
    package = pytest.importorskip("gan_face_generate.models")
    model = gan_face(weights("gan-face")["model.safetensors"])
    reference = package.Generator(0, 3, 100, 64).eval()
    theirs = [tensor for name, tensor in reference.state_dict().items() if "tracked" not in name]
    ours = [tensor for name, tensor in model.objective.network.state_dict().items() if "tracked" not in name]
    for tensor, value in zip(theirs, ours, strict=True):
        tensor.copy_(value.T.view(tensor.shape) if value.ndim == 2 else value)
    z = torch.randn(16, 100, generator=torch.Generator().manual_seed(0))
    difference = model.objective.predict(z, None) - reference(z[:, :, None, None])
    assert difference.abs().max() <= 1e-5
