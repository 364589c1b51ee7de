"""The peer's process runs what it is asked to, its seconds and memory are counted, and its end is said."""

import pytest

from benchmarks.apart import Apart

STARTUP = ["startup", "vs-default"]


@pytest.mark.skipif("not __import__('importlib.util').util.find_spec('diffusers')", reason="the peer's command is not here")
def test_a_repetition_is_run_there_and_counted() -> None:
    with Apart(STARTUP) as peers:
        peers.ready()
        before = peers.seconds()
        peers.peer(1)()  # imports transformers in yet another process
        assert peers.seconds() - before > 0.2


def test_the_most_memory_that_was_held_is_told_of_each_side() -> None:
    with Apart(STARTUP) as peers:
        peers.ready()
        held = bytearray(b"1") * 2**28
        most = peers.memory_mib()
        del held
        assert peers.memory_mib()["ours"] > most["ours"] - 2 > 256 > most["peer"] > 4  # the kernel counts in batches


def test_a_peer_that_fails_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    with Apart(STARTUP) as peers:
        peers.ready()
        with pytest.raises(RuntimeError, match="its last words are above"):
            peers.peer(7)()
    assert "IndexError" in capfd.readouterr().err
