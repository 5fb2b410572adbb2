"""How a script starts and ends: `--help` from its docstring, one clear line for a user's mistake."""

import argparse
import os
import sys
from collections.abc import Callable

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


class Mistake(Exception):
    """Something a user can mend; the message says what is wrong, where, and what to do."""


def run(main: Callable[[], None], docstring: str, mistakes: tuple[type[Exception], ...] = ()) -> None:
    """Run a stage's `main`. A Mistake, or one of `mistakes`, ends in its message and exit status 1."""
    argparse.ArgumentParser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    finish(main, mistakes)


def finish(main: Callable[[], None], mistakes: tuple[type[Exception], ...] = ()) -> None:
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads the output, `head` or a pager, has had enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is lost without a complaint
    except (Mistake, *mistakes) as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        sys.exit("stopped; what was finished is kept")
