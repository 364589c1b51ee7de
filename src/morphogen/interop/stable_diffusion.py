r"""Stable Diffusion to and from a folder that diffusers' StableDiffusionPipeline can open too.

    tokenizer, text_encoder    caption -> tokens, filled up to a common length, which all are attended to
    unet, scheduler            p(z | tokens), with the empty caption as the null of guidance
    vae                        z -> picture

    model = read_stable_diffusion("stable-diffusion-v1-5")
    model.sample(4, "a red circle", Guided(DDIM(25), 7.5), negative="blurry")

The safety checker and the feature extractor of a folder are not read, and not written. A model that is read
can be trained on pictures with captions: the autoencoder and the text encoder stay as they are.

Reference: High-resolution image synthesis with latent diffusion models, Rombach, Blattmann, Lorenz, Esser &
Ommer, 2022; names as in von Platen et al., 2022, "Diffusers".
"""

__all__ = ["read_stable_diffusion", "write_stable_diffusion"]

from pathlib import Path
from typing import Any

from morphogen.component import ConfigError
from morphogen.conditioning.caption import Caption, CaptionDropout
from morphogen.conditioning.frozen import Frozen
from morphogen.families.diffusion import Diffusion, GaussianDecoder
from morphogen.files import write_json
from morphogen.interop.autoencoder_kl import KIND as VAE
from morphogen.interop.autoencoder_kl import read_autoencoder_kl, write_autoencoder_kl
from morphogen.interop.clip_text import read_clip_text, write_clip_text
from morphogen.interop.clip_tokenizer_files import read_clip_tokenizer, write_clip_tokenizer
from morphogen.interop.diffusers_scheduler import read_scheduler, write_scheduler
from morphogen.interop.diffusers_unet import UNET, read_unet, write_unet
from morphogen.interop.hugging_face import Config
from morphogen.model import Model
from morphogen.networks.low_rank import LowRank
from morphogen.networks.text_transformer import TextTransformer
from morphogen.personalisation.lora import updated_network
from morphogen.representations.latent import Latent
from morphogen.representations.unit_variance import UnitVariance

INDEX, TOKENIZER, PIPELINE = "model_index.json", "tokenizer_config.json", "StableDiffusionPipeline"
PARTS = {  # the class of each part
    "unet": ("diffusers", UNET),
    "vae": ("diffusers", VAE),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
}
CHECKER = "safety_checker", "feature_extractor", "requires_safety_checker"
DROPOUT = 0.1  # of captions, in further training (Rombach et al. 2022)


def read_stable_diffusion(folder: str | Path, sides: tuple[int, int] | None = None) -> Model:
    """The model of a folder, whose condition is a caption.

    Arguments:
        folder: with model_index.json, unet, vae, text_encoder, tokenizer and scheduler.
        sides: (height, width) of the pictures; None: those of the training.

    Raises:
        ConfigError: if a part is missing, damaged, of another class or of another size; the message begins
            with the path of the file.
    """
    folder = Path(folder)
    index = Config(folder, INDEX)
    index.choice("_class_name", {PIPELINE: None}, None)
    index.refuse_others({*PARTS, "scheduler", "image_encoder", *CHECKER})
    for name, expected in (*PARTS.items(), ("image_encoder", None)):
        _check_class(index, name, expected)
    factor = 2 ** (len(Config(folder / "vae").integers("block_out_channels")) - 1)
    unet = read_unet(folder / "unet", None if sides is None else _divided(folder, sides, factor))
    _, height, width = unet.shape
    latent = read_autoencoder_kl(folder / "vae", (factor * height, factor * width))
    tokenizer, scheduler = read_clip_tokenizer(folder / "tokenizer"), read_scheduler(folder / "scheduler")
    encoder = read_clip_text(folder / "text_encoder", padding=tokenizer.padding_id)
    for what, ours, of, theirs in (
        ("in_channels", unet.shape[0], "vae", latent.shape[0]),
        ("cross_attention_dim", unet.tokens, "text_encoder", encoder.width),
        ("vocab_size", tokenizer.vocabulary, "text_encoder", encoder.vocabulary),
    ):
        if ours != theirs:
            part = "tokenizer" if what == "vocab_size" else "unet"
            raise ConfigError(
                f"{folder / part}: {what} is {ours}, and the {of} has {theirs}: use its own {of}"
            )
    objective = Diffusion(
        unet, scheduler.schedule, GaussianDecoder(), scheduler.target, sampler=scheduler.sampler
    )
    conditioner = CaptionDropout(Frozen(Caption(tokenizer, encoder)), DROPOUT)
    return Model(objective, latent, conditioner).eval()


def write_stable_diffusion(model: Any, folder: str | Path) -> None:
    """Write a model of captioned pictures to a folder, with the updates of a `LowRank` merged.

    Arguments:
        model: a `Model`, or a `Staged` whose last stage it is.
        folder: to write to.

    Raises:
        ConfigError: for a part that StableDiffusionPipeline does not have; the message names it.
    """
    folder, model = Path(folder), getattr(model, "last", model)
    network: Any = updated_network(model)
    caption, latent = _caption(model.conditioner), model.representation
    if not isinstance(latent, UnitVariance) or not isinstance(latent.inner, Latent):
        kind = type(latent).__name__
        raise ConfigError(f"{PIPELINE} samples latents of an autoencoder, not {kind}: use morphogen.save")
    encoder = caption.encoder
    if not isinstance(encoder, TextTransformer) or encoder.padding is None or encoder.skip:
        raise ConfigError(
            f"{PIPELINE} reads the last tokens of captions that are filled up: give the caption a "
            "TextTransformer with padding and without skip, or use morphogen.save"
        )
    objective: Any = model.objective
    unet: Any = network.merged() if isinstance(network, LowRank) else network
    write_unet(unet, folder / "unet")
    write_scheduler(objective, folder / "scheduler")
    write_autoencoder_kl(latent, folder / "vae")
    write_clip_text(encoder, folder / "text_encoder")
    write_clip_tokenizer(caption.tokenizer, folder / "tokenizer")
    words = Config(folder / "tokenizer", TOKENIZER)
    write_json(words.path, words.values | {"model_max_length": encoder.length})
    scheduler = Config(folder / "scheduler", "scheduler_config.json").values["_class_name"]
    parts: dict[str, Any] = {name: list(kind) for name, kind in PARTS.items()}
    parts |= {"scheduler": ["diffusers", scheduler], "safety_checker": [None, None]}
    parts |= {"feature_extractor": [None, None], "requires_safety_checker": False}
    write_json(folder / INDEX, {"_class_name": PIPELINE} | parts)


def _check_class(index: Config, name: str, expected: tuple[str, str] | None) -> None:
    """Errors: ConfigError for a part of another class, one that is missing, or one that is not supported."""
    given = index.values.get(name) or [None, None]
    kind = given[-1] if isinstance(given, list) else given
    if kind != (expected and expected[1]):
        wanted = "none" if expected is None else expected[1]
        raise ConfigError(f"{index.path}: unsupported {name} {str(kind)[:40]!r}; supported: {wanted}")


def _divided(folder: Path, sides: tuple[int, int], factor: int) -> tuple[int, int]:
    """The sides of the latents. Errors: ConfigError for sides that do not divide."""
    if any(side < factor or side % factor for side in sides):
        raise ConfigError(f"{folder}: the sides of the pictures must be multiples of {factor}, got {sides}")
    return sides[0] // factor, sides[1] // factor


def _caption(conditioner: Any) -> Caption:
    """The captions' conditioner. Errors: ConfigError for another one, or a null that is not empty."""
    inner = conditioner
    while isinstance(inner, CaptionDropout | Frozen):
        inner = inner.conditioner
    if not isinstance(inner, Caption):
        kind = type(inner).__name__
        raise ConfigError(
            f"{PIPELINE} has a Caption, with or without CaptionDropout, not {kind}: use morphogen.save"
        )
    return inner
