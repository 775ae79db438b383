"""How far a command is: bars on a terminal; elsewhere, such as in a log, a line every few seconds. Both on stderr."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich import progress
from rich.console import Console
from rich.text import Text

from crosspool.cli.console import complain
from crosspool.text import duration_text

SECONDS_BETWEEN_LINES = 10.0
SHOWN_STAGES = 4  # the last ones
ESTIMATE_SECONDS = 120.0  # the time left is estimated from the speed in the last two minutes


class CommandProgress(progress.Progress):
    """Bars on a terminal; elsewhere a line about the latest task every `SECONDS_BETWEEN_LINES`."""

    def __init__(self, *counts: progress.ProgressColumn) -> None:
        console = Console(stderr=True)
        self._counts = counts
        description = progress.TextColumn("{task.description}", markup=False)
        super().__init__(
            *(description, progress.BarColumn(), *counts, progress.TimeRemainingColumn()),
            console=console,
            disable=not console.is_terminal,
            transient=True,
            speed_estimate_period=ESTIMATE_SECONDS,
        )
        self._ended = threading.Event()
        self._writer = threading.Thread(target=self._write_lines, name="crosspool-progress", daemon=True)

    def start(self) -> None:
        super().start()
        if self.disable:
            self._writer.start()

    def stop(self) -> None:
        super().stop()
        if self.disable:
            self._ended.set()
            self._writer.join()

    def _write_lines(self) -> None:
        with suppress(OSError, ValueError):  # nobody reads standard error any more: work goes on without lines
            while not self._ended.wait(SECONDS_BETWEEN_LINES):
                if self.tasks:
                    complain(self._line(self.tasks[-1]))

    def _line(self, task: progress.Task) -> str:
        counts = ", ".join(filter(None, (str(column.render(task)).strip() for column in self._counts)))
        if task.finished:
            return f"{task.description}: {counts}, finishing"
        left = task.time_remaining
        return f"{task.description}: {counts}" + ("" if left is None else f", about {duration_text(left)} left")


class RateColumn(progress.ProgressColumn):
    """Images a second."""

    def render(self, task: progress.Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} images/s" if speed < 10 else f"{speed:.0f} images/s")


def images_progress() -> CommandProgress:
    """Progress that counts images, with how many a second."""
    return CommandProgress(progress.MofNCompleteColumn(separator=" of "), RateColumn())


def download_progress() -> CommandProgress:
    """Progress in megabytes, with the speed."""
    return CommandProgress(progress.DownloadColumn(), progress.TransferSpeedColumn())


@contextmanager
def stages_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function that shows the progress of each stage, which begins when it is first named."""
    tasks: dict[str, progress.TaskID] = {}
    with images_progress() as stages:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = stages.add_task(stage, total=total)
                for old in list(tasks.values())[:-SHOWN_STAGES]:
                    stages.update(old, visible=False)
            stages.update(tasks[stage], completed=done)

        yield show
