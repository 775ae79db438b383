"""What a visitor has answered in the lesson: a step's answer belongs to a photo, and where it matters to a map."""

from dataclasses import dataclass

from crosspool.ui.lesson.state import TITLES, LessonState, Sight, current_sight
from crosspool.ui.visit.state import VisitPart, about_images, visit_state

ANSWERS_KEPT = 500  # the steps of more photos than a visit may have
ALL_MAPS = -1  # the subject of a question that is not about one map
SHOWN = ""  # the answer of a visitor who wanted to be told


@dataclass(frozen=True)
class Answer:
    """What was chosen, of which map, and whether that is right; None for the answer `SHOWN`.

    `sight` is what was looked at when the answer was given.
    """

    subject: int
    chosen: str
    right: bool | None
    sight: Sight


@dataclass
class LessonAnswers(VisitPart):
    """The last answer by photo and step, of the photos that were answered about last."""

    answers: dict[tuple[str, int], Answer] = about_images({})


def answer_of(view: LessonState, step: int, subject: int) -> Answer | None:
    """The answer to this step's question about this photo and map, if it was given."""
    answer = visit_state(LessonAnswers).answers.get((view.image.key, step))
    return answer if answer is not None and answer.subject == subject else None


def asked_map(view: LessonState, step: int) -> int:
    """The map that this step's question is about: the current one, until it is answered, and from then on that."""
    answer = visit_state(LessonAnswers).answers.get((view.image.key, step))
    return view.channel if answer is None else answer.subject


def has_moved_on(view: LessonState, step: int) -> bool:
    """Whether another map or position has been looked at since this step's question was answered."""
    answer = visit_state(LessonAnswers).answers.get((view.image.key, step))
    return answer is not None and answer.sight != current_sight()


def commit(view: LessonState, step: int, subject: int, chosen: str, right: bool | None) -> None:
    """Note an answer."""
    answers = visit_state(LessonAnswers).answers
    answers.pop((view.image.key, step), None)  # so that it is the last one
    answers[view.image.key, step] = Answer(subject, chosen, right, current_sight())
    if len(answers) > ANSWERS_KEPT:
        del answers[next(iter(answers))]


def ask_again(view: LessonState, step: int) -> None:
    """Forget an answer, so that the question is asked again."""
    visit_state(LessonAnswers).answers.pop((view.image.key, step), None)


def marks(image_key: str) -> list[str]:
    """For each step of the lesson "right", "wrong", "shown", or "" where nothing was answered for this photo."""
    answers = visit_state(LessonAnswers).answers
    names = {True: "right", False: "wrong", None: "shown"}
    by_step = (answers.get((image_key, step)) for step in range(1, len(TITLES) + 1))
    return [names[answer.right] if answer else "" for answer in by_step]


def right_answers(image_key: str) -> int:
    """How many steps were answered rightly for this photo."""
    return marks(image_key).count("right")
