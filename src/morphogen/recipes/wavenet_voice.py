"""WaveNet as a vocoder: intelligibility of copy-synthesis, and likelihood of the samples.

Held-out prompts are reduced to log-mel frames and converted back to audio by WaveNet and by the algorithm of
Griffin & Lim (1984), which is not trained. Whisper-tiny then transcribes both, and the recordings themselves.
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
from morphogen.data import Dataset, Sounds, WithMels, load_data
from morphogen.evaluation.griffin_lim import griffin_lim
from morphogen.evaluation.intervals import Interval, bootstrap
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.sheet import sheet
from morphogen.evaluation.word_error_rate import SpeechRecogniser, word_errors
from morphogen.media.sound import Waveform
from morphogen.model import Model
from morphogen.recipes.records import environment, model_record
from morphogen.recipes.train_system import SIZE, train_system
from morphogen.representations.audio import MuLaw
from morphogen.run import Run

SYSTEM = "wavenet"
MIN_WORDS = 4  # of a prompt that is transcribed
BATCH = 32  # prompts generated in one batch, sorted by length
MAX_SHOWN_SECONDS = 3.5  # of the prompt whose spectrograms are drawn
VOICE_TITLES = {"recorded": "recording", "WaveNet": "wavenet", "Griffin-Lim": "griffin_lim"}

Voice = dict[int, Waveform]  # by the index of the recording


def wavenet_voice(
    name: str = "asterisk", budget: float = 840.0, directory: Path | None = None, seed: int = 0
) -> dict[str, Any]:
    """Bits per sample of held-out audio given its mel frames, and word error rates of three voices.

    The audio files are written to the run.

    Arguments:
        name: of the data, recordings of one voice with captions.
        budget: seconds of training.
        directory: a run of this recipe; None: train one in runs/.
        seed: of training and sampling.
    """
    data = load_data(name)
    assert isinstance(data.representation, MuLaw) and isinstance(data.test, Sounds)
    mel, sounds = MelSpectrogram(data.representation.rate), data.test
    recogniser = SpeechRecogniser()  # before the training, in case it is not installed
    run = _train(data, mel, budget, seed) if directory is None else Run.open(directory)
    model = run.model()
    prompts = _long_captions(sounds)
    start = time.perf_counter()
    generated = _generate(model, sounds, mel, prompts, seed)
    seconds = time.perf_counter() - start
    voices = {
        "wavenet": generated,
        "griffin_lim": _griffin_lim(sounds, mel, prompts, seed),
        "recording": {i: _waveform(sounds.recording(i), mel) for i in prompts},
    }
    _save(run.directory, voices, sounds)
    figures: dict[str, Any] = {
        title: {"word_error": _word_error(voice, sounds, recogniser, seed)} for title, voice in voices.items()
    }
    figures["wavenet"]["likelihood"] = bits_per_dim(model, WithMels(sounds, mel), seed=seed)
    spoken = sum(sound.seconds for sound in generated.values())
    settings = {"data": name, "split": data.split, "n": len(prompts), "seed": seed, "budget": budget}
    settings["audio_seconds"] = round(spoken, 1)
    cost = {"steps": run.record["steps"], "seconds": round(run.record["seconds"])}
    cost["sampling_seconds"] = round(seconds, 1)
    models = {SYSTEM: model_record(SYSTEM, SIZE, data, model, mel=mel)}
    return {"figures": figures, "models": models} | settings | cost | environment()


def _train(data: Dataset, mel: MelSpectrogram, budget: float, seed: int) -> Run:
    assert isinstance(data.train, Sounds)
    return train_system(SYSTEM, data, budget, seed, WithMels(data.train, mel), SIZE, mel=mel)


def _long_captions(sounds: Sounds) -> list[int]:
    """Indices of the recordings of speech, with at least `MIN_WORDS` words."""
    captions = enumerate(sounds.captions)
    return [i for i, text in captions if text[0] not in "[(" and len(text.split()) >= MIN_WORDS]


def _generate(model: Model, sounds: Sounds, mel: MelSpectrogram, prompts: list[int], seed: int) -> Voice:
    """WaveNet's audio of each prompt, from its mel frames.

    Prompts of similar length form a batch, and shorter ones are padded with silence. A sample does not depend
    on the rest of its batch.
    """
    voice: Voice = {}
    by_length = sorted(prompts, key=lambda i: _length(sounds, i))
    for rows in (by_length[k : k + BATCH] for k in range(0, len(by_length), BATCH)):
        frames = pad_sequence(
            [mel(sounds.recording(i))[0] for i in rows], batch_first=True, padding_value=mel.silence
        )
        levels: Any = model.representation.levels
        longest = MuLaw(_length(sounds, rows[-1]), mel.rate, levels)
        vocoder = Model(model.objective, longest, model.conditioner)
        indices = torch.tensor(rows)
        samples = vocoder.sample(len(rows), frames, seed=seed, indices=indices, batch=BATCH).tensor
        for i, sample in zip(rows, samples, strict=True):
            voice[i] = Waveform(sample[0, : _length(sounds, i)], mel.rate)
    return voice


def _griffin_lim(sounds: Sounds, mel: MelSpectrogram, prompts: list[int], seed: int) -> Voice:
    """Griffin & Lim's audio of each prompt, from its mel frames."""
    return {
        i: _waveform(griffin_lim(mel(sounds.recording(i)), mel, _length(sounds, i), seed=seed), mel)
        for i in prompts
    }


def _word_error(voice: Voice, sounds: Sounds, recogniser: Callable[[Waveform], str], seed: int) -> Interval:
    """Word error rate of all prompts together, with a bootstrap interval over prompts."""
    counts = torch.tensor(
        [word_errors(sounds.captions[i], recogniser(sound)) for i, sound in sorted(voice.items())]
    )
    return bootstrap(
        lambda rows: (rows[:, 0].sum() / rows[:, 1].sum()).item(),
        (counts.double(),),
        resamples=1000,
        seed=seed,
        minimum=0.0,
    )


def _save(folder: Path, voices: dict[str, Voice], sounds: Sounds) -> None:
    """Write VOICE/NNN.wav, the texts, and the spectrograms of the longest prompt within the limit."""
    for title, voice in voices.items():
        (folder / title).mkdir(exist_ok=True)
        for i, sound in voice.items():
            sound.save(folder / title / f"{i:03d}.wav")
    lines = [f"{i:03d} {sounds.captions[i]}\n" for i in sorted(voices["recording"])]
    (folder / "texts.txt").write_text("".join(lines), encoding="utf8")
    durations = {i: sound.seconds for i, sound in voices["recording"].items()}
    fitting = {i: seconds for i, seconds in durations.items() if seconds <= MAX_SHOWN_SECONDS}
    candidates = fitting or {i: -seconds for i, seconds in durations.items()}
    shown = max(candidates, key=lambda i: (fitting.get(i, 0.0), -i))
    rows = {title: [voices[voice][shown].spectrogram()] for title, voice in VOICE_TITLES.items()}
    sheet(rows).quantize(64).save(folder / "spectrograms.png", optimize=True)


def _length(sounds: Sounds, i: int) -> int:
    start, end = sounds.spans[i]
    return end - start


def _waveform(tensor: Tensor, mel: MelSpectrogram) -> Waveform:
    return Waveform(tensor[0, 0].float(), mel.rate)
