"""Language models as encoders of captions, from packages that come with their weights.

    minilm     all-MiniLM-L6-v2, 22.7 million parameters, in the cache (`morphogen data get minilm`)
    smollm2    SmolLM2-135M-Instruct, from its package (`interop.gguf_named`)

They were trained on text alone and are kept as they are: `Frozen(language_model("minilm"))`.

References: MiniLM, Wang et al., 2020; Sentence-BERT, Reimers & Gurevych, 2019; SmolLM2, Allal et al., 2025.
"""

__all__ = ["LANGUAGE_MODELS", "language_model"]

from collections.abc import Callable, Mapping

from morphogen.component import Asset, ConfigError
from morphogen.conditioning.caption import Caption
from morphogen.data.pretrained import weights
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_llama import read_model
from morphogen.interop.gguf_named import locate
from morphogen.interop.packaged_weights import bert
from morphogen.networks.language_encoder import BidirectionalEncoder, CausalEncoder
from morphogen.representations.tokenizer import Tokenizer
from morphogen.representations.wordpiece import WordPiece
from morphogen.similar_names import did_you_mean, list_names

LENGTH = 64  # tokens of a caption that are read


def language_model(name: str = "minilm") -> Caption:
    """The conditioner of captions by a packaged language model.

    Arguments:
        name: of `LANGUAGE_MODELS`.

    Errors: ConfigError for another name, or without the package of smollm2; DataError if the weights of
    minilm are not in the cache, with the command that fetches them.
    """
    if name not in LANGUAGE_MODELS:
        near = did_you_mean(name, LANGUAGE_MODELS)
        raise ConfigError(
            f"no language model is named {name!r}; {near}choose {list_names([*LANGUAGE_MODELS])}"
        )
    return LANGUAGE_MODELS[name]()


def _minilm() -> Caption:
    files = weights("minilm")
    tokenizer = WordPiece(Asset(Tokenizer.FILE, files["tokenizer.json"]))
    network = bert(files["model.safetensors"])
    return Caption(tokenizer, BidirectionalEncoder(network, tokenizer.start, tokenizer.end, LENGTH))


def _smollm2() -> Caption:
    model = read_model(GGUF(locate("gguf:smollm2")), LENGTH)
    network, tokenizer = model.objective.network, model.representation
    return Caption(tokenizer, CausalEncoder(network, LENGTH))


LANGUAGE_MODELS: Mapping[str, Callable[[], Caption]] = {"minilm": _minilm, "smollm2": _smollm2}
