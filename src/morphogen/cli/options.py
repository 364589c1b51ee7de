"""Options that several commands share."""

__all__ = [
    "Device",
    "Force",
    "Length",
    "OptionalSeed",
    "OptionalSize",
    "Resolution",
    "Runs",
    "Seed",
    "Size",
    "TableOption",
    "Tokenizer",
]

from pathlib import Path
from typing import Annotated

from typer import Option

Device = Annotated[str, Option(help="device to run on: cpu, cuda, or auto (the GPU if there is one)")]
Force = Annotated[
    bool, Option("--force", help="train although it takes days on this machine; prints the estimated time")
]
Length = Annotated[
    int | None,
    Option(help="window length: tokens of a text (default: 64), samples of a sound (default: 8192)"),
]
Resolution = Annotated[
    int | None,
    Option(help="side to resize pictures to, in pixels (default: their own if equal and small, else 32)"),
]
Runs = Annotated[Path, Option(help="folder in which to look for the newest finished run")]
Seed = Annotated[int, Option(help="seed of all random numbers")]
OptionalSeed = Annotated[int | None, Option("--seed", help="seed of all random numbers (default: 0)")]
OptionalSize = Annotated[
    str | None, Option("--size", help="size of the model: tiny, small or paper (default: small)")
]
Size = Annotated[str, Option(help="size of the model: tiny, small or paper")]
TableOption = Annotated[
    list[str] | None,
    Option(
        "--table",
        help="how a table is written: decimal=, or header=no, dates=day-first, separator=tab, missing=k.A., "
        "encoding=cp1252, sheet=NAME; drop=COLUMN leaves a column out; may be given several times "
        "(default: inferred, and noted where it is ambiguous)",
    ),
]
Tokenizer = Annotated[
    str | None,
    Option(
        help="tokens of a text: bytes, characters, or a vocabulary learned from it: bpe:1000, unigram:1000 "
        "(default: bytes; for pairs of texts bpe:2000)"
    ),
]
