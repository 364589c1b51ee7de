"""The peer's process: it runs the requested peers, counts their CPU time and memory, and reports failures."""

import pytest

from benchmarks.peer_process import PeerProcess

STARTUP = ["startup", "vs-default"]


@pytest.mark.skipif(
    "not __import__('importlib.util').util.find_spec('diffusers')",
    reason="the peer's command is not installed",
)
def test_repetitions_run_in_the_process_and_are_counted() -> None:
    with PeerProcess(STARTUP) as peers:
        peers.ready()
        before = peers.seconds()
        peers.peer(1)()  # imports transformers in a child process
        assert peers.seconds() - before > 0.2


def test_peak_memory_of_both_sides() -> None:
    with PeerProcess(STARTUP) as peers:
        peers.ready()
        allocated = bytearray(b"1") * 2**28
        peak = peers.memory_mib()
        del allocated
        # the kernel counts in batches, hence the margin
        assert peers.memory_mib()["ours"] > peak["ours"] - 2 > 256 > peak["peer"] > 4


def test_a_failing_peer_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    with PeerProcess(STARTUP) as peers:
        peers.ready()
        with pytest.raises(RuntimeError, match="its error output is above"):
            peers.peer(7)()
    assert "IndexError" in capfd.readouterr().err
