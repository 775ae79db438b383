"""The page "Contributions" as a session sees it, without a browser."""

import gc
import hashlib
import json
import re
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.runtime.scriptrunner import RerunData, RerunException

from benchmarks.harness.session import state_of
from crosspool.backbones import load_backbone
from crosspool.cache import ArrayCache
from crosspool.classifiers import TRAINED_ON, own_classifier
from crosspool.contributions import explain
from crosspool.drawing.rendering import SIGNED_COLOUR_MAP
from crosspool.errors import ModelError
from crosspool.features import Features
from crosspool.grids import largest_cells
from crosspool.methods import parse_method
from crosspool.records import compute_record
from crosspool.samples import samples
from crosspool.text import class_title
from crosspool.training import train_classifier
from crosspool.ui.comparison.state import ComparisonState
from crosspool.ui.contributions import choose_classifier, explaining, page
from crosspool.ui.contributions.choose_classifier import ClassifierFile, read_classifier
from crosspool.ui.contributions.question import ContributionChoices
from crosspool.ui.contributions.wording import strongest_channels
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.link import ChosenClassifier, LinkState
from crosspool.ui.widgets.cell_image import colour_bar
from crosspool.ui.widgets.text import as_it_is, signed
from tests.app.test_frame import checked, component, sentences, shown_text, texts, visit
from tests.images import dataset_of, png, tinted
from tests.networks import SAMPLES, sample

PAGE = "pages/contributions.py"
OTHER_PAGE = "pages/weighting_maps.py"
SMALL = {"size": "128"}
CROSS, GLOBAL = "cl:blocks.4.project_conv@128", "global@128"
CLASSES = ("red*", "<b>green</b>", "blue_$x$")


@pytest.fixture(scope="module")
def lite0():
    return load_backbone(device="cpu")


@pytest.fixture(scope="module")
def make(lite0, tmp_path_factory):
    """Trains a classifier of so many tints."""
    cache = ArrayCache(tmp_path_factory.mktemp("cache"))

    def made(name, images):
        files = [png(tinted(i, i % 3)) for i in range(images)]
        dataset = dataset_of(files, np.arange(images) % 3, CLASSES)
        method = parse_method(name, lite0.architecture)
        return train_classifier(dataset, Features(dataset, lite0, method.sources, cache), method)

    return made


@pytest.fixture(scope="module")
def trained(make):
    """Classifiers by method: with all of the images, and with all but the last three."""
    return {(name, images): make(name, images) for name in (CROSS, GLOBAL) for images in (9, 6)}


@pytest.fixture
def comparison(trained, lite0, server):
    """What the page Train & compare leaves: the astronaut is one of its labelled images."""
    labelled, others = explained_key("astronaut"), [SimpleNamespace(key=str(number)) for number in range(2)]
    return SimpleNamespace(
        classifiers={name: trained[name, 9] for name in (CROSS, GLOBAL)},
        network=server.networks.named("efficientnet_lite0", "pretrained"),
        dataset=SimpleNamespace(
            name="tints",
            classes=CLASSES,
            samples=(*others, SimpleNamespace(key=labelled)),
            targets=np.array([0, 1, 2]),
        ),
        labelled=SimpleNamespace(keys_of=lambda sample: {sample.key}),
        without=lambda name, key, on_progress: trained[name, 6 if key == labelled else 9],
    )


def explained_key(name):
    """The key of a sample image."""
    (photo,) = (entry for entry in samples() if entry.id == name)
    return hashlib.sha256(photo.path.read_bytes()).hexdigest()


def explain_page(**params):
    """A new session on the page."""
    return checked(visit(**{**SMALL, **params}).switch_page(PAGE).run())


def asked(comparison, method, **params):
    """The page after "Why?" was pressed beside a method's answer on another page."""
    app = visit(**{**SMALL, **params})
    state_of(app, ComparisonState).comparison, state_of(app, ChosenClassifier).classifier = comparison, method
    return checked(app.switch_page(PAGE).run())


def rows(app, key):
    return {row["name"]: row for row in component(app, key)["rows"]}


def answer_sentence(app):
    (text,) = (text for text in texts(app.markdown) if text.startswith("## "))
    return re.sub(r"\\(.)", r"\1", text)


def own(lite0, name="cat", size=128):
    return explain(own_classifier(lite0, size), lite0, sample(name))


def near(numbers):
    """Equal but for the last digits of float32, which depend on how many threads the page's computation uses."""
    return pytest.approx(numbers, rel=1e-5)


def ticks_of(evidence):
    """The numbers at a colour bar that is centred at zero."""
    top = float(np.abs(evidence).max())
    return colour_bar((-top, top), SIGNED_COLOUR_MAP, "")["ticks"]


def expect_bars_of(app, contributions, count=8):
    """The ranked channels are those of the library, and so are the maps' colours and the check."""
    ahead, behind = strongest_channels(contributions.channels, count)
    for key, expected in (("for", ahead), ("against", behind)):
        bars = component(app, f"ranked-{key}")["rows"]
        assert [row["name"] for row in bars] == [contributions.names[k] for k in expected]
        assert [row["value"] for row in bars] == near(contributions.channels[expected].tolist())
        assert all(row["ticked"] for row in bars)
    assert component(app, "total")["bar"]["ticks"] == ticks_of(contributions.positions)
    (check,) = (text for text in texts(app.caption) if "Adds up" in text)
    assert f"the score {signed(contributions.score, 6)}" in check
    assert ", within 0.0001" in check


# --- the network's own classes


def test_the_first_visit_explains_the_highest_score(lite0):
    app, expected = explain_page(), own(lite0)
    assert texts(app.title) == ["Why this class?"]
    contributions = expected.contributions()
    assert answer_sentence(app).startswith(
        f"## Top class: **{expected.predicted}** (score **{signed(contributions.score)}**, probability **"
    )
    shares = np.exp(expected.scores) / np.exp(expected.scores).sum()
    assert f"probability **{100 * shares.max():.0f} %**)" in answer_sentence(app)
    assert component(app, "scores")["rows"][0]["text"] == (
        f"{signed(contributions.score)} · {100 * shares.max():.0f} %"
    )
    bars = rows(app, "scores")
    for name, row in bars.items():
        assert row["value"] == near(expected.scores[lite0.classes.index(name)])
    assert next(iter(bars)) == expected.predicted
    expect_bars_of(app, contributions)
    assert not [element for element in app.get("bidi_component") if element.key == "baseline"]  # it is one itself
    assert "These contributions are exact" in shown_text(app)


def test_any_class_against_any_other(lite0):
    app = explain_page()
    options = app.selectbox(key="positive").options
    assert len(options) == 1000
    state_of(app, LinkState).positive, state_of(app, LinkState).against = "lynx", "espresso"
    app = checked(app.run())
    contributions = own(lite0).contributions("lynx", "espresso")
    side = "ahead of" if contributions.score > 0 else "behind"
    assert answer_sentence(app).startswith(
        f"## The score of **lynx** is **{signed(abs(contributions.score))[1:]}** {side} that of **espresso**."
    )
    expect_bars_of(app, contributions)
    assert {"lynx", "espresso"} <= rows(app, "scores").keys()


def test_a_class_is_never_set_against_itself():
    app = explain_page()
    state_of(app, LinkState).positive = state_of(app, LinkState).against = "lynx"
    app = checked(app.run())
    assert state_of(app, LinkState).against == ""
    assert "lynx" not in app.selectbox(key="against").options


def test_the_question_survives_a_page_switch_and_another_image():
    app = explain_page()
    app = checked(app.selectbox(key="against").set_value("espresso").run())
    state_of(app, ContributionChoices).unticked = frozenset({3})
    app = checked(app.switch_page(OTHER_PAGE).run())
    app = checked(app.switch_page(PAGE).run())
    assert state_of(app, LinkState).against == "espresso"
    assert "Without 1 channel" in shown_text(app)
    state_of(app, LinkState).sample = "rocket"
    app = checked(app.run())
    assert state_of(app, LinkState).against == "espresso"
    assert "ahead of that of **espresso**" in answer_sentence(app)
    assert "Without 1 channel" not in shown_text(app)  # it was a channel of another image


def test_a_position_lists_its_strongest_channels(lite0):
    app = explain_page()
    state_of(app, ContributionChoices).cell = (1, 2)
    app = checked(app.run())
    contributions = own(lite0).contributions()
    amounts = contributions.channels_at(1, 2)
    assert "**Strongest channels at row 1, column 2**" in shown_text(app)
    bars = rows(app, "speakers")
    assert {name: row["value"] for name, row in bars.items()} == near(
        {contributions.names[k]: amounts[k] for k in np.argsort(-np.abs(amounts))[: len(bars)]}
    )
    assert f"together add {signed(contributions.positions[1, 2])} here" in shown_text(app)
    assert {component(app, key)["cell"][0] for key in ("seen", "total", "weights-map", "evidence")} == {1}


def test_a_channel_is_shown_where_its_evidence_is_strongest(lite0):
    app = explain_page()
    state_of(app, ContributionChoices).contributor, state_of(app, ContributionChoices).cell = 7, None
    app = checked(app.run())
    contributions = own(lite0).contributions()
    cells = largest_cells(contributions.parts[0].evidence[7])
    assert any(text.startswith("Channel 7 adds") for text in texts(app.header))
    assert component(app, "evidence")["cell"] == list(max(cells, key=lambda cell: contributions.positions[cell]))


def test_it_opens_where_most_evidence_is_and_ties_are_counted(lite0):
    app, contributions = explain_page(), own(lite0).contributions()
    row, column = divmod(int(contributions.positions.argmax()), contributions.positions.shape[1])
    assert component(app, "seen")["cell"] == [row, column]
    clipped = next(k for k, each in enumerate(contributions.parts[0].evidence) if 1 < len(largest_cells(each)) < 9)
    state_of(app, ContributionChoices).contributor = clipped
    app = checked(app.run())
    cells = largest_cells(contributions.parts[0].evidence[clipped])
    assert component(app, "evidence")["cell"] == list(max(cells, key=lambda cell: contributions.positions[cell]))


@pytest.mark.parametrize("ablation", ["most", "least", "random"])
def test_unticking_channels_changes_the_scores(lite0, ablation):
    app = explain_page()
    app.number_input(key="drop_count").set_value(20)
    app = checked(app.button(key=f"drop-{ablation}").click().run())
    expected = own(lite0)
    gone = sorted(state_of(app, ContributionChoices).unticked)
    assert len(gone) == 20
    after = expected.without_channels(gone)
    for name, row in rows(app, "scores-after").items():
        assert row["after"] == near(after[lite0.classes.index(name)])
    frozen = expected.contributions().channels[gone].sum()
    assert f"contributed {signed(frozen)}, exactly what the score lost" in shown_text(app)  # as nothing is normalised
    unticked = [row["name"] for row in component(app, "ranked-for")["rows"] if not row["ticked"]]
    assert (len(unticked) == 8) == (ablation == "most")
    (again,) = (button for button in app.button if button.label == "Tick all again")
    app = checked(again.click().run())
    assert "Without 20 channels" not in shown_text(app)


def test_the_table_has_every_channel(lite0):
    app = explain_page()
    app.session_state["channel-table"] = True
    app = checked(app.run())
    (table,) = (element.value for element in app.dataframe)
    assert len(table) == 1280
    assert table["contribution"].is_monotonic_decreasing
    assert table["contribution"].sum() == near(own(lite0).contributions().channels.sum())


@pytest.mark.parametrize(
    "rows", [[1280], [-1], [10**9], [1e308], ["3"], [None], "abc", {"3": 1}, 5, [[3]], [True, 2]], ids=str
)
def test_a_row_that_the_table_does_not_have_is_ignored(rows):
    app = explain_page()
    app.session_state["channel-table"] = True
    app = checked(app.run())
    before = component(app, "speakers")["selected"]
    (table,) = app.get("arrow_data_frame") or app.get("dataframe")
    sent = app._tree.get_widget_states()
    selection = {"rows": rows, "columns": [], "cells": []}
    sent.widgets.add(id=table.proto.id, string_value=json.dumps({"selection": selection}))
    assert component(checked(app._run(sent)), "speakers")["selected"] == before


def test_a_network_whose_classes_cannot_be_split():
    app = explain_page(backbone="alexnet", weights="untrained", size="224")
    (sentence,) = texts(app.info)
    assert "cannot be split by position" in sentence
    assert not app.error
    (back,) = (button for button in app.button if button.label == "Show EfficientNet-Lite0")
    app = checked(back.click().run())
    assert answer_sentence(app)


def test_without_its_weights_a_network_is_offered():
    app = explain_page(backbone="resnet18")
    assert next(button.label for button in app.button).startswith("Download")


def test_a_link_asks_a_question():
    app = explain_page(positive="lynx", against="espresso")
    assert "ahead of that of **espresso**" in answer_sentence(app)
    assert app.query_params == SMALL | {"positive": "lynx", "against": "espresso"}
    app = explain_page(positive="no *such* class")
    assert "Unknown positive" in app.info[0].value
    assert app.query_params == SMALL


# --- two images


def test_another_image_is_compared_by_channel(lite0):
    app = explain_page()
    app = checked(app.selectbox(key="compared_with").set_value(explained_key("rocket")).run())
    classifier = own_classifier(lite0, 128)
    here, there = (explain(classifier, lite0, sample(name)) for name in ("cat", "rocket"))
    similarity = here.similarity(there)
    assert f"the inner product {signed(similarity.score)}" in shown_text(app)
    bars = component(app, "alike-channels")["rows"]
    assert [row["value"] for row in bars] == near(similarity.channels[[int(row["id"]) for row in bars]].tolist())
    assert all(len(row["maps"]) == 2 for row in bars)
    assert len([text for text in texts(app.caption) if "Adds up" in text and "within 0.0001" in text]) == 2


# --- trained classifiers


def test_why_on_another_page_chooses_the_classifier(comparison, trained, lite0):
    app = asked(comparison, CROSS)
    expected = explain(trained[CROSS, 9], lite0, sample())
    expect_bars_of(app, expected.contributions())
    assert f"**{expected.predicted}**" in answer_sentence(app)
    assert "The normalisation after pooling is frozen" in shown_text(app)
    assert "trained again without" not in shown_text(app)
    assert not app.info
    assert app.query_params == SMALL  # classes of this session are none of a link's
    beside = explain(trained[GLOBAL, 9], lite0, sample()).contributions(expected.predicted)
    assert component(app, "baseline")["bar"]["ticks"] == ticks_of(beside.positions)
    app = checked(checked(app.switch_page(OTHER_PAGE).run()).switch_page(PAGE).run())
    assert state_of(app, ChosenClassifier).classifier == CROSS


def test_a_labelled_image_is_explained_by_a_classifier_trained_without_it(comparison, trained, lite0):
    app = asked(comparison, CROSS, sample="astronaut")
    expected = explain(trained[CROSS, 6], lite0, sample("astronaut"))
    label, answer = (as_it_is(class_title(name)) for name in (CLASSES[2], expected.predicted))
    (sentence,) = texts(app.info)
    assert sentence.startswith(f"Labelled **{label}**; this classifier says **{answer}**. It was trained again without")
    app = checked(app.selectbox(key="against").set_value("").run())
    expect_bars_of(app, expected.contributions())


def test_a_wrong_answer_is_set_against_the_label_until_a_rival_is_chosen(comparison, trained, lite0):
    explanation = explain(trained[CROSS, 6], lite0, sample("astronaut"))
    order = np.argsort(-explanation.scores)
    answer, second, last = (CLASSES[k] for k in order)
    comparison.dataset.targets[2] = order[0]
    app = asked(comparison, CROSS, sample="astronaut")
    assert state_of(app, LinkState).against == ""  # it is right
    comparison.dataset.targets[2] = order[2]
    app = asked(comparison, CROSS, sample="astronaut")
    assert state_of(app, LinkState).against == last
    expect_bars_of(app, explanation.contributions(answer, last))
    state_of(app, LinkState).sample = "cat"
    assert state_of(checked(app.run()), LinkState).against == ""  # the label was another image's
    state_of(app, LinkState).sample = "astronaut"
    app = checked(app.run())
    assert state_of(app, LinkState).against == last
    for chosen in ("", second):
        app = checked(checked(app.selectbox(key="against").set_value(chosen).run()).run())
        assert state_of(app, LinkState).against == chosen


@pytest.mark.parametrize("name", ["jitter@128", f"{GLOBAL}+{CROSS}", "cl-c:blocks.4.project_conv@256/pca2", "max@128"])
def test_every_kind_of_method_is_explained(name, make, comparison, lite0):
    comparison.classifiers[name] = classifier = make(name, 6)
    comparison.without = lambda name, key, on_progress: comparison.classifiers[name]
    app = asked(comparison, name)
    contributions = explain(classifier, lite0, sample()).contributions()
    assert f"the score {signed(contributions.score, 6)}" in shown_text(app)
    assert next(iter(rows(app, "ranked-for"))) == contributions.names[int(contributions.channels.argmax())]
    if name == "jitter@128":
        assert "It is not known where in the image these numbers come from" in shown_text(app)
    else:
        expect_bars_of(app, contributions)


def test_leaving_channels_out_differs_from_the_frozen_sum(comparison):
    app = asked(comparison, CROSS)
    app = checked(app.button(key="drop-most").click().run())
    assert "not the same, as the rest is normalised again" in shown_text(app)


def test_the_networks_own_classes_replace_a_classifier_that_is_gone(comparison):
    app = asked(comparison, CROSS)
    state_of(app, ComparisonState).comparison = None
    app = checked(app.run())
    assert state_of(app, ChosenClassifier).classifier == ""
    assert "the network's own classes" in shown_text(app)


# --- files


@pytest.fixture(scope="module")
def file(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "tints.safetensors"
    trained[CROSS, 9].save(path)
    return path.read_bytes()


def classifier_uploader(app):
    return next(uploader for uploader in app.file_uploader if uploader.label.startswith("A file from Train"))


def test_a_file_is_loaded_and_chosen(file, trained, lite0):
    app = explain_page()
    app = checked(
        classifier_uploader(app).set_value([("my_*tints*.safetensors", file, "application/octet-stream")]).run()
    )
    assert not app.error
    assert state_of(app, ChosenClassifier).classifier == "/file"
    expected = explain(trained[CROSS, 9], lite0, sample())
    expect_bars_of(app, expected.contributions())
    assert "The network's own answer" in shown_text(app)  # as a baseline
    assert not app.warning
    cat = hashlib.sha256((SAMPLES / "cat.jpg").read_bytes()).hexdigest()
    state = state_of(app, ClassifierFile)
    classifier = state.loaded
    state.loaded = replace(classifier, settings=classifier.settings.model_copy(update={"photographs": (cat,)}))
    assert [warning.value for warning in checked(app.run()).warning] == [TRAINED_ON]


def test_a_file_whose_run_ends_before_its_turn_is_to_be_chosen_again(file, monkeypatch):
    def end_run(data, name, on_progress):
        raise RerunException(RerunData())

    app = explain_page()
    before = classifier_uploader(app).key
    with monkeypatch.context() as patch:
        patch.setattr(choose_classifier, "read_classifier", end_run)
        classifier_uploader(app).set_value([("my.safetensors", file, "application/octet-stream")]).run()
    app = checked(app.run())
    assert sentences(app) == ["my.safetensors was not loaded, as the page was used meanwhile; choose the file again."]
    assert classifier_uploader(app).key != before
    app = checked(classifier_uploader(app).set_value([("my.safetensors", file, "application/octet-stream")]).run())
    assert not app.error
    assert state_of(app, ChosenClassifier).classifier == "/file"


@pytest.mark.parametrize("data", [b"", b"nothing", png(tinted(0, 0))])
def test_other_files_are_refused_by_name(data):
    with pytest.raises(
        ModelError,
        match=r"^bad\.safetensors is not a classifier .* on the page Train & compare, or with: crosspool train$",
    ):
        read_classifier(data, "bad.safetensors")


def test_a_refused_file_leaves_the_page_as_it_was():
    app = explain_page()
    app = checked(
        classifier_uploader(app).set_value([("bad.safetensors", b"x" * 99, "application/octet-stream")]).run()
    )
    (sentence,) = sentences(app)
    assert sentence.startswith("bad.safetensors is not a classifier")
    assert state_of(app, ChosenClassifier).classifier == ""
    assert answer_sentence(app)


def test_a_file_for_another_network_says_so(trained, tmp_path):
    classifier = trained[CROSS, 9]
    replace(classifier, settings=classifier.settings.model_copy(update={"weights": "untrained"})).save(
        tmp_path / "file"
    )
    app = explain_page()
    data = (tmp_path / "file").read_bytes()
    app = checked(classifier_uploader(app).set_value([("other.safetensors", data, "application/octet-stream")]).run())
    (sentence,) = texts(app.info)
    assert "This classifier was trained on" in sentence


# --- caches


def test_the_choices_survive_emptying_the_caches(server):
    app = explain_page()
    state_of(app, ContributionChoices).unticked = frozenset({3})
    app = checked(app.run())
    server.empty_caches()
    app = checked(app.run())
    assert state_of(app, ContributionChoices).unticked == {3}


def test_no_page_keeps_explanations_in_memory(monkeypatch, server):
    explanations = []

    def explained(*given):
        value = explaining.explain_image(*given)
        explanations.append(weakref.ref(value))
        return value

    monkeypatch.setattr(page, "explain_image", explained)
    app = explain_page()
    app.session_state["channel-table"] = True
    checked(app.selectbox(key="compared_with").set_value(explained_key("rocket")).run())
    server.cache.clear()
    gc.collect()
    assert explanations
    assert not any(explanation() for explanation in explanations)


def test_an_image_is_explained_once_and_the_cache_is_bounded(monkeypatch, lite0, server):
    server.cache.clear()
    passes = []

    def counted(*given):
        passes.append(given)
        return compute_record(*given)

    monkeypatch.setattr(explaining, "compute_record", counted)
    classifier = explaining.network_classifier(server.networks.named("efficientnet_lite0", "pretrained"), 128, "crop")
    image = SourceImage(ImageHash("one"), "One", "one.jpg", "one", png(sample()), False, "")
    first = explaining.explain_image(image, classifier)
    assert explaining.explain_image(image, classifier) is first
    assert len(passes) == 1
    assert first.contributions(("lynx", "")) is first.contributions(("lynx", ""))
    usages = {usage.name: usage.nbytes for usage in server.cache.usages()}
    assert usages["explanations"] == first.nbytes
