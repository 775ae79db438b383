"""A server that is killed while it trains on a visitor's images, and started again."""

import asyncio
from pathlib import Path

from benchmarks.harness.app import ROOT, served, wait_until
from benchmarks.harness.people import Person, start_training
from benchmarks.harness.tab import Tab
from crosspool.ui.runtime.scratch import PREFIX


def leftovers_of_a_kill(folder: Path, app: Path = ROOT) -> tuple[int, int]:
    """How many folders of visitors' images a kill leaves in a temporary folder, and how many the next start does."""
    temporary = folder / "temporary"
    temporary.mkdir()

    def folders() -> int:
        return len(list(temporary.glob(f"{PREFIX}*")))

    def serve(name: str) -> tuple[Path, dict[str, str]]:
        (folder / name).mkdir()
        return folder / name, {"TMPDIR": str(temporary)}

    with served(*serve("first"), cwd=app) as server:
        asyncio.run(_train(server.url))
        wait_until(lambda: folders() > 0)
        server.process.kill()
        server.process.wait()
        left = folders()
    with served(*serve("second"), cwd=app) as server:
        wait_until(server.is_ready)
        return left, folders()


async def _train(url: str) -> None:
    tab, person = Tab(url), Person(0, 9)
    await tab.open("/train_and_compare")
    await person.upload_labelled(tab)
    await start_training(tab)
    await tab.close()
