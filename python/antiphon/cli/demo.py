"""``antiphon demo``: a whole conversation with the local server, recorded and checked."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "demo"
HELP = "Hold a spoken conversation with the local server, record it, and check the recording."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--dir", type=Path, default=Path("demo"), help="where its files go (%(default)s)"
    )
    parser.add_argument(
        "--simulated", action="store_true", help="in virtual time: the same talk in seconds"
    )


def run(args: argparse.Namespace) -> int:
    """Hold the conversation; 0 if the recording proves it."""
    from antiphon.demo import run_demo

    return run_demo(args.dir, simulated=args.simulated)
