"""568 prompts of a telephone exchange, spoken by one woman (Allison Smith), with what she says: asterisk-core-sounds-en 1.6.1.

25 minutes of 16 bits at 8 kHz. 94 are digits, ordinals and numbers, others letters and the phonetic alphabet; 257 have four words or more.
They were recorded for the exchange Asterisk, and are given away under CC BY-SA 3.0. Windows are of 8,192 samples, a second and a bit.
"""

__all__ = ["ASTERISK_FILES", "load_asterisk"]

import io
import zipfile

from morphogen.data.cache import pinned
from morphogen.data.dataset import DataError, Dataset
from morphogen.data.sound import Recording, read_sound_content, sounds_by_content

ASTERISK_FILES = {
    "sounds.zip": "50feae81abf2fb426643b3a8def1c6c3f11cc52f720bd0df03fa81c7696ccbcc",
    "core-sounds-en.txt": "4a5c1fea255e06020acd67efe37d162d0f0458f685efe578d224449f8e7f0bb4",
}


def load_asterisk() -> Dataset:
    """The prompts; `captions` of each part says what is spoken in each recording."""
    sounds, texts = (pinned("asterisk", file, sha) for file, sha in ASTERISK_FILES.items())
    said = _spoken(texts.decode("utf8", errors="replace"))
    recordings = []
    with zipfile.ZipFile(io.BytesIO(sounds)) as archive:
        for name in archive.namelist():
            caption = said.get(name.removesuffix(".wav"))
            if caption is not None:
                found = read_sound_content(archive.read(name))
                if isinstance(found, str):
                    raise DataError(f"data 'asterisk': {name}: {found}")
                recordings.append(Recording(*found, caption=caption))
    return sounds_by_content("asterisk", recordings)


def _spoken(texts: str) -> dict[str, str]:
    """`name: what is said`, a line each; comments begin with a semicolon."""
    lines = (line.partition(":") for line in texts.splitlines() if not line.startswith(";"))
    return {name.strip(): text.strip() for name, _, text in lines if text.strip()}
