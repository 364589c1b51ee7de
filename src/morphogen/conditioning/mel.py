r"""How a sound sounds, frame by frame: the logarithm of its mel spectrogram, and that as a condition.

    M_fm = log max(sum_k filter_mk |X_fk|, floor)

What is kept is what is heard: where the energy lies, every hop samples, in bands as wide as the ear's. The phase is lost. Whoever turns
mels back into sound must invent it, and text-to-speech has been built on this seam since Tacotron 2 (Shen et al. 2018, "Natural TTS
synthesis by conditioning WaveNet on mel spectrogram predictions", section 2.1: frames of 50 ms every 12.5 ms, 80 bands).
"""

__all__ = ["Mel", "MelSpectrogram"]

import math

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng
from morphogen.numerics.spectrum import mel_filters, spectrum


class MelSpectrogram(Component, nn.Module):
    """Sounds [B, 1, T] to log-mel frames [B, F, M], F = T / hop + 1, rounded up; frame f is about sample f hop.

    Arguments:
        rate: samples a second.
        window: samples of a frame.
        hop: samples from one frame to the next.
        bands: M.
        low, high: Hz, where the first band begins and the last ends; high 0: at half the rate.
        floor: least magnitude, so that the logarithm has an end.

    Raises:
        ConfigError: if a band would hold no frequency, or a number is out of its range.
    """

    filters: Float[Tensor, "m k"]

    def __init__(
        self, rate: int, window: int = 400, hop: int = 100, bands: int = 64, low: float = 0.0, high: float = 0.0, floor: float = 1e-4
    ):
        super().__init__()
        self.rate, self.window, self.hop, self.bands, self.low, self.high, self.floor = rate, window, hop, bands, low, high, floor
        top = high or rate / 2
        if not (0 < hop <= window // 2 and bands >= 1 and 0 <= low < top <= rate / 2 and floor > 0):
            raise ConfigError(f"MelSpectrogram({rate=}, {window=}, {hop=}, {bands=}, {low=}, {high=}, {floor=}): a number is out of range")
        filters = mel_filters(rate, window, bands, low, top)
        if not filters.is_meta and not filters.any(1).all():
            raise ConfigError(f"{bands} bands are too many for a window of {window} samples: some hold no frequency; take fewer")
        self.register_buffer("filters", filters, persistent=False)

    @property
    def silence(self) -> float:
        """What every band reads of silence."""
        return math.log(self.floor)

    def forward(self, wave: Float[Tensor, "b 1 t"]) -> Float[Tensor, "b f m"]:
        whole = F.pad(wave[:, 0], (0, -wave.shape[2] % self.hop))
        return (spectrum(whole, self.window, self.hop).abs() @ self.filters.t()).clamp_min(self.floor).log()


class Mel(Conditioner):
    """Log-mel frames [B, F, M] as `context.tokens [B, (F - 1) rise, width]`: neighbours looked at, then raised by a learned interpolation.

    The transposed convolution is that of van den Oord et al. (2016, section 2.5), which found it better than repeating frames; it need
    not go all the way to samples, since a network may hold a token for a few of them: rise 5 of a hop of 100 leaves 20.

    Arguments:
        spectrogram: what made the frames.
        width: of a token.
        rise: tokens a frame, a divisor of the hop.

    Raises:
        ConfigError: if rise does not divide the hop.
    """

    def __init__(self, spectrogram: MelSpectrogram, width: int, rise: int = 1):
        super().__init__()
        self.spectrogram, self.width, self.rise = spectrogram, width, rise
        if rise < 1 or spectrogram.hop % rise:
            raise ConfigError(f"rise {rise}: must divide the hop of {spectrogram.hop} samples")
        self.look = nn.Conv1d(spectrogram.bands, width, 3, padding=1)
        self.raised = nn.ConvTranspose1d(width, width, 2 * rise, rise, padding=rise)
        nn.init.kaiming_normal_(self.look.weight, nonlinearity="relu")
        nn.init.normal_(self.raised.weight, std=(2 * width) ** -0.5)  # two frames speak in each token

    @property
    def hold(self) -> int:
        """Samples that a token stands for."""
        return self.spectrogram.hop // self.rise

    def forward(self, condition: Float[Tensor, "b f m"], rng: Rng | None = None) -> Context:
        level = 1 - 2 * condition / self.spectrogram.silence  # silence is -1, magnitude 1 is 1
        seen = F.relu(self.look(level.transpose(1, 2)))
        return Context(tokens=self.raised(seen).transpose(1, 2), condition=condition)
