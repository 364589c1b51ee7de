"""Benchmarks against other libraries ("peers"), each in its own process, with interleaved repetitions.

    python -m benchmarks                          list all benchmarks
    python -m benchmarks vae-train vs-default     run one and print a JSON line per figure
    python -m benchmarks all                      run all and store them in results/DATE-MACHINE.json

A name is `BENCH [PRECISION] [compiled] [bN] vs-default|vs-best`. With vs-default the peer runs as in its
documentation; with vs-best it also uses what its user can enable in one line: bf16 where the hardware has it,
channels-last, a fused optimizer. Our side is the public API in both cases: `morphogen.train` and
`Model.sample`. A ratio above 1 means that we are faster.
"""
