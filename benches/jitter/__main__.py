"""Play the judge's traces, and write the table and the picture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benches import report, rust_programs
from benches.circumstances import circumstances
from benches.jitter import contestants, driver, measured, pictures, pulls, scoring, table, targets
from benches.jitter.judge import TARGET, load
from benches.jitter.traces import fresh, public

PACKAGES = ("numpy", "scipy", "numba")


def main() -> None:
    """Parse the command line; measure; write; show what was asked."""
    options = _options()
    whole = not options.quick and not options.only
    out: Path = options.out or (report.RESULTS if whole else TARGET)
    out.mkdir(parents=True, exist_ok=True)
    run = measure(options, sys.argv[1:])
    stem = "jitter-held-out" if run.seeds else "jitter"
    measured.save(run, out / f"{stem}.json")
    pictures.draw(run, out / f"{stem}.png")
    (out / f"{stem}.md").write_text(table.render(run))
    print(targets.render(targets.check(run)))
    print(f"written: {out}/{stem}.md, {stem}.json and {stem}.png")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benches.jitter", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"three traces, into target/{TARGET.name}: to see whether it works",
    )
    parser.add_argument(
        "--seeds",
        type=_seeds,
        default=[],
        metavar="N,N",
        help="fresh traces with these seeds instead of the public ones (jitter-held-out.*)",
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="WORD",
        help=f"only who has it in the name, such as antiphon; into target/{TARGET.name}",
    )
    parser.add_argument("--out", type=Path, default=None, help="where the results go")
    return parser.parse_args()


def _seeds(text: str) -> list[int]:
    return [int(seed) for seed in text.split(",")]


def measure(options: argparse.Namespace, arguments: list[str]) -> measured.Measured:
    """A whole run: some minutes, or one if it has to be quick."""
    judge = load()
    traces = (
        fresh(judge, options.seeds, quick=options.quick)
        if options.seeds
        else public(judge, quick=options.quick)
    )
    report.say("building the driver of the neteq crate")
    library, no_crate = None, None
    try:
        library = driver.library()
    except rust_programs.NotBuiltError as error:
        no_crate = str(error)
    playing, absent = contestants.taking_part(options.only, no_crate)
    jobs = scoring.jobs(traces, playing, library)
    report.say(f"{len(jobs)} runs on {len(traces)} traces")
    rows = scoring.run(jobs, report.say)
    report.say("pulls inside Rust")
    try:
        times = pulls.measure(judge, rounds=3 if options.quick else 21)
    except rust_programs.NotBuiltError as error:
        times, absent["pull inside Rust"] = [], str(error)
    return measured.Measured(
        circumstances=circumstances(arguments, program="benches.jitter", packages=PACKAGES),
        seeds=options.seeds,
        rows=rows,
        pulls=times,
        absent=absent,
    )


if __name__ == "__main__":
    main()
