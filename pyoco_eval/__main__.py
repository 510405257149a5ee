"""`python -m pyoco_eval`: the same as the command `pyoco-eval`."""

from pyoco_eval.cli.main import main

if __name__ == "__main__":
    main()
