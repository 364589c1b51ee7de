"""Recordings as windows of samples, each of one recording.

    window i = samples s_i .. s_i + T - 1 of its recording, then silence if the recording ends before

Windows start every `stride` samples of a recording that is longer than a window, and its last window ends
with it, so that each sample is in a window. A shorter recording is one window. The likelihood counts the
samples up to the end of the recording (`MuLaw`), so silence does not lower the bits per sample.
"""

__all__ = ["FULL", "Recording", "Sounds", "WithMels", "place_windows"]

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.contract import Batch
from morphogen.data.dataset import Examples
from morphogen.data.splits import Part

FULL = 32768.0  # full scale of 16 bits


@dataclass(frozen=True)
class Recording:
    """One recording.

    Arguments:
        samples: int16 [T].
        rate: samples per second.
        label: index of its class.
        caption: transcript, or "".
        part: of the data's own split; None: they have none.
    """

    samples: np.ndarray
    rate: int
    label: int = 0
    caption: str = ""
    part: Part | None = None


class Sounds(Examples):
    """Windows of recordings, with silence after the end of one: medium float [B, 1, length] in [-1, 1].

    Arguments:
        values: int16 [L], all recordings, one after the other.
        starts: [N], the first sample of each window, in 0 .. L-1.
        length: samples per window.
        spans: start and end of each recording in `values`, ascending; (): one recording.
        labels: [N], or None.
        captions: transcript of each recording, or ().
    """

    def __init__(
        self,
        values: Int[Tensor, " l"],
        starts: Int[Tensor, " n"],
        length: int,
        spans: Sequence[tuple[int, int]] = (),
        labels: Int[Tensor, " n"] | None = None,
        captions: Sequence[str] = (),
    ):
        self.values, self.starts, self.length = values, starts, length
        self.spans = tuple(spans) or ((0, len(values)),)
        self.labels, self.captions = labels, tuple(captions)
        recorded = (self._spans_of(starts)[:, 1] - starts).clamp_max(length)  # samples of each window
        self.overlap = max(1, round(int(recorded.sum()) / max(1, len(values))))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        return Batch(self.around(indices, 0), {} if self.labels is None else {"label": self.labels[indices]})

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        spans = torch.tensor(self.spans)
        yield from (self.values, self.starts, spans, *([] if self.labels is None else [self.labels]))

    def around(self, indices: Int[Tensor, " b"], margin: int) -> Float[Tensor, "b 1 t"]:
        """Windows extended by `margin` samples on both sides; zeros outside of their recording."""
        positions = self.starts[indices][:, None] + torch.arange(-margin, self.length + margin)
        spans = self._spans_of(self.starts[indices])
        inside = (positions >= spans[:, :1]) & (positions < spans[:, 1:])
        return (self.values[positions.clamp(0, len(self.values) - 1)] * inside)[:, None].float() / FULL

    def recording(self, i: int) -> Float[Tensor, "1 1 t"]:
        """One whole recording."""
        start, end = self.spans[i]
        return self.values[None, None, start:end].float() / FULL

    def _spans_of(self, starts: Int[Tensor, " b"]) -> Int[Tensor, "b 2"]:
        """Start and end of the recording of each window."""
        spans = torch.tensor(self.spans)
        return spans[torch.searchsorted(spans[:, 0].contiguous(), starts, right=True) - 1]


class WithMels(Examples):
    """Windows with their log-mel frames as the condition, as training data for a vocoder.

    The frames are computed with what the recording has before and after the window, so that its edges are not
    treated differently.

    Arguments:
        sounds: the windows.
        mel: computes the frames [F, M] of a window.
    """

    def __init__(self, sounds: Sounds, mel: MelSpectrogram):
        self.sounds, self.mel, self.overlap = sounds, mel, sounds.overlap

    def __len__(self) -> int:
        return len(self.sounds)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        # the first and the last frame of a window extend beyond it by half a frame
        frames = -(-self.mel.window // (2 * self.mel.hop))
        margin = frames * self.mel.hop
        extended = self.sounds.around(indices, margin)
        return Batch(extended[:, :, margin:-margin], {"mel": self.mel(extended)[:, frames:-frames]})

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield from self.sounds.contents()  # the frames are a function of the sounds


def place_windows(recordings: Sequence[Recording], length: int, stride: int, labelled: bool) -> Sounds:
    """The windows of the recordings of a part.

    They are in golden-ratio order, so that the first n of them are spread evenly over the part for every n.

    Arguments:
        recordings: of the part.
        length: samples per window.
        stride: samples from the start of a window to that of the next, at most `length`.
        labelled: whether the recordings have classes.
    """
    ordered = sorted(recordings, key=lambda recording: recording.label)  # stable: by hash within a class
    sizes = torch.tensor([len(recording.samples) for recording in ordered])
    ends = sizes.cumsum(0)
    places = [_places(size, length, stride) for size in sizes.tolist()]
    counts = torch.tensor([len(of_one) for of_one in places])
    starts = torch.cat(places) + (ends - sizes).repeat_interleave(counts)
    labels = torch.tensor([recording.label for recording in ordered]).repeat_interleave(counts)
    captions = [recording.caption for recording in ordered]
    order = _golden(len(starts))
    return Sounds(
        torch.from_numpy(np.concatenate([recording.samples for recording in ordered])),
        starts[order],
        length,
        list(zip((ends - sizes).tolist(), ends.tolist(), strict=True)),
        labels[order] if labelled else None,
        captions if any(captions) else (),
    )


def _places(size: int, length: int, stride: int) -> Int[Tensor, " n"]:
    """The starts of the windows of a recording; the last window ends with it."""
    last = max(0, size - length)
    return torch.cat([torch.arange(0, last, stride), torch.tensor([last])])


def _golden(n: int) -> Tensor:
    """A permutation of 0 .. n-1 that advances by about 0.618 n per step, modulo n."""
    step = max(1, round(n * (math.sqrt(5) - 1) / 2))
    while n and math.gcd(step, n) != 1:
        step += 1
    return torch.arange(n) * step % max(1, n)
