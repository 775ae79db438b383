"""The process of an attack: `python -m benchmarks.harness.abuse.attacker NAME URL SECONDS`, see `trial`."""

import asyncio
import json
import os
import sys

from benchmarks.harness.abuse import ATTACKS
from benchmarks.harness.abuse.base import END_SECONDS, Attack, Target

NICENESS = 5  # its work would be another machine's


async def _run(attack: Attack, target: Target) -> None:
    try:
        async with asyncio.timeout(target.seconds + END_SECONDS):
            await attack.run(target)
    except TimeoutError:
        target.note("the attack was broken off")


def main(name: str, url: str, seconds: str) -> None:
    """Wait for a line, attack, and print as JSON what was answered."""
    (attack,) = (attack for attack in ATTACKS if attack.name == name)
    os.nice(NICENESS)
    sys.stdin.readline()
    target = Target(url, float(seconds))
    asyncio.run(_run(attack, target))
    print(json.dumps(target.answers), flush=True)
    os._exit(0)  # threads that still wait for an answer would be waited for


if __name__ == "__main__":
    main(*sys.argv[1:])
