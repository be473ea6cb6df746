"""``python -m tests.storm``: many sessions, and what became of them."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.storm.session import Report, run_session


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0, help="of the first session")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)  # everything that is logged goes wrong on purpose
    seeds = range(args.seed, args.seed + args.sessions)
    with ProcessPoolExecutor(args.processes) as pool:
        reports = list(pool.map(run_session, seeds, chunksize=4))
    print_summary(reports)
    return 1 if any(report.wrong for report in reports) else 0


def print_summary(reports: list[Report]) -> None:
    for mode in sorted({report.mode for report in reports}):
        of_mode = [report for report in reports if report.mode == mode]
        counts = sum((report.counts for report in of_mode), Counter())
        gaps = sorted(gap for report in of_mode for gap in report.gaps_s)
        print(f"{mode}: {len(of_mode)} sessions")
        for outcome, count in Counter(report.outcome for report in of_mode).most_common():
            print(f"  {count:5}  {outcome}")
        for name, count in sorted(counts.items()):
            print(f"  {count:9}  {name}")
        if gaps:
            worst, median = gaps[-1], gaps[len(gaps) // 2]
            print(f"  without a connection: median {median:.2f} s, worst {worst:.2f} s")
    wrong = [report for report in reports if report.wrong]
    print(f"{len(wrong)} of {len(reports)} sessions went wrong")
    for report in wrong[:40]:
        print(f"  seed {report.seed} ({report.mode}, {report.outcome}): {'; '.join(report.wrong)}")


if __name__ == "__main__":
    raise SystemExit(main())
