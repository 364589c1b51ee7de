r"""WaveNet: a sound's law as a product over its samples, read by convolutions whose reach doubles from layer to layer.

    p(x | c) = prod_t p(x_t | x_<t, c),     g = tanh(W_f * h + V_f c) sigmoid(W_g * h + V_g c)

Paper: WaveNet: A generative model for raw audio, van den Oord, Dieleman, Zen, Simonyan, Vinyals, Graves, Kalchbrenner, Senior &
Kavukcuoglu, 2016. Its dilations are 1, 2, 4, ..., 512, three times over ("paper"); how many filters it has, and how it was trained,
the paper does not say: 64 and 256, the optimiser and the other sizes are ours.
Figure of this page: recipes/results/asterisk-wavenet.json.
"""

__all__ = ["wavenet"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.mel import Mel, MelSpectrogram
from morphogen.contract import Conditioner
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model
from morphogen.networks.wavenet import WaveNet
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.audio import MuLaw
from morphogen.systems import Size

SIZES = {
    # features, skip, cycles, layers of a cycle, of the condition, batch, learning rate, warm-up, average
    "tiny": (8, 8, 2, 2, 8, 8, 3e-3, 10, 0.99),
    "small": (64, 128, 1, 10, 64, 1, 8e-3, 100, 0.998),
    "paper": (64, 256, 3, 10, 64, 8, 1e-3, 1000, 0.9999),
}
RISE = 5  # tokens a frame of the mel spectrogram, where its hop allows


def wavenet(audio: MuLaw, classes: int = 0, size: Size = "small", mel: MelSpectrogram | None = None) -> Model:
    """WaveNet: exact bits a sample of mu-law sound, given a label if there are `classes`, or mel frames [B, F, M] of a spectrogram."""
    width, skip, cycles, layers, condition, batch, lr, warmup, ema = SIZES[size]
    conditioner: Conditioner | None = ConditionDropout(Label(classes, condition), p=0.1) if classes else None
    told, heard, hold = condition if classes else 0, 0, 1
    if mel is not None:
        conditioner = Mel(mel, condition, RISE if mel.hop % RISE == 0 else 1)
        told, heard, hold = 0, condition, conditioner.hold
    network = WaveNet(audio.vocabulary, width, skip, cycles, layers, told, heard, hold)
    plan = Plan(AdamW(lr, betas=(0.9, 0.99), weight_decay=0.01), batch=batch, schedule=Cosine(warmup, floor=0.01), ema=ema, clip=1.0)
    return Model(Autoregressive(network), audio, conditioner, plan)
