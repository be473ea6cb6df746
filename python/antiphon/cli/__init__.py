"""The command `antiphon`.

Each subcommand is a module of this package with four names: ``NAME`` and ``HELP`` (text),
``add_arguments(parser)`` and ``run(args) -> int``, which returns the exit code. Its heavy imports
belong inside ``run``. To add one, put the file here: it is found by itself.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import pkgutil
import sys
from collections.abc import Sequence

from antiphon import __version__
from antiphon.errors import AntiphonError

__all__ = ["main"]

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code.

    Errors of antiphon become one line on standard error and exit code 1, Ctrl-C becomes 130.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a poor terminal must not end a conversation
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except (AntiphonError, ValueError) as error:
        print(f"antiphon: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_ERROR
    except BrokenPipeError:
        # Whoever read the output has gone; what is left of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="antiphon", description="Live voice conversation with Gemini, and a local server."
    )
    parser.add_argument("--version", action="version", version=f"antiphon {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if name.startswith("_"):
            continue
        command = importlib.import_module(f"{__name__}.{name}")
        subparser = subparsers.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser
