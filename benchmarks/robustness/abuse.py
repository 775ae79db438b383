"""Do attacks keep ordinary visitors waiting? `python -m benchmarks.robustness.abuse` tries one after the other.

For each a new server is limited to 4 GiB and 2 cores. Eight ordinary visitors work, first undisturbed and then while it
is attacked. It has passed when no answer of theirs takes longer than three times the undisturbed median and one second,
none is wrong, every answer to the attacker is as it should be, nothing is killed, no error is logged, and memory comes
back. Visitors and attackers use the server's own cores where the machine has no others, and the work of other programs
is measured: where that is much, try again.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.harness.abuse import ATTACKS
from benchmarks.harness.abuse.base import Attack
from benchmarks.harness.abuse.killed import leftovers_of_a_kill
from benchmarks.harness.abuse.ordinary import Judge, ordinary_people
from benchmarks.harness.abuse.short import try_cheap_attacks
from benchmarks.harness.abuse.trial import SETTINGS, Outcome, try_attack
from benchmarks.harness.app import ROOT, served
from benchmarks.harness.command import machine_load, print_markdown
from benchmarks.harness.confined import confined

CORES, MEGABYTES = 2, 4096
VISITORS = 8
KILLING = "killed-while-training"
HEADER = [
    "attack", "what the server answered", "median before", "slowest before", "slowest answer", "limit", "peak, MB",
    "kept, MB", "others' cores", "verdict",
]  # fmt: skip


@contextmanager
def _clients_elsewhere() -> Iterator[None]:
    """Keep this process and its attackers off the server's cores, if the machine has others."""
    own = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, own[CORES:] or own)
    yield
    os.sched_setaffinity(0, own)


def _try(attack: Attack, judge: Judge, seconds: float, think: float, app: Path) -> tuple[Outcome, str]:
    people = ordinary_people(VISITORS)
    with (
        TemporaryDirectory() as folder,
        confined(Path(folder), SETTINGS, megabytes=MEGABYTES, cores=CORES, cwd=app) as server,
        _clients_elsewhere(),
    ):
        return asyncio.run(try_attack(attack, server, people, judge, seconds, think)), server.enforced


def _row(outcome: Outcome) -> list[str]:
    answers = "; ".join(f"{count:,} × {answer}" for answer, count in outcome.answers.most_common(3))
    seconds = (f"{each:.2f} s" for each in (outcome.median, outcome.slowest_before, outcome.slowest, outcome.limit))
    sizes = f"{outcome.peak:,.0f}", f"{outcome.kept:+,.0f}", f"{outcome.others:.1f}"
    return [outcome.name, answers, *seconds, *sizes, "; ".join(outcome.problems[:2]) or "passed"]


def _chosen(names: Sequence[str]) -> list[Attack]:
    unknown = set(names) - {attack.name for attack in ATTACKS} - {KILLING}
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: there is no such attack; --list names them.")
    return [attack for attack in ATTACKS if attack.name in names or not names]


def _try_killing(app: Path) -> bool:
    """Kill a server that trains and start it again; whether nothing was left of the visitor's images."""
    with TemporaryDirectory() as folder:
        left, rest = leftovers_of_a_kill(Path(folder), app)
    print(f"\nKilled while it trained, a server left {left} folders of a visitor's images; the next start left {rest}.")
    return left > 0 and rest == 0


def _try_short() -> bool:
    with served(environment=SETTINGS) as server:
        problems = asyncio.run(try_cheap_attacks(server))
    print("\n".join(problems) or "All cheap attacks are refused, and every visitor's answer is right.")
    return not problems


def main(
    attack: Annotated[list[str] | None, typer.Option(help="Only these; all by default.")] = None,
    seconds: Annotated[float, typer.Option(help="How long each lasts, and the time before it.")] = 20.0,
    think: Annotated[float, typer.Option(help="Seconds between two steps of a visitor, on average.")] = 3.0,
    app: Annotated[Path, typer.Option(help="The folder of another checkout, whose app is attacked instead.")] = ROOT,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the results to this file, too.")] = None,
    short: Annotated[bool, typer.Option(help="Only cheap ones, a few times each, on one server.")] = False,
    only_list: Annotated[bool, typer.Option("--list", help="Print the attacks, and try none.")] = False,
) -> None:
    """Try the attacks, and print a table."""
    chosen = _chosen(attack or ())
    if only_list:
        print_markdown(
            ["attack", "what is done"], [[each.name, each.sentence] for each in chosen], words=["what is done"]
        )
        return
    if short:
        sys.exit(not _try_short())
    judge, outcomes, limit = Judge(ordinary_people(VISITORS)), list[Outcome](), ""
    print(f"{VISITORS} visitors; {machine_load()}", flush=True)
    for each in chosen:
        outcome, limit = _try(each, judge, seconds, think, app)
        outcomes.append(outcome)
        print(f"{each.name}: {'; '.join(outcome.problems) or 'passed'}", file=sys.stderr, flush=True)
        if as_json is not None:
            as_json.write_text(json.dumps([every.as_json() for every in outcomes], indent=1), encoding="utf-8")
    if outcomes:
        print(f"Memory is limited to {limit}.\n")
        print_markdown(HEADER, [_row(outcome) for outcome in outcomes], words=[HEADER[1], HEADER[-1]])
    is_clean = _try_killing(app) if not attack or KILLING in attack else True
    sys.exit(not (is_clean and all(outcome.passed for outcome in outcomes)))


if __name__ == "__main__":
    typer.run(main)
