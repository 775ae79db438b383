"""The answers that a visit remembers."""

from types import SimpleNamespace
from typing import Any

from crosspool.ui.lesson import answers
from crosspool.ui.lesson.answers import LessonAnswers, answer_of, commit


def test_answers_are_remembered_up_to_a_number_and_the_oldest_go(monkeypatch):
    state = LessonAnswers()
    monkeypatch.setattr(answers, "visit_state", lambda kind: state)
    monkeypatch.setattr(answers, "current_sight", lambda: "a sight")
    monkeypatch.setattr(answers, "ANSWERS_KEPT", 3)
    views: list[Any] = [SimpleNamespace(image=SimpleNamespace(key=str(number))) for number in range(4)]
    for view in (*views[:3], views[0], views[3]):  # the first one is answered again
        commit(view, 1, 7, "this", right=True)
    assert [bool(answer_of(view, 1, 7)) for view in views] == [True, False, True, True]
