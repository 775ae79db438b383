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
UNFORESEEN = ("Learning", "Tuning")  # how stages begin that end once they have learned enough
ESTIMATE_SECONDS = 120.0  # the time left is estimated from the speed in the last two minutes


class CommandProgress(progress.Progress):
    """Bars on a terminal; elsewhere a line about the latest task every `SECONDS_BETWEEN_LINES`."""

    def __init__(self, *counts: progress.ProgressColumn) -> None:
        console = Console(stderr=True)
        self._counts = counts
        description = progress.TextColumn("{task.description}", markup=False)
        super().__init__(
            *(description, progress.BarColumn(), *counts, TimeLeftColumn()),
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
        line = f"{task.description}: {counts}" if counts else task.description
        if task.finished:
            return f"{line}, finishing"
        left = _seconds_left(task)
        return line if left is None else f"{line}, about {duration_text(left)} left"


def _seconds_left(task: progress.Task) -> float | None:
    return None if task.description.startswith(UNFORESEEN) else task.time_remaining


class TimeLeftColumn(progress.TimeRemainingColumn):
    """The time left, where it can be foreseen."""

    def render(self, task: progress.Task) -> Text:
        return Text("") if _seconds_left(task) is None else super().render(task)


class CountColumn(progress.MofNCompleteColumn):
    """How many of how many, where that is known."""

    def render(self, task: progress.Task) -> Text:
        return Text("") if task.total is None else super().render(task)


class RateColumn(progress.ProgressColumn):
    """Images a second."""

    def render(self, task: progress.Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} images/s" if speed < 10 else f"{speed:.0f} images/s")


def images_progress() -> CommandProgress:
    """Progress that counts images, with how many a second."""
    return CommandProgress(CountColumn(separator=" of "), RateColumn())


def download_progress() -> CommandProgress:
    """Progress in megabytes, with the speed."""
    return CommandProgress(progress.DownloadColumn(), progress.TransferSpeedColumn())


@contextmanager
def stages_progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """A function that shows the progress of each stage: it begins when it is first named, and ends the one before."""
    tasks: dict[str, progress.TaskID] = {}
    with images_progress() as stages:

        def show(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                whole = [task.id for task in stages.tasks if task.finished][1 - SHOWN_STAGES :]
                for old in tasks.values():
                    stages.update(old, visible=old in whole)
                tasks[stage] = stages.add_task(stage, total=total)
            stages.update(tasks[stage], completed=done, total=total)

        yield show
