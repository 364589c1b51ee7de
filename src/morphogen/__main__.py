"""`python -m morphogen`: the command line, for launchers that start a module (`accelerate launch -m morphogen train ...`)."""

from morphogen.cli import main

if __name__ == "__main__":
    main()
