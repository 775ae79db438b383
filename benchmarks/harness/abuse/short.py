"""The short form: cheap attacks on one server, while two ordinary visitors go on working."""

import asyncio

from benchmarks.harness.abuse import ATTACKS
from benchmarks.harness.abuse.base import Target
from benchmarks.harness.abuse.ordinary import AnswerRecords, Judge, OrdinaryVisitor, ordinary_people
from benchmarks.harness.app import AppServer

VISITORS, STEPS = 2, 8
SECONDS = 60.0  # that an attack may take


async def try_cheap_attacks(server: AppServer) -> list[str]:
    """Try the cheap attacks one after the other: everything that was not as it should be, each in a sentence."""
    people, records, problems = ordinary_people(VISITORS), AnswerRecords(), list[str]()
    visitors = [OrdinaryVisitor(server.url, person, people, records, think=0.0) for person in people]
    working = [asyncio.create_task(visitor.work(STEPS)) for visitor in visitors]
    for attack in ATTACKS:
        if attack.times:
            target = Target(server.url, SECONDS, attack.times)
            await attack.run(target)
            problems += [f"{attack.name} was answered: {answer}" for answer in attack.unexpected(target.answers)]
    await asyncio.gather(*working)
    problems += records.errors + Judge(people).wrong(records)
    if server.process.poll() is not None:
        problems.append("the server has ended")
    return problems + [f"the server's log: {line}" for line in server.faults]
