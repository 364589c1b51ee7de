"""`python -m morphogen`: the command line, for launchers such as `accelerate launch -m morphogen train`."""

from morphogen.cli import main

if __name__ == "__main__":
    main()
