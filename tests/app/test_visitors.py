"""What visitors bring along: names that pretend to be markup, limits, and forgetting all of it."""

import gc
import html
import io
import zipfile
from typing import Any

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

from benchmarks.harness.session import state_of, visit_of
from crosspool.text import class_title, csv_text, printable
from crosspool.ui.comparison.state import ComparisonState
from crosspool.ui.maps.selection import MapsState
from crosspool.ui.maps.surveying import SurveyState
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.background import BackgroundJob, JobLimit
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit import labelled
from crosspool.ui.visit.choose_labelled import LabelledState
from crosspool.ui.visit.images import SHOWN_ERRORS, ImageState
from crosspool.ui.visit.uploads import shortened
from crosspool.ui.widgets.text import as_it_is
from tests.app.test_frame import APP, SMALL, change_gallery, checked, component, sentences, shown_text, view_of, visit
from tests.images import noise, png, tinted

TRAIN = "pages/train_and_compare.py"
MARK = "zß"  # which no data URL holds
HOSTILE = (
    f"**{MARK}** _{MARK}_ `{MARK}` [{MARK}](javascript:alert) :red[{MARK}]",
    f"<img src=x onerror={MARK}> <b>{MARK}</b>",
    f"${MARK}$ $$\\frac{MARK}{{2}}$$ :material/{MARK}: :{MARK}:",
    f"{MARK}\n\n# {MARK}\u2028- {MARK}",
    f"\u202e{MARK}\u2066\u200b{MARK}",
    f"../../{MARK}/..\\{MARK}",
    f"=HYPERLINK({MARK})",
    f"{MARK}@a.example www.{MARK}.example|http://{MARK} `{MARK}@",
    MARK * 150,
)
# Where Streamlit shows text as it is: everything else is taken for Markdown.
LITERAL = {"bidi_component", "code", "imgs", "image", "selectbox", "multiselect", "text_input", "file_uploader"}


def strings(message):
    """All texts in what is sent to a browser."""
    for field, value in message.ListFields():
        if field.name == "id":  # which nobody sees
            continue
        values = value if field.is_repeated else [value]
        for content in values:
            if isinstance(content, str):
                yield content
            elif hasattr(content, "ListFields"):
                yield from strings(content)


def interpreted(app, names):
    """Texts of the page in which a name, or a part of one, would be interpreted as markup."""
    variants = sorted({text for name in names for text in (name, printable(name))}, key=len, reverse=True)
    wrong = []
    for element in app:
        proto = getattr(element, "proto", None)
        if element.type in LITERAL or not hasattr(proto, "ListFields"):
            continue
        escape = html.escape if element.type == "html" else as_it_is
        for text in strings(proto):
            rest = text
            for name in variants:
                rest = rest.replace(escape(name), "")
            if MARK in rest:
                wrong.append((element.type, text))
    return wrong


def upload(app, *files):
    return checked(app.file_uploader[0].set_value([(name, data, "image/png") for name, data in files]).run())


def zipped(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


# --- names


def test_names_of_uploads_are_shown_literally():
    names = [shortened(f"{name}.png") for name in HOSTILE]
    app = upload(visit(**SMALL), *[(f"{name}.png", png(noise(n))) for n, name in enumerate(HOSTILE)])
    own = [item["title"] for item in component(app, "image-strip")["items"] if item["own"]]
    assert own == list(map(printable, names))
    for page in ("weighting_maps", "contributions", "build_p", "what_am_i_looking_at"):
        app = checked(app.switch_page(f"pages/{page}.py").run())
        assert interpreted(app, names) == []
    app = upload(app, *[(f"{name}.png", b"no image") for name in HOSTILE])
    assert sum(sentence.count(" is not an image that can be read") for sentence in sentences(app)) == len(HOSTILE)
    assert interpreted(app, names) == []


def test_names_of_classes_and_of_a_zip_are_shown_literally():
    app = checked(AppTest.from_file(APP, default_timeout=120).run())
    app = checked(checked(app.switch_page(TRAIN).run()).button_group(key="labelled_source").set_value("zip").run())
    names = [name.replace("/", "|").replace("\\", "|")[:100] for name in HOSTILE if name[0] != "."]
    files = {f"{name}/{name}{n}.png": png(tinted(9 * c + n, c % 3)) for c, name in enumerate(names) for n in range(2)}
    files |= {f"{names[0]}/{names[1]}.txt": b"", f"{names[1]}/{names[0]}.png": b"no image"}
    app = checked(app.file_uploader[0].set_value(("pets.zip", zipped(files), "application/zip")).run())
    assert not app.error, sentences(app)
    classes = list(state_of(app, LabelledState).zip_collection.classes)
    assert len(classes) == len(names)
    captions = [caption.value.replace("\\", "") for caption in app.caption]
    assert f"Read as {len(names)} classes, a folder for each." in captions
    assert all(label == labelled.as_label(label) for label in classes)
    assert app.warning
    flat = [part for name in files for part in name.split("/")]
    titles = [class_title(label) for label in classes]
    assert interpreted(app, [*classes, *titles, *flat, *files, *(labelled.as_label(part) for part in flat)]) == []


def test_a_zip_whose_names_lead_outside_is_refused():
    app = checked(AppTest.from_file(APP, default_timeout=120).run())
    app = checked(checked(app.switch_page(TRAIN).run()).button_group(key="labelled_source").set_value("zip").run())
    data = zipped({f"{HOSTILE[5]}/1.png": png(noise(1))})
    app = checked(app.file_uploader[0].set_value((f"{HOSTILE[1]}.zip", data, "application/zip")).run())
    assert "names a file outside itself" in sentences(app)[0]
    assert state_of(app, LabelledState).zip_collection is None


def test_a_typed_class_is_shown_literally():
    app = checked(AppTest.from_file(APP, default_timeout=120).run())
    app = checked(checked(app.switch_page(TRAIN).run()).button_group(key="labelled_source").set_value("upload").run())
    for name in HOSTILE[:2]:
        app = checked(app.text_input[0].set_value(name).run())
        app = checked(app.file_uploader[0].set_value([("1.png", png(noise(len(name))), "image/png")]).run())
    assert list(state_of(app, LabelledState).own_collection.classes) == list(HOSTILE[:2])
    assert interpreted(app, [*HOSTILE, *map(class_title, HOSTILE)]) == []
    app = checked(app.text_input[0].set_value(HOSTILE[-1]).run())
    assert "A class's name may have 60 characters, and this one has 300; shorten it." in sentences(app)


def test_a_table_for_spreadsheets_holds_no_formulas():
    rows: list[list[Any]] = [
        ["class", "n"],
        ["=1+1", -1],
        ["+a", 2.5],
        ["-b", None],
        ["@c", True],
        ["\td", 0],
        ["plain =", 1],
    ]
    assert csv_text(rows).splitlines() == [
        "class,n", "'=1+1,-1", "'+a,2.5", "'-b,", "'@c,True", "'\td,0", "plain =,1",
    ]  # fmt: skip


# --- limits and forgetting


def test_what_a_page_computes_is_charged_to_its_visitor():
    with use_server(Server(ServerSettings())) as server:
        visitor = visit_of(upload(visit(**SMALL), ("one.png", png(noise(1))))).visitor
        assert visitor.seconds > 0
        assert visitor.nbytes > 0
        assert visitor in server.accounts.largest(1)
        assert server.accounts.own.seconds == 0


def test_an_image_without_room_is_left_out_and_the_others_stay(server):
    app = upload(visit(**SMALL), ("one.png", png(noise(1))))
    (image,) = state_of(app, ImageState).received.values()
    visit_of(app).visitor.nbytes += server.settings.visitor_megabytes * 2**20 - len(image.data) - 10
    app = upload(app, ("two.png", png(noise(2))))
    assert sentences(app) == [
        "two.png was left out: your images may take 64 MB in all; remove some, or choose smaller ones."
    ]
    assert [image.title for image in state_of(app, ImageState).received.values()] == ["one.png"]


def test_of_many_files_that_are_no_images_the_first_are_named():
    files = [(f"{number}.png", b"words") for number in range(SHOWN_ERRORS + 3)]
    (text,) = sentences(upload(visit(**SMALL), *files))
    lines = text.split("  \n")
    assert len(lines) == SHOWN_ERRORS + 1
    assert lines[-1] == "3 more were left out."


def test_a_file_beyond_its_limit_is_refused_after_the_server_took_it():
    with use_server(Server(ServerSettings(upload_megabytes=1))):
        app = upload(visit(**SMALL), ("large.png", bytes(2**21)))
    assert sentences(app) == ["large.png has 2.0 MB, and this server takes at most 1; scale it down and try again."]


def test_streamlit_keeps_no_file_that_a_page_has_taken(monkeypatch):
    removed = []
    remove_file = MemoryUploadedFileManager.remove_file

    def noted(manager, session_id, file_id):
        removed.append([file.name for file in manager.get_files(session_id, [file_id])])
        remove_file(manager, session_id, file_id)

    monkeypatch.setattr(MemoryUploadedFileManager, "remove_file", noted)
    upload(visit(**SMALL), ("one.png", png(noise(1))), ("two.png", b"no image"))
    assert [names for names in removed if names] == [["one.png"], ["two.png"]]


def test_the_page_says_where_images_live():
    app = upload(visit(**SMALL), ("one.png", png(noise(1))))
    assert "Other pages that are open keep their own images." in shown_text(app)
    assert (
        "They are gone when you press Forget my images, and about 10 minutes after you close the page."
        in shown_text(app)
    )


def test_there_is_no_button_to_forget_images_before_there_are_some():
    app = visit(**SMALL)
    assert not [button for button in app.button if button.key and button.key.startswith("forget-")]


def test_forgetting_removes_everything_at_once(server):
    gc.collect()
    server.quota.release_dropped()
    before = server.quota.nbytes
    app = upload(visit(**SMALL), ("one.png", png(noise(31))), ("two.png", png(noise(32))))
    own = labelled.Collection("Your images", visitor=visit_of(app).visitor)
    own.add("red", png(noise(33)), "a.png")
    folder = own.cache.folder
    state_of(app, LabelledState).own_collection = own
    state_of(app, LabelledState).class_name = "a typed name"
    del own
    server.quota.release_dropped()
    assert server.quota.nbytes > before
    key = state_of(app, ImageState).upload
    app = change_gallery(app, view=view_of(app, first=[3, 1]))
    assert state_of(app, MapsState).first_of.image == key
    app = checked(app.button(key="forget-images").click().run())
    assert state_of(app, ImageState) == ImageState()
    assert state_of(app, LabelledState) == LabelledState()
    assert state_of(app, MapsState).first_of is None
    assert [toast.value for toast in app.toast] == ["Your images are forgotten."]
    assert not [button for button in app.button if button.key and button.key.startswith("forget-")]
    gc.collect()
    server.quota.release_dropped()
    assert server.quota.nbytes == before
    assert not folder.exists()
    assert key not in {kind.image(inner) for kind, inner in server.cache._store}
    app = upload(app, ("one.png", png(noise(31))))
    assert len(state_of(app, ImageState).received) == 1


def test_forgetting_is_offered_beside_labelled_images_and_beside_other_ones():
    def page():
        from crosspool.ui.maps.page import start_from_link
        from crosspool.ui.visit.choose_labelled import choose_labelled
        from crosspool.ui.visit.images import choose_image

        start_from_link()
        choose_labelled()
        choose_image()

    app = checked(AppTest.from_function(page, default_timeout=120).run())
    state_of(app, ImageState).received = state_of(
        upload(visit(**SMALL), ("one.png", png(noise(1)))), ImageState
    ).received
    app = checked(app.run())
    assert {button.key for button in app.button} >= {"forget-labelled", "forget-images"}


def test_forgetting_cancels_jobs():
    app = upload(visit(**SMALL), ("one.png", png(noise(1))))
    jobs = [
        BackgroundJob(lambda step: None, JobLimit("test", "tests", 1).take(Account()), task="a test", advice="")
        for _ in range(2)
    ]
    state_of(app, ComparisonState).job, state_of(app, SurveyState).survey = jobs
    app = checked(app.button(key="forget-images").click().run())
    assert all(job.cancelled for job in jobs)
    assert state_of(app, ComparisonState).job is None
    assert state_of(app, SurveyState).survey is None


@pytest.mark.parametrize("length", [254, 255, 256, 3000])
def test_long_names_keep_their_ends(length):
    name = "a" * (length - 4) + ".png"
    short = shortened(name)
    assert len(short) == min(length, 255)
    assert short.endswith(".png")
    assert (short == name) == (length <= 255)
