"""568 telephone prompts with transcripts, spoken by one woman (Allison Smith): asterisk-core-sounds-en 1.6.1.

25 minutes at 16 bits and 8 kHz, recorded for the telephone exchange Asterisk and published under CC BY-SA
3.0. 94 prompts are digits, ordinals and numbers; others are letters and the phonetic alphabet; 257 have four
words or more. A window has 8,192 samples, slightly more than a second.
"""

__all__ = ["ASTERISK_FILES", "load_asterisk"]

import io
import zipfile

from morphogen.data.cache import pinned
from morphogen.data.dataset import DataError, Dataset
from morphogen.data.sound import read_sound_content, sounds_by_content
from morphogen.data.sound_windows import Recording

ASTERISK_FILES = {
    "sounds.zip": "50feae81abf2fb426643b3a8def1c6c3f11cc52f720bd0df03fa81c7696ccbcc",
    "core-sounds-en.txt": "4a5c1fea255e06020acd67efe37d162d0f0458f685efe578d224449f8e7f0bb4",
}


def load_asterisk() -> Dataset:
    """The prompts that have a transcript; `captions` of each part holds the transcript of each recording."""
    sounds, texts = (pinned("asterisk", file, sha) for file, sha in ASTERISK_FILES.items())
    transcripts = _transcripts(texts.decode("utf8", errors="replace"))
    recordings = []
    with zipfile.ZipFile(io.BytesIO(sounds)) as archive:
        for name in archive.namelist():
            caption = transcripts.get(name.removesuffix(".wav"))
            if caption is not None:
                sound = read_sound_content(archive.read(name))
                if isinstance(sound, str):
                    raise DataError(f"data 'asterisk': {name}: {sound}")
                recordings.append(Recording(sound.samples, sound.rate, caption=caption))
    return sounds_by_content("asterisk", recordings)


def _transcripts(texts: str) -> dict[str, str]:
    """Parse lines `name: transcript`; a comment starts with a semicolon."""
    lines = (line.partition(":") for line in texts.splitlines() if not line.startswith(";"))
    return {name.strip(): text.strip() for name, _, text in lines if text.strip()}
