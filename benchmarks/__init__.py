"""Side by side with the peers, each in its own process, in turns: what a person gets for the same second of the same machine.

    python -m benchmarks                                    the names
    python -m benchmarks vae-train vs-default               one JSON line a figure
    python -m benchmarks all                                all of them, stored in results/DATE-MACHINE.json

A name is `BENCH [PRECISION] [compiled] [bN] vs-default|vs-best`. vs-default: the peer as its documentation runs it. vs-best: the same
peer with what its user may switch on by a line: bf16 where the hardware multiplies it, channels-last, a fused optimiser. Ours is the
public product in both: `morphogen.train`, `Model.sample`. A ratio above 1 says that we are faster.
"""
