"""WaveNet as the voice of a spectrogram: does it say what was said, and how well does it know the samples?

Copy-synthesis: held-out prompts are reduced to their log-mel frames, and turned back into sound twice, by WaveNet and by Griffin & Lim's
algorithm (1984), which learns nothing. Whisper-tiny then writes down what it hears, in these and in the recordings themselves.
"""

__all__ = ["wavenet_voice"]

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from morphogen.conditioning.mel import MelSpectrogram
from morphogen.data import Sounds, WithMels, load
from morphogen.evaluation.griffin_lim import griffin_lim
from morphogen.evaluation.intervals import Interval, bootstrap
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.listening import Listener, word_errors
from morphogen.evaluation.sheet import sheet
from morphogen.model import Model
from morphogen.recipes.records import circumstances, specimen
from morphogen.recipes.trained import SIZE, trained
from morphogen.representations.audio import MuLaw, Waveform
from morphogen.run import Run

SYSTEM, LEAST = "wavenet", 4  # words of a prompt that is listened to
BATCH = 32  # prompts drawn side by side: those of like length together
SHOWN = 3.5  # seconds at the most of the prompt whose spectrograms are shown

Voice = dict[int, Waveform]  # by the number of the recording


def wavenet_voice(name: str = "asterisk", budget: float = 840.0, directory: Path | None = None, seed: int = 0) -> dict[str, Any]:
    """Bits a sample of held-out sound given its mels, and word error rates of three voices; the sounds are left in the run.

    Arguments:
        name: of the data, one voice with captions.
        budget: seconds of training.
        directory: a run that this recipe has left; None: train, into runs/.
        seed: of training and sampling.
    """
    data = load(name)
    assert isinstance(data.representation, MuLaw) and isinstance(data.train, Sounds) and isinstance(data.test, Sounds)
    mel, listener = MelSpectrogram(data.representation.rate), Listener()  # who does not hear is told so before the training
    run = Run.open(directory) if directory else trained(SYSTEM, data, budget, seed, WithMels(data.train, mel), SIZE, mel=mel)
    model, sounds = run.model(), data.test
    chosen = [i for i, text in enumerate(sounds.captions) if text[0] not in "[(" and len(text.split()) >= LEAST]
    begun = time.perf_counter()
    drawn = _drawn(model, sounds, mel, chosen, seed)
    seconds = time.perf_counter() - begun
    voices = {
        "wavenet": drawn,
        "griffin_lim": {i: _sound(griffin_lim(mel(sounds.recording(i)), mel, _length(sounds, i), seed=seed), mel) for i in chosen},
        "recording": {i: _sound(sounds.recording(i), mel) for i in chosen},
    }
    _keep(run.directory, voices, sounds)
    figures: dict[str, Any] = {voice: {"word_error": _word_error(of, sounds, listener, seed)} for voice, of in voices.items()}
    figures["wavenet"]["likelihood"] = bits_per_dim(model, WithMels(sounds, mel), seed=seed)
    spoken = sum(sound.seconds for sound in drawn.values())
    known = {"data": name, "split": data.split, "n": len(chosen), "seed": seed, "budget": budget, "seconds_spoken": round(spoken, 1)}
    spent = {"steps": run.record["steps"], "seconds": round(run.record["seconds"]), "seconds_drawing": round(seconds, 1)}
    models = {SYSTEM: specimen(SYSTEM, SIZE, data, model, mel=mel)}
    return {"figures": figures, "models": models} | known | spent | circumstances()


def _drawn(model: Model, sounds: Sounds, mel: MelSpectrogram, chosen: list[int], seed: int) -> Voice:
    """Each prompt from its mels, those of like length side by side, silence behind the shorter ones; a row is drawn as if alone."""
    found: Voice = {}
    ordered = sorted(chosen, key=lambda i: _length(sounds, i))
    for rows in (ordered[k : k + BATCH] for k in range(0, len(ordered), BATCH)):
        frames = pad_sequence([mel(sounds.recording(i))[0] for i in rows], batch_first=True, padding_value=mel.silence)
        longest = MuLaw(_length(sounds, rows[-1]), mel.rate, model.representation.levels)  # type: ignore[arg-type]
        whole = Model(model.objective, longest, model.conditioner)
        tensor = whole.sample(len(rows), frames, seed=seed, indices=torch.tensor(rows), batch=BATCH).tensor
        found |= {i: Waveform(sound[0, : _length(sounds, i)], mel.rate) for i, sound in zip(rows, tensor, strict=True)}
    return found


def _word_error(voice: Voice, sounds: Sounds, listener: Callable[[Waveform], str], seed: int) -> Interval:
    """Wrong words over words said, of all prompts together; its interval by drawing other prompts."""
    counts = torch.tensor([word_errors(sounds.captions[i], listener(sound)) for i, sound in sorted(voice.items())])
    return bootstrap(lambda rows: (rows[:, 0].sum() / rows[:, 1].sum()).item(), (counts.double(),), resamples=1000, seed=seed, least=0.0)


def _keep(folder: Path, voices: dict[str, Voice], sounds: Sounds) -> None:
    """VOICE/NNN.wav, texts, and the spectrograms of one prompt: the longest that fits."""
    for voice, of in voices.items():
        (folder / voice).mkdir(exist_ok=True)
        for i, sound in of.items():
            sound.save(folder / voice / f"{i:03d}.wav")
    lines = [f"{i:03d} {sounds.captions[i]}\n" for i in sorted(voices["recording"])]
    (folder / "texts.txt").write_text("".join(lines), encoding="utf8")
    fitting = {i: sound.seconds for i, sound in voices["recording"].items() if sound.seconds <= SHOWN}
    shown = max(fitting or {i: -sound.seconds for i, sound in voices["recording"].items()}, key=lambda i: (fitting.get(i, 0.0), -i))
    rows = {title: [voices[voice][shown].picture()] for title, voice in _TITLES.items()}
    sheet(rows).quantize(64).save(folder / "spectrograms.png", optimize=True)


_TITLES = {"recorded": "recording", "WaveNet": "wavenet", "Griffin-Lim": "griffin_lim"}


def _length(sounds: Sounds, i: int) -> int:
    start, end = sounds.spans[i]
    return end - start


def _sound(tensor: Tensor, mel: MelSpectrogram) -> Waveform:
    return Waveform(tensor[0, 0].float(), mel.rate)
