"""What a stranger gets who asks for another visitor's data: `python -m benchmarks.robustness.strangers`.

One visitor uploads an image and labelled ones, looks at maps and trains. A stranger then tries to get at any of it:
by addresses, widgets' states, uploads, messages and requests, knowing everything that could be known: the image's
SHA-256, the ids of widgets, fragments and files, even the visitor's session id where the attempt says so. Everything
that the stranger receives is searched for the visitor's name, thumbnail and maps, which must still be there afterwards.

Some ids are secrets that nobody can guess (a session's has 122 random bits, a file's address is a hash of its
content): what they open to anyone who has them is printed in a second table.
"""

import asyncio
import sys

import typer

from benchmarks.harness.app import served
from benchmarks.harness.command import print_markdown
from benchmarks.harness.strangers.attempts import try_everything
from benchmarks.harness.strangers.case import intrusion_case, use_secrets


async def _all(url: str) -> tuple[dict[str, str], dict[str, str]]:
    async with intrusion_case(url) as case:
        return await try_everything(case), await use_secrets(case)


def main() -> None:
    """Try everything against a new server."""
    with served() as server:
        attempts, secrets = asyncio.run(_all(server.url))
    rows = [[name, result or "nothing"] for name, result in attempts.items()]
    print_markdown(["a stranger tries", "and gets"], rows, words=["and gets"])
    print()
    print_markdown(["anyone who has this secret", "gets"], [[*row] for row in secrets.items()], words=["gets"])
    sys.exit(any(attempts.values()))


if __name__ == "__main__":
    typer.run(main)
