"""Run several commands, given as JSON lists of words, in one process, because starting a process is slow."""

import json
import sys

from morphogen.cli import main

if __name__ == "__main__":
    for words in map(json.loads, sys.argv[1:]):
        sys.argv = ["morphogen", *words]
        try:
            main()
        except SystemExit as end:
            assert not end.code, f"{words} ended with {end.code}"
