"""The page "Train & compare" as a session sees it, without a browser."""

import io
import json
import re
import shlex
import threading
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pillow_heif
import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.harness.session import state_of
from crosspool.backbones import load_backbone
from crosspool.classifiers import load_classifier
from crosspool.evaluation.files import accuracy_files
from crosspool.text import Column
from crosspool.ui.comparison.outcome import zipped_files
from crosspool.ui.comparison.predictions import CARDS_PER_PAGE, image_groups, verdict_on_answer
from crosspool.ui.comparison.state import ComparisonState
from crosspool.ui.comparison.stored import stored_result
from crosspool.ui.visit.choose_labelled import LabelledState
from crosspool.ui.visit.images import ImageState
from crosspool.ui.visit.labelled import Collection
from crosspool.ui.visit.link import ChosenClassifier, LinkState
from crosspool.ui.visit.what_was_read import table_html
from crosspool.ui.widgets.glossary import term
from tests.images import noise, png, tinted

APP = Path(__file__).resolve().parents[2] / "app.py"
PAGE = "pages/train_and_compare.py"
NETWORK = ("squeezenet1_1", "untrained")
METHODS = "cl@128,sum@128"
IN_WORDS = {"cl@128": "Cross-layer pooling, 128 px", "sum@128": "Sum of a map, 128 px"}
LONG = 60


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    """No weights but the embedded ones, and a cache of its own."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("CROSSPOOL_CACHE", str(tmp_path / "cache"))


def checked(app):
    assert not app.exception, [error.value for error in app.exception]
    return app


def plain(elements):
    """Text as people read it: without the backslashes that keep Markdown from reading it."""
    return [re.sub(r"\\(.)", r"\1", element.value) for element in elements]


def collection(each=4, labels=("red", "green")):
    own = Collection("Your images")
    for channel, label in enumerate(labels):
        for number in range(each):
            own.add(label, png(tinted(10 * number + channel, channel).resize((64, 64))), f"{number}.png")
    return own


def visit(own=None, network=NETWORK, methods=METHODS):
    """The page with uploaded images, a small network and quick methods."""
    app = AppTest.from_file(APP, default_timeout=120)
    app.query_params.update({"backbone": "squeezenet1_1", "weights": "untrained", "size": "128"})
    app = checked(checked(app.run()).switch_page(PAGE).run())
    if own is not None:
        state_of(app, LabelledState).own_collection = own
        app = checked(app.button_group(key="labelled_source").set_value("upload").run())
    app = checked(app.selectbox(key="training_network").select(network).run())
    app = checked(app.multiselect(key=f"methods-{network[0]}").set_value([]).run())
    return checked(app.text_input(key="more_methods").set_value(methods).run())


def trained(app):
    """Press the button, wait for the job, and see what came of it."""
    app = checked(app.button(key="train").click().run())
    assert state_of(app, ComparisonState).job.wait(LONG)
    return checked(app.run())


def messages(app):
    """The warnings about the images."""
    return [text for text in plain(app.warning) if not text.startswith("Untrained")]


def tables(app):
    """The tables as people read them: without what keeps Markdown from reading it, code spans included."""
    frames = [table.value.map(lambda cell: plain_text(cell).replace("\xa0", " ")) for table in app.table]
    return [frame.rename(index=plain_text) for frame in frames]


def plain_text(text):
    return re.sub(r"\\(.)", r"\1", str(text)).strip("`")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A session whose comparison is there; only to be looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSPOOL_CACHE", str(tmp_path_factory.mktemp("cache")))
        own = collection()
        own.add("red", png(noise(7).resize((64, 64))), "a.png")
        own.add("green", png(noise(8).resize((64, 64))), "b.png")
        yield trained(visit(own))


def test_the_page_opens_with_something_to_look_at_and_good_defaults():
    app = checked(AppTest.from_file(APP, default_timeout=120).run())
    app = checked(app.switch_page(PAGE).run())
    (figures,) = (element.proto.body for element in app.get("html") if "figure" in element.proto.body)
    assert figures.count("<img ") == 3 * 12
    assert "Spectacled Marshlet</b> <span>30 images" in figures
    assert 'alt="Image 1 of the class Fork-tailed Dunewit"' in figures
    assert app.multiselect(key="methods-efficientnet_lite0").value == [
        "cl@448", "cl@224", "global@224", "global@320", "global@448"
    ]  # fmt: skip
    assert app.number_input(key="splits").value == 20
    assert app.number_input(key="each-360-12").value == 22
    assert not app.button(key="train").disabled
    assert not [*app.error, *app.warning]


def test_a_stored_result_of_these_defaults_is_shown_at_once():
    app = checked(AppTest.from_file(APP, default_timeout=120).run())
    app = checked(app.switch_page(PAGE).run())
    command = shlex.split(stored_result()["command"])
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert command[:3] == ["crosspool", "evaluate", f"fieldguide:{app.select_slider(key='guide_size').value}"]
    assert options["--methods"].split(",") == app.multiselect(key="methods-efficientnet_lite0").value
    assert int(options["--splits"]) == app.number_input(key="splits").value
    assert int(options["--train-size"]) == 12 * app.number_input(key="each-360-12").value
    assert "Stored result: FieldGuide" in [header.value for header in app.header]
    assert any(text.startswith("### ") and "of 100 images" in text for text in plain(app.markdown))
    assert any(term("cl@448", "`cl@448`") in method for method in tables(app)[0].index)


def test_a_comparison_from_the_press_to_the_tables(finished):
    first, paired, answers = tables(finished)[0], tables(finished)[1], tables(finished)[2]
    assert [text.replace("\\", "") for text in first.index] == [
        f"{words} :small[:gray[`{name}`]]" for name, words in IN_WORDS.items()
    ]
    report = state_of(finished, ComparisonState).comparison.report
    for number, result in enumerate(report.methods):
        measured = result.measures["accuracy"]
        assert first.iloc[number]["accuracy"] == f"{100 * measured.value:.1f} %"
        assert first.iloc[number]["95 % interval"].startswith(f"{100 * measured.interval.low:.1f} to")
    assert paired["against"].tolist() == ["Cross-layer pooling, 128 px :small[:gray[`cl@128`]]"]
    assert answers.shape == (2, 1)
    assert any(term("McNemar") in text for text in plain(finished.caption))
    assert "10 images, 2 classes" in " ".join(plain(finished.caption))
    assert "UNTRAINED (random) weights" in " ".join(plain(finished.caption))
    assert state_of(finished, ComparisonState).job is None


def test_a_result_names_its_images_and_warns_when_others_are_chosen(finished):
    assert finished.header[0].value.replace("\\", "") == "Result: Your images, 10 images"
    assert not finished.header[0].proto.divider  # it would run through the letters
    assert not [text for text in plain(finished.warning) if text.startswith("This is the result")]
    assert any(text.startswith("Kept while this visit lasts") for text in plain(finished.caption))
    app = checked(finished.button_group(key="labelled_source").set_value("fieldguide").run())
    (warning,) = [text for text in plain(app.warning) if text.startswith("This is the result")]
    assert warning.startswith("This is the result for Your images, 10 images, not for the images chosen above")
    checked(app.button_group(key="labelled_source").set_value("upload").run())


def test_the_difference_is_beside_the_points_and_its_absence_is_explained(finished):
    paired = tables(finished)[1]
    assert [paired.index.name, *paired.columns[:3]] == ["method", "against", "points", "difference"]
    reasons = [text for text in plain(finished.info) if text.startswith("No clear difference does not mean no")]
    assert len(reasons) == int("no clear difference" in paired["difference"].tolist())
    assert all("3 training images per class and" in text for text in reasons)


def test_the_command_is_shown(finished):
    (code,) = (element.value for element in finished.code)
    assert code.startswith("crosspool evaluate FOLDER --methods cl@128,sum@128 --splits 20 --train-size 6")
    assert "crosspool classify IMAGE --model Your-images-cl@128.safetensors" in code


def test_the_files_to_download(finished, tmp_path):
    comparison = state_of(finished, ComparisonState).comparison
    files = accuracy_files(comparison.findings)
    table = pd.read_csv(io.BytesIO(files["results.csv"]()))
    assert table["name"].tolist() == ["cl@128", "sum@128"]
    document = json.loads(files["results.json"]())
    assert document["protocol"]["splits"] == 20
    with zipfile.ZipFile(io.BytesIO(zipped_files(files))) as archive:
        assert archive.namelist() == document["files"]
        assert archive.read("accuracy-against-bytes.png").startswith(b"\x89PNG")
    (tmp_path / "m.safetensors").write_bytes(comparison.classifiers["sum@128"].to_bytes())
    loaded = load_classifier(tmp_path / "m.safetensors")
    image = comparison.dataset.samples[0].decode(comparison.dataset.samples[0].read())
    backbone = load_backbone(*NETWORK)
    assert np.array_equal(loaded.scores([image], backbone), comparison.classifiers["sum@128"].scores([image], backbone))


def test_images_in_groups_with_the_predictions_of_all_methods(finished):
    comparison = state_of(finished, ComparisonState).comparison
    groups, predictions = image_groups(comparison)
    answers, targets = np.stack(list(predictions.values())), comparison.dataset.targets
    for index in range(len(comparison.dataset)):
        is_tested = (answers[:, index] >= 0).all()
        assert (index in groups["differ"]) == (is_tested and len(set(answers[:, index])) > 1)
        assert (index in groups["wrong"]) == (is_tested and (answers[:, index] != targets[index]).all())
    cards = [button.key for button in finished.button if re.match(r"why-\d", button.key or "")]
    assert len(cards) == 2 * min(len(groups["differ"]), CARDS_PER_PAGE)


def test_all_images_have_a_why_button(finished):
    group = "image_group"
    app = checked(finished.button_group(key=group).set_value("all").run())
    cards = [button.key for button in app.button if re.match(r"why-\d", button.key or "")]
    assert cards == [f"why-{index}-{name}" for index in range(CARDS_PER_PAGE) for name in ("cl@128", "sum@128")]
    assert any(text.startswith("10 of 10 images.") for text in plain(app.caption))
    checked(app.button_group(key=group).set_value("differ").run())


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (1, ":green[:material/check:] right"),
        (0, r":red[:material/close:] \*a\*"),
        (-1, ":gray[:material/question_mark:] tested in no split, or a tie"),
    ],
)
def test_an_answer_in_words(answer, sentence):
    method = r":small[:gray[Cross\-layer pooling, 448 px]]"
    assert verdict_on_answer("cl@448", answer, 1, ["*a*", "b"]) == f"{sentence}  \n{method}"


def test_a_labelled_image_is_classified_by_methods_trained_without_it(finished):
    comparison = state_of(finished, ComparisonState).comparison
    sample = comparison.dataset.samples[2]
    app = AppTest.from_function(_classify, default_timeout=60)
    state_of(app, ComparisonState).comparison = comparison
    app.session_state.data = sample.read()
    app = checked(app.run())
    assert [text for text in plain(app.info) if text.startswith("This image is one of the labelled ones: each method")]
    (key,) = comparison.labelled.keys_of(sample)
    answers = state_of(app, ComparisonState).answers
    image = sample.decode(sample.read())
    assert answers.left_out
    for name, scores in answers.scores.items():
        without = comparison.without(name, key)
        assert np.array_equal(scores, without.scores([image], comparison.network.backbone)[0])
        assert not np.array_equal(scores, comparison.classifiers[name].scores([image], comparison.network.backbone)[0])


def _classify():
    import streamlit as st

    from crosspool.ui.comparison.predictions import new_images_section
    from crosspool.ui.comparison.state import ComparisonState
    from crosspool.ui.visit.images import add_image
    from crosspool.ui.visit.state import visit_state

    add_image(st.session_state.data, "a.png")
    comparison = visit_state(ComparisonState).comparison
    assert comparison is not None
    new_images_section(comparison)


def test_why_of_a_new_image_keeps_the_image_and_takes_the_first_class_along(finished):
    app = checked(finished.run())
    assert not [text for text in plain(app.info) if text.startswith("This image is one of")]
    answers = state_of(app, ComparisonState).answers
    assert not answers.left_out
    best = ("red", "green")[int(answers.scores["sum@128"].argmax())]
    chosen = state_of(app, LinkState).sample
    app = checked(app.button(key="why-new-sum@128").click().run())
    link = state_of(app, LinkState)
    assert (state_of(app, ChosenClassifier).classifier, link.against) == ("sum@128", "")
    assert any(f"**{best}**" in text for text in plain(app.markdown))
    assert (state_of(app, ImageState).upload, link.sample) == ("", chosen)
    assert app.title[0].value == "Why this class?"
    assert [link.proto.label for link in app.get("page_link")] == ["Back to Train & compare"]
    checked(app.switch_page(PAGE).run())


def test_why_takes_the_image_and_the_method_along(finished):
    """Whether methods disagree on so few images is chance, so what the button does is done here."""
    comparison = state_of(finished, ComparisonState).comparison
    app = AppTest.from_function(_ask)
    state_of(app, ComparisonState).comparison = comparison
    state_of(app, LinkState).against = "green"  # of an earlier question
    app = checked(app.run())
    link, images = state_of(app, LinkState), state_of(app, ImageState)
    sample = comparison.dataset.samples[3]
    assert state_of(app, ChosenClassifier).classifier == "sum@128"
    assert (link.positive, link.against) == ("red", "")
    assert {images.upload} == comparison.labelled.keys_of(sample)
    assert images.received[images.upload].title == sample.name


def _ask():
    from crosspool.ui.comparison.predictions import ask_why_of_sample
    from crosspool.ui.comparison.state import ComparisonState
    from crosspool.ui.visit.state import visit_state

    comparison = visit_state(ComparisonState).comparison
    assert comparison is not None
    ask_why_of_sample(comparison, 3, "sum@128", "red")


# --- warnings about the images


def test_a_class_with_one_image_is_reported_and_the_others_are_compared():
    own = collection(labels=("red", "green", "blue"))
    own.classes["blue"] = own.classes["blue"][:1]
    app = visit(own)
    assert "1 class has fewer than 2 different images of its own: blue (1); left out." in messages(app)[0]
    app = trained(app)
    assert state_of(app, ComparisonState).comparison.report.classes == ("red", "green")


def test_two_classes_one_of_them_with_one_image():
    own = collection()
    own.classes["green"] = own.classes["green"][:1]
    app = visit(own)
    assert "green (1); too few classes would be left; add images." in messages(app)[0]
    assert app.button(key="train").disabled
    (figures,) = (element.proto.body for element in app.get("html") if "figure" in element.proto.body)
    assert "green</b> <span>1 image<" in figures  # it is still there


def test_one_class_only():
    app = visit(collection(labels=("red",)))
    assert "There is only one class, red; add images of at least one other class." in messages(app)[0]
    assert app.button(key="train").disabled


def test_duplicates_across_classes_are_reported_before_and_after():
    own = collection()
    own.add("green", own.classes["red"][0].data, "again.png")
    app = visit(own)
    sentence = "1 image is in two classes: red/1 0.png and green/5 again.png"
    assert sentence in messages(app)[0]
    app = trained(app)
    assert sentence in state_of(app, ComparisonState).comparison.report.problems[0]


def test_uploads_wait_for_the_name_of_their_class():
    app = visit(collection(labels=("red",)))
    files = [(f"{n}.png", png(tinted(n, 1).resize((64, 64))), "image/png") for n in range(2)]
    app = checked(app.file_uploader[0].set_value(files).run())
    assert "Type the name of the class that your 2 images show." in plain(app.info)
    app = checked(app.text_input(key="class_name").set_value("  Green ").run())
    assert {label: len(shots) for label, shots in state_of(app, LabelledState).own_collection.classes.items()} == {
        "red": 4, "Green": 2,
    }  # fmt: skip
    app = checked(app.text_input(key="class_name").set_value("RED").run())
    app = checked(app.file_uploader[0].set_value([*files[:1], ("notes.png", b"words", "image/png")]).run())
    assert "RED is taken as the class red, which is here already." in plain(app.info)
    assert "notes.png is not an image" in messages(app)[0]
    assert len(state_of(app, LabelledState).own_collection.classes["red"]) == 5


def test_the_type_of_a_file_is_found_in_its_bytes():
    app = visit(collection(labels=("red",)))
    assert list(app.file_uploader[0].proto.type) == []
    app = checked(app.text_input(key="class_name").set_value("green").run())
    heif, jpeg = io.BytesIO(), io.BytesIO()
    pillow_heif.from_pillow(tinted(1, 1).resize((64, 64))).save(heif)
    tinted(2, 1).resize((64, 64)).save(jpeg, "JPEG")
    files = {"1.hif": heif, "2.jfif": jpeg, "3.jpe": jpeg, "4": jpeg, "5.txt": jpeg, "6.JPEG": heif}
    values = [(name, file.getvalue() + name.encode(), "") for name, file in files.items()]
    app = checked(app.file_uploader[0].set_value(values).run())
    kept = state_of(app, LabelledState).own_collection.classes["green"]
    assert [image.title for image in kept] == list(files)


def test_of_many_files_that_were_left_out_the_newest_are_named_first():
    app = visit(collection(labels=("red",)))
    for number in range(12):
        app = checked(app.text_input(key="class_name").set_value("green").run())
        app = checked(app.file_uploader[0].set_value([(f"{number}.png", b"words", "image/png")]).run())
        assert messages(app)[0].split("- ")[1].startswith(f"{number}.png is not an image")
    app = checked(app.text_input(key="class_name").set_value("green").run())
    app = checked(app.file_uploader[0].set_value([("3.png", b"words", "image/png")]).run())
    assert messages(app)[0].split("- ")[1].startswith("3.png is not an image")


def test_what_is_no_zip_answers_for_itself():
    app = visit(collection(labels=("red",)))
    app = checked(app.button_group(key="labelled_source").set_value("zip").run())
    for name in ("birds.zip", "birds.rar", "birds"):
        app = checked(app.file_uploader[0].set_value([(name, b"words", "")]).run())
        title = name if "." in name else "birds.zip"
        assert plain(app.error)[0].startswith(f"{title} is not a ZIP file")


def office():
    """A ZIP that can be read in two ways."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, place in enumerate(("amazon", "dslr")):
            for channel, label in enumerate(("bag", "mug")):
                image = tinted(2 * number + channel, channel).resize((64, 64))
                archive.writestr(f"{place}/{label}/1.png", png(image))
    return file.getvalue()


def zip_page():
    app = visit(collection(labels=("red",)))
    return checked(app.button_group(key="labelled_source").set_value("zip").run())


@pytest.mark.parametrize(("layout", "classes"), [("classes", ["amazon", "dslr"]), ("parts", ["bag", "mug"])])
def test_a_zip_with_two_readings_waits_for_a_choice_and_is_not_sent_again(layout, classes):
    app = zip_page()
    app = checked(app.file_uploader[0].set_value([("office.zip", office(), "application/zip")]).run())
    assert messages(app)[0].endswith("with the classes bag and mug; choose above how its folders are read.")
    assert not app.error  # it is a question
    assert state_of(app, LabelledState).held_zip.name == "office.zip"
    assert not any("Add a ZIP" in text for text in plain(app.info))  # one is there, and waits
    app = checked(app.button_group(key="zip_layout").set_value(layout).run())
    state = state_of(app, LabelledState)
    assert list(state.zip_collection.classes) == classes
    assert (state.held_zip, state.zip_error, state.zip_layout) == (None, "", "auto")
    assert not app.error
    assert not app.button(key="train").disabled


def has_layouts(app):
    return any(group.key == "zip_layout" for group in app.button_group)


def test_how_folders_are_read_is_asked_only_of_a_zip_that_waits_and_what_is_still_chosen_is_said():
    app = zip_page()
    assert not has_layouts(app)
    app = checked(app.file_uploader[0].set_value([("office.zip", office(), "application/zip")]).run())
    app = checked(app.button_group(key="zip_layout").set_value("parts").run())
    assert not has_layouts(app)
    app = checked(app.file_uploader[0].set_value([("other.zip", office(), "application/zip")]).run())
    assert messages(app)[0].endswith("choose above how its folders are read. Still chosen: office.")
    assert has_layouts(app)
    app = checked(app.file_uploader[0].set_value([("bad.zip", b"words", "application/zip")]).run())
    assert plain(app.error)[0].endswith("Still chosen: office.")
    assert not has_layouts(app)


def test_a_zip_for_which_there_is_no_room_is_to_be_added_again(monkeypatch):
    monkeypatch.setattr("crosspool.ui.visit.choose_labelled.hold", lambda *arguments: None)
    app = zip_page()
    app = checked(app.file_uploader[0].set_value([("office.zip", office(), "application/zip")]).run())
    assert messages(app)[0].endswith("choose above how its folders are read, then add it again.")
    app = checked(app.button_group(key="zip_layout").set_value("parts").run())
    app = checked(app.file_uploader[0].set_value([("office.zip", office(), "application/zip")]).run())
    assert list(state_of(app, LabelledState).zip_collection.classes) == ["bag", "mug"]


def test_a_zip_that_waits_is_forgotten_with_the_images():
    app = zip_page()
    app = checked(app.file_uploader[0].set_value([("office.zip", office(), "application/zip")]).run())
    app = checked(app.button(key="forget-labelled").click().run())
    state = state_of(app, LabelledState)
    assert (state.held_zip, state.zip_error) == (None, "")


def test_what_was_read_is_shown_before_anything_is_trained():
    own = collection(each=2)
    own.add("red", png(tinted(0, 0).resize((64, 64))), "again.png")
    app = visit(own)
    (expander,) = [each for each in app.expander if each.label == "What was read"]
    (lines,) = plain(expander.markdown)
    assert lines.splitlines() == [
        "- Your images: 5 images of 2 classes.",
        "- Formats: PNG 5.",
        "- Colours: RGB 5.",
        "- Sizes: 64×64 pixels.",
        "- 1 image is there twice: 0.png and again.png.",
    ]


def test_names_of_classes_in_the_table_are_text():
    assert table_html([Column("class", ["<b>cat"]), Column("a&b", ["2"], right=True)]) == (
        '<div class="counts"><table><thead><tr><th scope="col">class</th><th scope="col">a&amp;b</th></tr></thead>'
        '<tbody><tr><th scope="row">&lt;b&gt;cat</th><td>2</td></tr></tbody></table></div>'
    )


def test_a_file_that_was_left_out_is_still_reported_after_the_next_class():
    app = visit(collection(labels=("red",)))
    app = checked(app.text_input(key="class_name").set_value("green").run())
    app = checked(app.file_uploader[0].set_value([("notes.png", b"words", "image/png")]).run())
    app = checked(app.text_input(key="class_name").set_value("blue").run())
    files = [(f"{n}.png", png(tinted(n, 2).resize((64, 64))), "image/png") for n in range(2)]
    app = checked(app.file_uploader[0].set_value(files).run())
    assert list(state_of(app, LabelledState).own_collection.classes) == ["red", "blue"]
    assert "notes.png is not an image" in messages(app)[0]


def test_a_class_name_that_is_too_long_is_refused():
    app = visit(collection(labels=("red",)))
    app = checked(app.text_input(key="class_name").set_value("x" * 61).run())
    files = [("1.png", png(tinted(1, 1).resize((64, 64))), "image/png")]
    app = checked(app.file_uploader[0].set_value(files).run())
    assert plain(app.error) == ["A class's name may have 60 characters, and this one has 61; shorten it."]
    assert list(state_of(app, LabelledState).own_collection.classes) == ["red"]


def test_a_class_can_be_removed():
    app = visit(collection(labels=("red", "green", "*bl*ue")))
    app = checked(app.button(key="remove-class-*bl*ue").click().run())
    assert list(state_of(app, LabelledState).own_collection.classes) == ["red", "green"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"PK nothing", "birds.zip is not a ZIP file, or is damaged"),
        (None, "birds.zip has images but no class folders"),
    ],
)
def test_a_zip_that_cannot_be_used_is_one_sentence_and_the_earlier_one_stays(data, sentence):
    app = visit(collection())
    state_of(app, LabelledState).zip_collection = collection(labels=("earlier", "set"))
    app = checked(app.button_group(key="labelled_source").set_value("zip").run())
    if data is None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("1.png", png(noise(1)))
        data = file.getvalue()
    app = checked(app.file_uploader[0].set_value([("birds.zip", data, "application/zip")]).run())
    assert sentence in plain(app.error)[0]
    assert list(state_of(app, LabelledState).zip_collection.classes) == ["earlier", "set"]
    assert not app.button(key="train").disabled


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("cll@128", "There is no method 'cll'; did you mean cl?"),
        ("cl@1", "The input size must be a whole number from 128 to 896, not 1."),
        ("", "Name at least one method"),
    ],
)
def test_methods_that_cannot_be_understood_are_reported(typed, sentence):
    app = visit(collection(), methods=typed)
    assert sentence in plain(app.error)[0]
    assert app.button(key="train").disabled


# --- cancelling, failing, leaving


def test_a_cancelled_training_keeps_everything(monkeypatch):
    app = visit(collection())
    may_go_on = threading.Event()
    monkeypatch.setattr("crosspool.features.Features._whole", lambda features, needed: may_go_on.wait(LONG) and None)
    app = checked(app.button(key="train").click().run())
    assert app.button(key="train").disabled
    job = state_of(app, ComparisonState).job
    app = checked(app.button(key="cancel").click().run())
    assert job.cancelled
    may_go_on.set()
    assert "Cancelled. Your images and choices are unchanged" in plain(app.info)[0]
    assert not app.button(key="train").disabled
    assert len(state_of(app, LabelledState).own_collection) == 8
    assert app.text_input(key="more_methods").value == METHODS
    monkeypatch.undo()
    assert state_of(trained(app), ComparisonState).comparison


def test_a_failed_training_is_reported_and_keeps_everything(monkeypatch):
    app = visit(collection())

    def fails(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crosspool.ui.comparison.job.result_of", fails)
    app = trained(app)
    assert "could not store what was computed (No space left on device)" in plain(app.error)[0]
    assert len(state_of(app, LabelledState).own_collection) == 8
    monkeypatch.undo()
    app = trained(app)
    assert not app.error
    assert state_of(app, ComparisonState).comparison


def test_choices_and_results_survive_a_page_switch(finished):
    app = visit(collection())
    app.number_input(key="splits").set_value(3)
    app = trained(app)
    before = tables(app)[0]
    app = checked(app.switch_page("pages/what_am_i_looking_at.py").run())
    app = checked(app.switch_page(PAGE).run())
    assert app.number_input(key="splits").value == 3
    assert app.text_input(key="more_methods").value == METHODS
    assert app.selectbox(key="training_network").value == NETWORK
    assert app.multiselect(key="methods-squeezenet1_1").value == []
    pd.testing.assert_frame_equal(tables(app)[0], before)
