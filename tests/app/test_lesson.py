"""The guided lesson in a session without a browser: its steps, its numbers, and that it leaves other pages alone."""

import re

import numpy as np
import pytest

from benchmarks.harness.session import state_of
from crosspool.backbones import load_backbone
from crosspool.classifiers import own_classifier
from crosspool.contributions import explain
from crosspool.pooling import cross_layer_pool
from crosspool.ui.equation.building import carriers_of_half
from crosspool.ui.lesson import questions
from crosspool.ui.lesson.quantities import energy_rank, relative_change, similarity_to_finer
from crosspool.ui.lesson.state import TITLES, LessonProgress, asked_step, cell_centre, cell_under
from crosspool.ui.maps.selection import MapsState
from crosspool.ui.visit.link import LinkState
from tests.app.test_frame import SMALL, checked, component, component_state, shown_text, texts, visit
from tests.networks import sample

PAGE = "pages/lesson.py"
LEFT, RIGHT = "ArrowLeft", "ArrowRight"


def lesson(step=None, *, told=False, **params):
    """A new session on the lesson, at a step, where the answer is asked for or not."""
    app = visit(**params).switch_page(PAGE)
    if step is not None:
        app.query_params["step"] = str(step)
    app = checked(app.run())
    return press(app, "show-answer") if told else app


def press(app, key):
    return checked(app.button(key=key).click().run())


def text_of(app):
    return "\n".join([shown_text(app), *texts(app.info)])


def look_at(app, channel, point=None):
    """What pressing a tile does."""
    state_of(app, LessonProgress).channel, state_of(app, LessonProgress).point = channel, point
    return checked(app.run())


@pytest.fixture(scope="module")
def cat():
    """The network, and by size the cat's lower and upper maps and P, straight from the library."""
    backbone = load_backbone("efficientnet_lite0")
    pair = backbone.architecture.default_pair
    maps_at = {}
    for size in (224, 448):
        maps = backbone.activations(sample(), pair, size)
        pooled = cross_layer_pool(maps.lower, maps.upper, **pair.geometry)
        maps_at[size] = maps.lower[0].numpy(), maps.upper[0].numpy(), pooled[0].numpy()
    return backbone, maps_at


# --- steps and links


def test_it_starts_with_the_first_step():
    app = lesson()
    assert texts(app.title) == ["Guided lesson"]
    assert texts(app.header) == ["1 · What is a map?"]
    assert component(app, "steps") == {"titles": list(TITLES), "marks": [""] * 8, "step": 1}
    assert app.query_params == {"step": "1"}
    assert component(app, "step-keys")["keys"] == [LEFT, RIGHT]
    assert not app.error


@pytest.mark.parametrize("step", range(1, len(TITLES) + 1))
def test_every_step_has_its_link_headline_and_task(step):
    app = lesson(step)
    assert texts(app.header) == [f"{step} · {TITLES[step - 1]}"]
    assert app.query_params["step"] == str(step)
    assert "**Cat** · EfficientNet-Lite0" in shown_text(app)
    assert "**Your turn.**" in shown_text(app)
    assert "Try it." not in shown_text(app)
    assert not [*app.info, *app.success, *app.warning]
    app = press(app, "show-answer")
    assert texts(app.info)
    assert component(app, "steps")["marks"][step - 1] == "shown"
    assert ("Try it." in shown_text(app)) == (step < len(TITLES))
    assert any(button.key.startswith("to-pages/") for button in app.button)
    assert not app.error


@pytest.mark.parametrize("step", ["0", "9", "-1", "two", "", "1e0", "<b>"])
def test_nonsense_in_the_link_is_ignored_with_a_note(step):
    app = lesson(step)
    assert texts(app.header) == ["1 · What is a map?"]
    (note,) = [text for text in texts(app.info) if "link" in text]
    assert re.fullmatch(r"Unknown step `[\w \-]+` in the link \(1 to 8\)\.", note)
    assert app.query_params["step"] == "1"


def test_the_step_that_a_link_asks_for():
    assert asked_step({}) == (None, "")
    assert asked_step({"step": "8"}) == (8, "")


def test_another_sample_by_link():
    app = lesson(2, sample="rocket")
    assert "**Rocket" in shown_text(app)
    assert app.query_params == {"step": "2", "sample": "rocket"}


def test_step_and_map_survive_a_visit_to_another_page():
    app = look_at(lesson(5), 7)
    app = press(app, "show-answer")
    app = checked(app.switch_page("pages/what_am_i_looking_at.py").run())
    app = checked(app.switch_page(PAGE).run())
    assert texts(app.header) == ["5 · All of P"]
    assert app.number_input(key="lesson_map").value == 7


def test_the_other_pages_keep_their_settings():
    app = lesson(2, **SMALL, channel="5")
    state_of(app, MapsState).cell = (1, 2)
    app = look_at(app, 7, (0.9, 0.9))
    app = checked(app.switch_page("pages/what_am_i_looking_at.py").run())
    assert component(app, "player")["channel"] == 5
    assert component(app, "player")["cell"] == [1, 2]
    assert "SqueezeNet" in shown_text(app)
    assert app.query_params["backbone"] == "squeezenet1_1"


def test_the_next_page_shows_the_map_of_the_lesson():
    app = press(look_at(lesson(5, **SMALL), 7), "show-answer")
    state_of(app, LinkState).pins, state_of(app, MapsState).first = "9,4", [9, 4]  # of another network
    app = checked(app.button(key="to-pages/build_p.py").click().run())
    link = state_of(app, LinkState)
    assert (link.backbone, link.weights, link.size, link.channel) == ("efficientnet_lite0", "pretrained", 224, 7)
    assert (link.pins, state_of(app, MapsState).first) == ("", [])


# --- questions


def test_a_click_is_checked_against_the_map_and_can_be_made_again(cat):
    upper = cat[1][224][1]
    app = lesson(1)
    (channel,) = (int(k) for k in re.findall(r"Map (\d+) has the same 7 × 7 grid", shown_text(app)))
    peak, low = divmod(int(upper[channel].argmax()), 7), divmod(int(upper[channel].argmin()), 7)
    wrong = component_state(app, "asking", "cell", list(low))
    (verdict,) = texts(wrong.warning)
    assert verdict.startswith(f"**Not quite.** At row {low[0]}, column {low[1]} the weight is **")
    assert component(wrong, "steps")["marks"][0] == "wrong"
    again = press(wrong, "ask-again")
    assert not again.warning
    right = component_state(again, "asking", "cell", list(peak))
    assert texts(right.success)[0].startswith(f"**Right.** At row {peak[0]}, column {peak[1]} the weight is **")
    assert component(right, "steps")["marks"][0] == "right"
    moved = component_state(right, "over", "cell", list(low))  # once answered, a click only looks
    assert component(moved, "steps")["marks"][0] == "right"


def test_a_chosen_answer_is_checked_and_belongs_to_the_photo():
    app = lesson(7)
    wrong = press(app, "answer-average")
    assert texts(wrong.warning)[0].startswith("**Not quite.** Average of map ")
    assert not [button for button in wrong.button if button.key.startswith("answer-")]
    assert ":material/check_circle: **Its block of P**" in shown_text(wrong)
    assert ":material/cancel: The map's average (your answer)" in shown_text(wrong)
    right = press(press(wrong, "ask-again"), "answer-block")
    assert texts(right.success)[0].startswith("**Right.**")
    other = component_state(right, "image-strip", "chosen", "rocket")
    assert component(other, "steps")["marks"] == [""] * 8
    assert not other.success
    back = component_state(other, "image-strip", "chosen", "cat")
    assert component(back, "steps")["marks"] == [*[""] * 6, "right", ""]


def test_the_second_step_takes_a_map_for_an_answer_and_then_any(cat):
    upper = cat[1][224][1]
    app = lesson(2)
    ids = [item["id"] for item in component(app, "lesson-tiles")["items"]]
    strong = {id_: int((upper[int(id_)] >= upper[int(id_)].max() / 2).sum()) for id_ in ids}
    most, fewest = max(strong, key=strong.__getitem__), min(strong, key=strong.__getitem__)
    app = component_state(app, "lesson-tiles", "chosen", most)
    assert f"Map {most} is strong in {strong[most]}." in texts(app.warning)[0]
    app = component_state(app, "lesson-tiles", "chosen", ids[0])
    assert component(app, "lesson-tiles")["selected"] == ids[0]
    assert len(app.warning) == 1
    app = component_state(press(app, "ask-again"), "lesson-tiles", "chosen", fewest)
    assert (
        f"Map **{fewest}** is the most selective of these: it is strong in {strong[fewest]} of 49"
        in texts(app.success)[0]
    )


def test_maps_that_look_equally_selective_are_equally_right():
    assert [questions.is_selective(cells, 15) for cells in (15, 16, 17)] == [True, True, False]
    assert not questions.is_selective(4, 3)


def test_what_there_is_to_try_is_answered_when_it_was_tried():
    app = press(lesson(1), "show-answer")
    assert "What is the smallest weight?" in shown_text(app)
    assert "The smallest is" not in text_of(app)
    app = component_state(app, "over", "cell", [0, 6])
    assert "The smallest is **0**, which" in text_of(app)
    app = press(lesson(7), "show-answer")
    asked = app.number_input(key="lesson_map").value
    app = checked(app.number_input(key="lesson_map").set_value(12).run())
    assert f"Average of map {asked}: **" in text_of(app)  # the question stays answered
    assert "The block of map 12 changes by **" in text_of(app)


def test_the_last_step_counts_the_right_answers():
    app = press(lesson(8), "answer-same")
    assert "block 899 does not change (by 0 %, but for rounding): a sum" in texts(app.success)[0]
    assert "**1 of 8** answered right with this photo" in shown_text(app)


def test_what_is_right_follows_the_numbers():
    weights = np.array([[6.0, 3.0], [0.2, 0.0]])
    assert [questions.is_strong(weights, cell) for cell in np.ndindex(2, 2)] == [True, True, False, False]
    assert [questions.is_negligible(weights, cell) for cell in np.ndindex(2, 2)] == [False, False, True, True]
    assert questions.is_negligible(weights + 5, (1, 1))  # nothing counts less
    assert not questions.is_negligible(weights + 5, (1, 0))
    assert (questions.strong_cells(weights), questions.strong_cells(0 * weights)) == (2, 0)
    assert (questions.positions_for_half(weights), questions.positions_for_half(np.ones((2, 4)))) == (1, 4)
    assert [questions.how_many("", n, 49).right for n in (4, 5, 12, 13)] == ["tenth", "quarter", "quarter", "more"]
    assert [questions.how_similar(cosine).right for cosine in (1, 0.9, 0.5)] == ["equal", "similar", "different"]
    assert [questions.what_mirroring_changes(change).right for change in (0.5, 0)] == ["block", "neither"]


# --- numbers


def test_the_first_step_reads_the_weight(cat):
    _, maps_at = cat
    upper = maps_at[224][1]
    app = press(look_at(lesson(1), 899, cell_centre((6, 0), (7, 7))), "show-answer")
    assert "224 → 112 → 56 → 28 → 14 → 7 cells per side" in text_of(app)
    assert "7 × 7 = **49 numbers**" in text_of(app)
    assert f"At row 6, column 0 the weight is **{upper[899, 6, 0]:.3g}**" in text_of(app)
    assert component(app, "over")["cell"] == [6, 0]
    app = press(look_at(lesson(1), 899), "show-answer")
    assert f"the weight is **{upper[899].max():.3g}**, the largest of this map. Map and photo" in text_of(app)


def test_the_second_step_shows_a_dozen_that_differ(cat):
    app = lesson(2, told=True)
    items = component(app, "lesson-tiles")["items"]
    upper = cat[1][224][1]
    assert len({upper[int(item["id"])].argmax() for item in items}) == len(items) == 12
    assert items[0]["alt"].endswith(f"largest, 6, at {(upper[int(items[0]['id'])] == 6).sum()} cells")
    chosen = int(items[3]["id"])
    app = look_at(app, chosen)
    assert component(app, "lesson-tiles")["selected"] == str(chosen)
    other = next(int(item["id"]) for item in items if int(item["id"]) != chosen)
    app = look_at(component_state(app, "lesson-tiles", "chosen", str(other)), chosen)
    assert f"at **{(upper[chosen] > 0).sum()} of 49** positions. Its largest, {upper[chosen].max():.3g}" in text_of(app)


def test_the_third_step_multiplies_weight_and_patch(cat):
    lower, upper, _ = cat[1][224]
    patch = lower[:, 2, 3]  # patches are 1 x 1
    entry = int(np.abs(patch).argmax())
    app = press(look_at(lesson(3), 899, cell_centre((2, 3), (7, 7))), "show-answer")
    text = text_of(app).replace("−", "-")
    assert f"the patch's number that is largest in magnitude, lower channel {entry}, is {patch[entry]:.3g}" in text
    assert f"= **{upper[899, 2, 3] * patch[entry]:.3g}**" in text


def test_the_fourth_step_adds_up_to_the_block(cat):
    _, upper, pooled = cat[1][224]
    entry = int(np.abs(pooled[899]).argmax())
    app = press(look_at(lesson(4), 899), "show-answer")
    assert f"= **{pooled[899, entry]:.4g}**".replace("-", "−") in text_of(app)
    weights = np.sort(upper[899].ravel())[::-1]
    half = int((weights.cumsum() < weights.sum() / 2).sum()) + 1
    assert f"**{half} of 49** positions make up half of the weight" in text_of(app)
    app = component_state(app, "player", "order", "rows")
    assert component(app, "player")["order"] == "rows"
    row, column = divmod(int(upper[899].argsort(axis=None)[-2]), 7)
    app = component_state(app, "player", "cell", [row, column])
    assert "is the **2nd** heaviest" in text_of(app)


def test_the_fifth_step_counts_all_of_p(cat):
    pooled = cat[1][224][2].astype(float)
    energy = (pooled**2).sum(axis=1)
    falling = np.sort(energy)[::-1].cumsum() / energy.sum()
    half = int((falling < 0.5).sum()) + 1
    app = lesson(5, told=True)
    assert f"**{half} of 1,280** blocks carry half of the energy" in text_of(app)
    assert f"and {(energy == 0).sum()} are zero everywhere" in text_of(app)
    best = int(energy.argmax())
    app = checked(app.number_input(key="lesson_map").set_value(best).run())
    assert f"Map {best} holds **{100 * energy[best] / energy.sum():.3g} %**" in text_of(app)
    assert f"ranks **1st** of 1,280, so it is among these {half}." in text_of(app)


def test_the_sixth_step_sets_both_sizes_side_by_side(cat):
    coarse, fine = cat[1][224][1][899], cat[1][448][1][899]
    app = press(look_at(lesson(6), 899, (0.3, 0.8)), "show-answer")
    assert component(app, "over-224")["cell"] == [2, 5]
    assert component(app, "over-448")["cell"] == [4, 11]
    app = component_state(app, "over-224", "cell", [0, 0])
    app = component_state(app, "over-448", "cell", [4, 11])
    assert f"**{coarse[2, 5]:.3g}** at row 2, column 5" in text_of(app)
    assert f"**{fine[4, 11]:.3g}** at row 4, column 11" in text_of(app)
    down = fine.reshape(7, 2, 7, 2).mean(axis=(1, 3))
    cosine = (coarse * down).sum() / np.sqrt((coarse**2).sum() * (down**2).sum())
    assert f"similarity to the coarse map is **{cosine:.2g}**" in text_of(app)


def test_the_seventh_step_mirrors_the_map_and_asks_the_network(cat):
    backbone, maps_at = cat
    lower, upper, pooled = maps_at[224]
    block = np.einsum("ij,dij->d", upper[899][:, ::-1].astype(float), lower.astype(float))
    moved = np.linalg.norm(block - pooled[899]) / np.linalg.norm(pooled[899])
    app = press(look_at(lesson(7), 899), "show-answer")
    assert f"Average of map 899: **{upper[899].mean():.4g}** before, **{upper[899].mean():.4g}** after" in text_of(app)
    assert f"changes by **{100 * moved:.2g} %** of its size" in text_of(app)
    explanation = explain(own_classifier(backbone), backbone, sample())
    assert f"Evidence for {explanation.predicted}" in texts(app.subheader)
    assert component(app, "evidence")["bar"]["label"].endswith(f"+{explanation.scores.max():.2f}")


# --- the arithmetic


def test_how_many_maps_carry_half_of_the_energy():
    shares = np.array([0.1, 0.4, 0.0, 0.3, 0.2])
    assert carriers_of_half(shares) == 2
    assert carriers_of_half(np.zeros(3)) == 0
    assert [energy_rank(shares, k) for k in range(5)] == [4, 1, 5, 2, 3]


def test_the_cell_at_a_point_on_any_grid():
    assert all(cell_under(cell_centre((r, c), (7, 5)), (7, 5)) == (r, c) for r in range(7) for c in range(5))
    assert cell_under(cell_centre((6, 0), (7, 7)), (14, 14)) == (13, 1)


def test_similarity_and_relative_change():
    coarse = np.array([[1.0, 2.0], [0.0, 4.0]])
    assert similarity_to_finer(coarse, 3 * np.kron(coarse, np.ones((2, 2)))) == pytest.approx(1)
    assert similarity_to_finer(coarse, np.zeros((4, 4))) == 0
    assert relative_change(np.array([3.0, 4.0]), np.array([3.0, 1.0])) == pytest.approx(0.6)
    assert relative_change(np.zeros(2), np.ones(2)) == 0
