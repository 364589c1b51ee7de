r"""Log-mel spectrograms, and a conditioner for them.

    M_fm = log max(sum_k filter_mk |X_fk|, floor)

A log-mel spectrogram keeps the energy in perceptually spaced frequency bands, one frame every `hop` samples,
and discards the phase, so that inverting it requires a model of the waveform. Text-to-speech has used it as
the interface between the text model and the vocoder since Tacotron 2 (Shen et al. 2018, "Natural TTS
synthesis by conditioning WaveNet on mel spectrogram predictions", section 2.1: frames of 50 ms every 12.5 ms,
80 bands).
"""

__all__ = ["Mel", "MelSpectrogram"]

import math

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, ConditionSpec, Context
from morphogen.numerics.randomness import Rng
from morphogen.numerics.spectrum import mel_filterbank, stft


class MelSpectrogram(ConditionSpec, nn.Module):
    """Log-mel spectrogram: sounds [B, 1, T] to frames [B, F, M], F = T / hop + 1 rounded up.

    Frame f is centred on sample f hop.

    Arguments:
        rate: sampling rate in Hz.
        window: window length in samples.
        hop: hop length, samples between successive frames.
        bands: number of mel bands, M.
        low, high: lower and upper frequency limit in Hz; high 0: half the sampling rate.
        floor: smallest magnitude, which bounds the logarithm from below.

    Raises:
        ConfigError: if a band contains no frequency bin, or an argument is out of its range.
    """

    plural = "mel spectrograms"
    filters: Float[Tensor, "m k"]

    def __init__(
        self,
        rate: int,
        window: int = 400,
        hop: int = 100,
        bands: int = 64,
        low: float = 0.0,
        high: float = 0.0,
        floor: float = 1e-4,
    ):
        super().__init__()
        self.rate, self.window, self.hop, self.bands = rate, window, hop, bands
        self.low, self.high, self.floor = low, high, floor
        top = high or rate / 2
        if not (0 < hop <= window // 2 and bands >= 1 and 0 <= low < top <= rate / 2 and floor > 0):
            raise ConfigError(
                f"MelSpectrogram({rate=}, {window=}, {hop=}, {bands=}, {low=}, {high=}, {floor=}) is "
                "out of range: use 0 < hop <= window / 2, bands >= 1, 0 <= low < high <= rate / 2, floor > 0"
            )
        filters = mel_filterbank(rate, window, bands, low, top)
        if not filters.is_meta and not filters.any(1).all():
            raise ConfigError(
                f"{bands} bands are too many for a window of {window} samples: "
                "some contain no frequency bin; use fewer"
            )
        self.register_buffer("filters", filters, persistent=False)

    @property
    def silence(self) -> float:
        """The value of every band in silence, log(floor)."""
        return math.log(self.floor)

    def forward(self, wave: Float[Tensor, "b 1 t"]) -> Float[Tensor, "b f m"]:
        padded = F.pad(wave[:, 0], (0, -wave.shape[2] % self.hop))
        magnitude = stft(padded, self.window, self.hop).abs()
        return (magnitude @ self.filters.t()).clamp_min(self.floor).log()


class Mel(Conditioner):
    """Log-mel frames as context tokens, [B, F, M] -> `context.tokens [B, (F - 1) tokens_per_frame, width]`.

    A convolution over frames is followed by learned upsampling.

    The transposed convolution is that of van den Oord et al. (2016, section 2.5), who found it better than
    repeating frames. It need not upsample to the sampling rate, because a network may use a token for several
    samples: rise 5 with a hop of 100 leaves 20 samples per token.

    Arguments:
        spectrogram: the spectrogram that computed the frames.
        width: of a token.
        tokens_per_frame: tokens per frame, a divisor of the hop.

    Raises:
        ConfigError: if rise does not divide the hop.
    """

    name = "mel"

    def __init__(self, spectrogram: MelSpectrogram, width: int, tokens_per_frame: int = 1):
        super().__init__()
        self.widths = {"tokens": width}
        self.spectrogram, self.width, self.tokens_per_frame = spectrogram, width, tokens_per_frame
        if tokens_per_frame < 1 or spectrogram.hop % tokens_per_frame:
            raise ConfigError(f"rise {tokens_per_frame}: must divide the hop of {spectrogram.hop} samples")
        self.conv = nn.Conv1d(spectrogram.bands, width, 3, padding=1)
        self.upsample = nn.ConvTranspose1d(
            width, width, 2 * tokens_per_frame, tokens_per_frame, padding=tokens_per_frame
        )
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        nn.init.normal_(self.upsample.weight, std=(2 * width) ** -0.5)  # each token is a sum over two frames

    @property
    def samples_per_token(self) -> int:
        """Samples per token."""
        return self.spectrogram.hop // self.tokens_per_frame

    def forward(self, condition: Float[Tensor, "b f m"], rng: Rng | None = None) -> Context:
        scaled = 1 - 2 * condition / self.spectrogram.silence  # -1 at silence, 1 at magnitude 1
        features = F.relu(self.conv(scaled.transpose(1, 2)))
        return Context(tokens=self.upsample(features).transpose(1, 2))
