"""How far a command is: lines on standard error where that is no terminal."""

import re
import time

import pytest

from crosspool.cli import main, progress
from crosspool.cli.progress import CommandProgress, download_progress, images_progress, stages_progress
from crosspool.samples import FOLDER
from crosspool.text import duration_text

CAT = str(FOLDER / "cat.jpg")
LINE = re.compile(r"crosspool: (.+): (\d+) of (\d+)(?:, [\d.]+ images/s)?(, about .+ left|, finishing)?")


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.02)


def first_line_like(capsys, expected):
    """The first line like the expression, which has to come in time."""
    deadline, err = time.monotonic() + 60, ""
    while time.monotonic() < deadline:
        err += capsys.readouterr().err
        for line in err.splitlines():
            if re.fullmatch(expected, line):
                return line
        time.sleep(0.01)
    raise AssertionError(f"no line like {expected} in:\n{err}")


def test_a_line_tells_count_total_and_time_left(capsys) -> None:
    with images_progress() as bar:
        task = bar.add_task("Split [1]", total=3)
        first_line_like(capsys, r"crosspool: Split \[1\]: 0 of 3")
        bar.advance(task)
        time.sleep(0.01)
        bar.advance(task)
        first_line_like(capsys, r"crosspool: Split \[1\]: 2 of 3, \d+ images/s, about \d+ s left")
        bar.advance(task)
        first_line_like(capsys, r"crosspool: Split \[1\]: 3 of 3, \d+ images/s, finishing")
    capsys.readouterr()
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_a_download_counts_megabytes(capsys) -> None:
    with download_progress() as bar:
        task = bar.add_task("alexnet", total=244e6)
        bar.update(task, completed=61e6)
        first_line_like(capsys, r"crosspool: alexnet: 61\.0/244\.0 MB, .*")


def test_a_short_command_says_nothing(capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 10.0)
    with images_progress() as bar:
        bar.advance(bar.add_task("Pooling", total=1))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "task"),
    [
        (f"pool {CAT} {CAT} --size 128 --out {{folder}}/P.npz", "Pooling"),
        ("visualise-channels --channels 0-1 --size 64 --steps 8 --out {folder}/made", "Optimising images"),
    ],
)
def test_a_command_says_how_far_it_is(capsys, tmp_path, arguments, task) -> None:
    assert main(arguments.format(folder=tmp_path).split()) == 0
    counts = [LINE.fullmatch(line) for line in capsys.readouterr().err.splitlines()]
    assert counts
    assert all(count and count[1] == task and int(count[2]) <= int(count[3]) == 2 for count in counts)


@pytest.mark.parametrize(
    ("arguments", "task"),
    [
        ("localise --per-class 2", ("Localising parts", 24)),
        ("evaluate fieldguide:4 --cache {folder}", ("Computing features", 48)),
        (
            "train fieldguide:4 --method cl@128 --out {folder}/m.safetensors --cache {folder}",
            ("Computing features", 48),
        ),
        ("faithfulness fieldguide:4 --cache {folder}", ("Computing features", 48)),
    ],
)
def test_the_commands_that_take_minutes_count_what_they_do(monkeypatch, tmp_path, arguments, task) -> None:
    """Interrupted where the counting begins."""
    begun = []

    def begin(self, description, total):
        begun.append((description, total))
        raise KeyboardInterrupt

    monkeypatch.setattr(CommandProgress, "add_task", begin)
    assert main(arguments.format(folder=tmp_path).split()) == 130
    assert begun == [task]


def test_stages_are_counted_one_after_the_other(capsys) -> None:
    with stages_progress() as show:
        show("cl/pca64", 0, 4)
        first_line_like(capsys, "crosspool: cl/pca64: 0 of 4")
        show("cl/pca64", 4, 4)
        show("global", 1, 4)
        first_line_like(capsys, "crosspool: global: 1 of 4.*")


def test_no_time_is_promised_for_learning(capsys) -> None:
    """It ends when nothing more is learned, or has no count at all."""
    with stages_progress() as show:
        show("Learning ft+cl, split 1 of 2", 0, None)
        first_line_like(capsys, r"crosspool: Learning ft\+cl, split 1 of 2")
        for done in (16, 32, 48):
            show("Learning ft+cl, split 1 of 2", done, 96)
            time.sleep(0.01)
        first_line_like(capsys, r"crosspool: Learning ft\+cl, split 1 of 2: 48 of 96, \d+ images/s")
        for done in (1, 2, 3):
            show("Encoding with ft+cl", done, 4)
            time.sleep(0.01)
        first_line_like(capsys, r"crosspool: Encoding with ft\+cl: 3 of 4, .*, about \d+ s left")
        show("Training", 0, None)
        first_line_like(capsys, "crosspool: Training")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (45, "45 s"),
        (585, "9 min 45 s"),
        (599.7, "10 min"),
        (1500, "25 min"),
        (5100, "1 h 25 min"),
        (1e6, "12 d"),
    ],
)
def test_durations(seconds, text) -> None:
    assert duration_text(seconds) == text
