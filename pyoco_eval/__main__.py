"""`python -m pyoco_eval` and the command `pyoco-eval`.

Nothing is imported before `main` runs, so that Ctrl-C is answered alike from the first moment.
"""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from pyoco_eval.cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)  # noqa: T201
        sys.exit(130)


if __name__ == "__main__":
    main()
