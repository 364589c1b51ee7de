"""Weights of packaged networks, converted to ours.

    efficientnet_lite0    a state dict of the package efficientnet-lite-pytorch   ->  `EfficientNetLite0`
    bert                  a BertModel of transformers                             ->  `Bert`
    gan_face              the generator of the package gan-face-generate          ->  `DCGANGenerator`

No paper: the networks are published, see their modules.
"""

__all__ = ["bert", "convert_efficientnet_lite0", "convert_gan_face", "gan_face"]

import torch
from jaxtyping import Float
from safetensors.torch import load, save
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.families.gan import PretrainedGenerator
from morphogen.interop.torch_archive import read_state_dict
from morphogen.model import Model, copy_tensors, tensors
from morphogen.networks.bert import Bert
from morphogen.networks.dcgan import DCGANGenerator
from morphogen.networks.efficientnet_lite import EfficientNetLite0
from morphogen.representations.pixels import Pixels

HEAD_WIDTH = 32  # of MiniLM (Wang et al. 2020); the file has no number of heads
BERT_LAYER = {  # parameter of nn.TransformerEncoderLayer -> its parts in a BertLayer
    "self_attn.in_proj_": tuple(f"attention.self.{part}." for part in ("query", "key", "value")),
    "self_attn.out_proj.": ("attention.output.dense.",),
    "norm1.": ("attention.output.LayerNorm.",),
    "linear1.": ("intermediate.dense.",),
    "linear2.": ("output.dense.",),
    "norm2.": ("output.LayerNorm.",),
}


FACES, LATENT = (3, 64, 64), 100  # shape of the pictures of gan-face-generate, and dimension of z


def convert_efficientnet_lite0(content: bytes) -> bytes:
    """Convert the packaged state dict to a safetensors file of `EfficientNetLite0`.

    Errors: ConfigError for another file.
    """
    return _converted(list(read_state_dict(content).values()), EfficientNetLite0(), "EfficientNet-Lite0")


def convert_gan_face(content: bytes) -> bytes:
    """Convert the packaged state dict to a safetensors file of `DCGANGenerator`.

    Its first layer is a transposed convolution of one pixel, [latent, C, h, w]: a linear map. Errors:
    ConfigError for another file.
    """
    stem, *others = read_state_dict(content).values()
    return _converted([stem.flatten(1).T, *others], _face_generator(), "gan-face-generate")


def gan_face(content: bytes) -> Model:
    """The model of the converted generator. Errors: ConfigError if the weights do not fit."""
    generator = _face_generator()
    copy_tensors(tensors(generator), load(content))
    return Model(PretrainedGenerator(generator, LATENT), Pixels(256, FACES)).eval()


def bert(content: bytes) -> Bert:
    """The encoder of a BertModel of transformers. Errors: ConfigError if the weights do not fit."""
    file = load(content)
    try:
        network = Bert(*_sizes(file))
        copy_tensors(tensors(network), _parameters(file, network.layers))
    except KeyError as error:
        raise ConfigError(f"the weights are not those of a BertModel: no tensor {error}") from None
    return network.eval()


def _face_generator() -> DCGANGenerator:
    """An untrained generator of the size of gan-face-generate."""
    return DCGANGenerator(LATENT, FACES)


def _converted(values: list[Tensor], network: nn.Module, name: str) -> bytes:
    """A safetensors file of a network with these floating-point tensors.

    Both list their tensors from the input to the output, so they correspond by position. Errors: ConfigError.
    """
    own = {name: tensor for name, tensor in tensors(network).items() if tensor.is_floating_point()}
    if [tensor.shape for tensor in own.values()] != [value.shape for value in values]:
        raise ConfigError(
            f"the weights are not those of {name}: {len(values)} tensors, not {len(own)}, or of "
            "other shapes; fetch them again"
        )
    copy_tensors(own, dict(zip(own, values, strict=True)))
    return save(tensors(network))


def _sizes(file: dict[str, Tensor]) -> tuple[int, int, int, int, int, int]:
    """Vocabulary, length, width, heads, layers and hidden width, from the shapes."""
    vocabulary, width = file["embeddings.word_embeddings.weight"].shape
    length = len(file["embeddings.position_embeddings.weight"])
    layers = 1 + max(int(name.split(".")[2]) for name in file if name.startswith("encoder.layer."))
    hidden = len(file["encoder.layer.0.intermediate.dense.weight"])
    return vocabulary, length, width, width // HEAD_WIDTH, layers, hidden


def _parameters(file: dict[str, Tensor], layers: int) -> dict[str, Float[Tensor, "..."]]:
    """The parameters of `Bert` by name."""
    named = {
        "tokens.weight": file["embeddings.word_embeddings.weight"],
        "positions.weight": file["embeddings.position_embeddings.weight"],
        "token_type": file["embeddings.token_type_embeddings.weight"][0],
    }
    for kind in ("weight", "bias"):
        named[f"norm.{kind}"] = file[f"embeddings.LayerNorm.{kind}"]
        for i in range(layers):
            for own, parts in BERT_LAYER.items():
                stacked = [file[f"encoder.layer.{i}.{part}{kind}"] for part in parts]
                named[f"blocks.{i}.{own}{kind}"] = torch.cat(stacked)
    return named
