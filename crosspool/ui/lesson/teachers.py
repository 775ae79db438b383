"""For teachers: what to do in how much time, what to ask, what students get wrong, and a worksheet."""

from urllib.parse import urlencode

import streamlit as st

from crosspool.grids import largest_cells
from crosspool.ui.equation.building import carriers_of_half
from crosspool.ui.lesson import questions
from crosspool.ui.lesson.quantities import COARSE, change_by_mirroring
from crosspool.ui.lesson.state import CARRIED, LessonState, lesson_state
from crosspool.ui.lesson.worksheet import answer_key, worksheet_page
from crosspool.ui.maps.page import start_from_link
from crosspool.ui.visit.images import SourceImage, choose_image
from crosspool.ui.visit.waiting import errors_shown, waiting
from crosspool.ui.widgets.text import as_it_is, cells_name, file_stem, number

TIMES = {
    "15 minutes, from the front": """
1. Open the lesson in presenter mode, on the photo that your class will like best.
2. Step 1: let the class point before you click. Step 3: ask for a patch that counts for nothing.
3. Step 4: "Show the answer", then Play. Stop halfway: what will the last positions add?
""",
    "45 minutes, in pairs": """
1. 5 min: steps 1 and 2 together, from the front.
2. 20 min: steps 3 to 7 in pairs, with a photo of their own. Both must agree before they click.
3. 10 min: the first page of the worksheet, without the screen.
4. 10 min: collect what surprised them, and go through the misconceptions below.
""",
    "90 minutes, with an experiment": """
1. 45 min as above.
2. 20 min: Build the feature. Each group takes one experiment, predicts, tries it, and explains it to the others.
3. 20 min: Train & compare on FieldGuide. Which method would you bet on, and is the difference more than chance?
4. 5 min: the second page of the worksheet, as homework.
""",
}


def teachers_page() -> None:
    """The page."""
    start_from_link(CARRIED)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title("For teachers", anchor=False)
        st.page_link("pages/lesson.py", label="To the lesson", icon=":material/school:", width="content")
        with st.popover("Another photo", icon=":material/photo_library:"):
            image = choose_image(menu=False)
    st.markdown(
        "What a convolutional network sees, and how Eq. 1 makes a feature of it, for classes that know what a matrix "
        "and a weighted sum are. All numbers on this page and on the worksheet are those of the photo that you choose."
    )
    _times()
    with errors_shown():
        _about_the_photo(image)
    _class()


def _times() -> None:
    st.header("What to do in the time you have", anchor=False)
    for column, (title, text) in zip(st.columns(len(TIMES), gap="large"), TIMES.items(), strict=True):
        column.subheader(title, anchor=False)
        column.markdown(text)


def _about_the_photo(image: SourceImage) -> None:
    with waiting("Computing the maps …") as on_progress:
        view = lesson_state(image, COARSE, on_progress)
    _worksheet(view)
    asked, mistaken = st.columns(2, gap="large")
    with asked:
        st.header("Questions to ask, and what to expect", anchor=False)
        st.markdown("\n".join(f"- **{question}** {answer}" for question, answer in questions_to_ask(view).items()))
    with mistaken:
        st.header("What students get wrong, and what shows it", anchor=False)
        st.markdown("\n".join(f"- **“{claim}”** {answer}" for claim, answer in misconceptions(view).items()))


def _worksheet(view: LessonState) -> None:
    st.header("A worksheet for this photo", anchor=False)
    st.markdown(
        f"Two pages of A4 on map {view.channel} of **{as_it_is(view.image.title)}**, to print from the browser, with "
        "the answers in a file of their own. They need no network, and no screen for your students."
    )
    stem = file_stem(view.image.title)
    with st.container(horizontal=True):
        for label, name, page, icon in (
            ("Worksheet", f"worksheet-{stem}.html", worksheet_page, "print"),
            ("Answers", f"answers-{stem}.html", answer_key, "key"),
        ):
            st.download_button(
                label,
                page(view),
                name,
                "text/html",
                key=f"download-{label}",
                on_click="ignore",
                icon=f":material/{icon}:",
            )


def questions_to_ask(view: LessonState) -> dict[str, str]:
    """Questions with their answers for this photo and map, in the order of the lesson."""
    maps, k, weights = view.maps, view.channel, view.maps.upper[view.channel]
    total, half = len(maps.upper), carriers_of_half(maps.statistics.energy_share)
    heaviest = questions.positions_for_half(weights)
    change = change_by_mirroring(maps, k)
    return {
        f"Where is map {k} strongest, and what is there?": (
            f"At {cells_name(largest_cells(weights))}, with {number(maps.statistics.peak[k])}. What is there, they "
            f"see; what the channel looks for, one photo cannot tell. {_step(view, 1)}"
        ),
        "Who told the channel what to look for?": f"Nobody; training did, to tell classes apart. {_step(view, 2)}",
        "When does a patch with large numbers add nothing?": (
            f"Where its weight is 0: {int((weights == 0).sum())} of {weights.size} positions here. {_step(view, 3)}"
        ),
        "How many positions make up half of the weight?": f"{heaviest} of {weights.size}. {_step(view, 4)}",
        "Are all blocks of P equally important?": (
            f"No: {half:,} of {total:,} carry half of its energy. {_step(view, 5)}"
        ),
        "What does the average of a map forget?": (
            f"Where it is large. Mirrored, the map has the same average but weights other patches, and its block of P "
            f"changes by {number(100 * change, 2)} %. {_step(view, 7)}"
        ),
        "And what does P forget?": (
            f"Where things were. Shuffle everything together, and P is the same. {_step(view, 8)}"
        ),
    }


def misconceptions(view: LessonState) -> dict[str, str]:
    """What students tend to believe, and what to show them, with a link to it."""
    k, other = view.channel, "cat" if view.image.sample == "rocket" else "rocket"
    return {
        "This map finds cats.": (
            "A channel has no name: look at the same map on other photos. "
            + _link("Map on another photo", "", sample=other, channel=k)
        ),
        "Bright means important for the decision.": (
            "Bright means that the channel's pattern was found. What speaks for a class is another question. "
            + _link("Why this class?", "contributions", **_photo(view))
        ),
        "Where the weight is 0, there is nothing.": (
            "There is a patch with numbers; it only does not count. " + _step(view, 3)
        ),
        "A cell sees only its own square.": (
            "It sees all of its receptive field, the orange frame, here often the whole photo. " + _step(view, 1)
        ),
        "A finer map is a sharper picture of the same.": "At twice the size the network sees smaller things. "
        + _step(view, 6),
        "P knows where things are.": (
            "Experiment: move all positions together. "
            + _link("Build the feature", "build_p", **_photo(view), channel=k)
        ),
        "Neighbouring map numbers are alike.": (
            "The order means nothing. Experiment: shuffle the maps. "
            + _link("Build the feature", "build_p", **_photo(view), channel=k)
        ),
        "The same map number means the same in any network.": (
            "Untrained, the same architecture shows something else. "
            + _link("Untrained", "", **_photo(view), weights="untrained", channel=k)
        ),
        "More numbers are always better.": "Measure it: " + _link("Train & compare", "train_and_compare"),
    }


def _photo(view: LessonState) -> dict[str, str]:
    return {"sample": view.image.sample} if view.image.sample else {}


def _step(view: LessonState, step: int) -> str:
    return _link(f"Step {step}", "lesson", step=step, **_photo(view))


def _link(text: str, page: str, **params: object) -> str:
    return f"[{text}](./{page}?{urlencode(params)})" if params else f"[{text}](./{page})"


def _class() -> None:
    st.header("With a class", anchor=False)
    st.markdown(
        "- **One computer for all:** `crosspool serve` on it, and the class opens `http://ITS-ADDRESS:8501`. Forty at "
        "a time were measured on two cores with 4 GiB; nothing has to be installed on their machines or phones.\n"
        "- **Projector:** *Present*, or `present=1` in the address. Arrow keys or a remote control turn the steps, "
        "Escape leaves.\n"
        "- **Their photos** stay in the server's memory and are gone with the visit, or at once with *Forget my "
        "images*.\n"
        "- **To hand out:** the address that the browser shows is a link to what is on the screen. On the page Maps, "
        "*Download and share* makes one HTML file of all maps, which opens without a server.\n"
        "- **In advance:** let one student open the lesson on the machine that will serve; the first photo takes "
        "longest."
    )
