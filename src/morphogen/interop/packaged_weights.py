"""Weights of packaged networks, converted to ours.

    efficientnet_lite0    a state dict of the package efficientnet-lite-pytorch   ->  `EfficientNetLite0`
    bert                  a BertModel of transformers                             ->  `Bert`

No paper: both networks are published, see their modules.
"""

__all__ = ["bert", "convert_efficientnet_lite0"]

import torch
from jaxtyping import Float
from safetensors.torch import load, save
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.interop.torch_archive import read_state_dict
from morphogen.model import copy_tensors, tensors
from morphogen.networks.bert import Bert
from morphogen.networks.efficientnet_lite import EfficientNetLite0

HEAD_WIDTH = 32  # of MiniLM (Wang et al. 2020); the file has no number of heads
BERT_LAYER = {  # parameter of nn.TransformerEncoderLayer -> its parts in a BertLayer
    "self_attn.in_proj_": tuple(f"attention.self.{part}." for part in ("query", "key", "value")),
    "self_attn.out_proj.": ("attention.output.dense.",),
    "norm1.": ("attention.output.LayerNorm.",),
    "linear1.": ("intermediate.dense.",),
    "linear2.": ("output.dense.",),
    "norm2.": ("output.LayerNorm.",),
}


def convert_efficientnet_lite0(content: bytes) -> bytes:
    """Convert the packaged state dict to a safetensors file of `EfficientNetLite0`.

    Both networks list their tensors from the input to the output, so they correspond by position. Errors:
    ConfigError for another file.
    """
    values = read_state_dict(content)
    network = EfficientNetLite0()
    own = {name: tensor for name, tensor in tensors(network).items() if tensor.is_floating_point()}
    shapes = [[tuple(tensor.shape) for tensor in part.values()] for part in (own, values)]
    if shapes[0] != shapes[1]:
        raise ConfigError(
            f"the weights are not those of EfficientNet-Lite0: {len(values)} tensors, not {len(own)}, or of "
            "other shapes; fetch them again"
        )
    copy_tensors(own, dict(zip(own, values.values(), strict=True)))
    return save(tensors(network))


def bert(content: bytes) -> Bert:
    """The encoder of a BertModel of transformers. Errors: ConfigError if the weights do not fit."""
    file = load(content)
    try:
        network = Bert(*_sizes(file))
        copy_tensors(tensors(network), _parameters(file, network.layers))
    except KeyError as error:
        raise ConfigError(f"the weights are not those of a BertModel: no tensor {error}") from None
    return network.eval()


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
