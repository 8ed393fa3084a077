"""`python -m peer`: compare two exec-servers; see README.md."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .cases import Case
from .compare import differences
from .corpus import all_cases
from .runner import Outcome, Run


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    cases = _selected(options.only, options.later)
    if options.list:
        for case in cases:
            say(case.name)
        return 0
    reference = _reference(options, cases)
    if options.record:
        recorded = {name: asdict(outcome) for name, outcome in reference.items()}
        options.record.write_text(json.dumps(recorded, indent=0, sort_keys=True))
    if not options.ours:
        say(f"{len(cases)} cases, recorded")
        return 0
    ours = _run(options, cases, options.ours, "ours", options.self_check)
    return _report(cases, reference, ours, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="peer", description="Compare two exec-servers over the corpus.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--reference", metavar="CMD", help="command line of the reference (NAME=VALUE may precede it)")
    source.add_argument("--recorded", metavar="FILE", type=Path, help="the reference's answers, from --record")
    source.add_argument("--list", action="store_true", help="print the cases' names and stop")
    parser.add_argument("--ours", metavar="CMD", help="command line of the server to check")
    parser.add_argument("--work-dir", metavar="DIR", type=Path, help="an own directory, not below /tmp")
    parser.add_argument("--record", metavar="FILE", type=Path, help="write the reference's answers")
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        action="append",
        help="part of a case's name, or a shell pattern for all of it; again",
    )
    parser.add_argument("--later", action="store_true", help="also what ours does not do yet")
    parser.add_argument("--self-check", action="store_true", help="both are the reference: no difference is allowed")
    parser.add_argument("--workers", type=int, default=6, metavar="N", help="cases at once (default 6)")
    parser.add_argument("-v", "--verbose", action="store_true", help="every difference, not the first of a case")
    return parser


def _selected(patterns: list[str] | None, later: bool) -> list[Case]:
    chosen = [case for case in all_cases() if later or not case.later]
    return [case for case in chosen if patterns is None or any(_matches(case.name, pattern) for pattern in patterns)]


def _matches(name: str, pattern: str) -> bool:
    return pattern in name or fnmatch.fnmatchcase(name, pattern)


def _reference(options: argparse.Namespace, cases: list[Case]) -> dict[str, Outcome]:
    if options.recorded:
        recorded = json.loads(options.recorded.read_text())
        return {name: Outcome(**outcome) for name, outcome in recorded.items()}
    return _run(options, cases, options.reference, "reference", True)


def _run(
    options: argparse.Namespace, cases: list[Case], command: str, role: str, is_reference: bool
) -> dict[str, Outcome]:
    if options.work_dir is None:
        sys.exit("peer: --work-dir is needed to run a server")
    work_dir = options.work_dir.resolve()
    work_dir.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    outcomes = Run(command, work_dir, role, is_reference, options.workers).all(cases)
    steps = sum(len(outcome.answers) for outcome in outcomes.values())
    say(f"{role}: {len(outcomes)} cases, {steps} steps, {time.monotonic() - started:.1f} s", aside=True)
    return outcomes


def _report(
    cases: list[Case], reference: dict[str, Outcome], ours: dict[str, Outcome], options: argparse.Namespace
) -> int:
    differing = 0
    for case in cases:
        if case.name not in reference:
            found = ["not in the recorded file: record again"]
        else:
            found = differences(case, reference[case.name], ours[case.name], options.self_check)
        if found:
            differing += 1
            shown = found if options.verbose else found[:1]
            more = "" if len(shown) == len(found) else f"\n    ... {len(found) - 1} more"
            say(f"{case.name}\n    " + "\n    ".join(shown) + more)
    left_out = sum(1 for case in cases if ours[case.name].left_out)
    if left_out:
        say(f"{left_out} cases left out (they need root, or the reference must not be asked)")
    say(f"{len(cases)} cases, {differing} differ")
    return 1 if differing else 0


def say(text: str, *, aside: bool = False) -> None:
    """Names may hold any bytes: nothing that a terminal cannot take is written."""
    target = sys.stderr if aside else sys.stdout
    target.write(text.encode("ascii", "backslashreplace").decode() + "\n")


if __name__ == "__main__":
    sys.exit(main())
