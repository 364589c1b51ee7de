r"""WaveNet: an autoregressive model of raw audio with dilated causal convolutions.

    p(x | c) = prod_t p(x_t | x_<t, c),     g = tanh(W_f * h + V_f c) sigmoid(W_g * h + V_g c)

Paper: WaveNet: A generative model for raw audio, van den Oord, Dieleman, Zen, Simonyan, Vinyals, Graves,
Kalchbrenner, Senior & Kavukcuoglu, 2016.
"paper": its dilations, 1, 2, 4, ..., 512, repeated three times. The paper reports neither the number of
filters nor the training: 64 and 256 filters, the optimizer and the other sizes are this library's choice.
Measured: recipes/results/asterisk-wavenet.json.
"""

__all__ = ["wavenet"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.mel import Mel, MelSpectrogram
from morphogen.conditioning.specs import Classes
from morphogen.contract import Conditioner
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.wavenet import WaveNet
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.audio import MuLaw
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # layers per dilation cycle; condition: width of the embedded label or mel frame
    "tiny": {"width": 8, "skip": 8, "cycles": 2, "layers": 2, "condition": 8},
    "small": {"width": 64, "skip": 128, "cycles": 1, "layers": 10, "condition": 64},
    "paper": {"width": 64, "skip": 256, "cycles": 3, "layers": 10, "condition": 64},
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 8, "warmup": 10, "ema": 0.99},
    "small": {"lr": 8e-3, "batch": 1, "warmup": 100, "ema": 0.998},
    "paper": {"lr": 1e-3, "batch": 8, "warmup": 1000, "ema": 0.9999},
}
TOKENS_PER_FRAME = 5  # outputs of the mel encoder per frame, if the hop is a multiple of it


def wavenet(
    audio: MuLaw, label: Classes | None = None, mel: MelSpectrogram | None = None, size: Size = "small"
) -> Model:
    """WaveNet of mu-law audio with exact bits/sample; the condition is a label or mel frames.

    Mel frames [B, F, M], if there are any, take precedence over labels.
    """
    sizes, training, condition = SIZES[size], TRAINING[size], SIZES[size]["condition"]
    conditioner: Conditioner | None = ConditionDropout(Label(len(label), condition), p=0.1) if label else None
    # widths of the label embedding and of the embedded mel frames; samples per embedded frame
    vector, frames, samples_per_token = condition if label else 0, 0, 1
    if mel is not None:
        tokens_per_frame = TOKENS_PER_FRAME if mel.hop % TOKENS_PER_FRAME == 0 else 1
        conditioner = Mel(mel, condition, tokens_per_frame)
        vector, frames, samples_per_token = 0, condition, conditioner.samples_per_token
    network = WaveNet(
        audio.vocabulary,
        sizes["width"],
        sizes["skip"],
        sizes["cycles"],
        sizes["layers"],
        vector,
        frames,
        samples_per_token,
    )
    plan = Plan(
        AdamW(training["lr"], betas=(0.9, 0.99), weight_decay=0.01),
        batch=training["batch"],
        schedule=Cosine(training["warmup"], floor=0.01),
        ema=training["ema"],
        clip=1.0,
    )
    return Model(Autoregressive(network), audio, conditioner, plan)
