"""Download and share, without a browser: which maps, the names and contents of the files, the code, and the link."""

import io
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from benchmarks.harness.session import state_of
from crosspool.ui.visit.link import LinkState

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"backbone": "squeezenet1_1", "weights": "untrained", "pair": "features.12.squeeze", "size": "128"}


def section():
    from crosspool.ui.maps.page import maps_page
    from crosspool.ui.maps.selection import current_look, selected_channel
    from crosspool.ui.maps.share import download_and_share

    def body(image, request, maps):
        download_and_share(image, request, maps, selected_channel(maps), current_look(False))

    maps_page("Downloads", body)


@pytest.fixture
def offered(monkeypatch):
    """What the download buttons of the last run give, by the names of their files."""
    files = {}
    real = st.download_button

    def download_button(label, data, file_name, *more, **options):
        files[file_name] = data
        return real(label, data, file_name, *more, **options)

    monkeypatch.setattr(st, "download_button", download_button)
    return files


def visit(**params):
    app = AppTest.from_function(section, default_timeout=120)
    app.query_params.update({**SMALL, **params})
    return ran(app)


def choose(app, maps):
    app.segmented_control(key="download").set_value(maps)
    return ran(app)


def ran(app):
    app.run()
    assert not app.exception, [error.value for error in app.exception]
    return app


def test_files_are_named_after_what_is_in_them_and_made_when_asked_for(offered):
    app = visit(channel="5", pins="3,17")
    stem = "Cat-squeezenet1_1-untrained-features.12.squeeze"
    assert list(offered) == [
        *(f"{stem}-map-5.{kind}" for kind in ("png", "svg", "csv")),
        f"{stem}.npz", f"{stem}.html", f"{stem}-statistics.csv",
    ]  # fmt: skip
    assert all(callable(data) for data in offered.values())
    assert offered[f"{stem}-map-5.csv"]().startswith(b"channel,row,column,weight\n5,0,0,")
    assert offered[f"{stem}-statistics.csv"]().count(b"\n") == 65
    with np.load(io.BytesIO(offered[f"{stem}.npz"]()), allow_pickle=False) as archive:
        assert archive["channels"].tolist() == [5]
    offered.clear()
    choose(app, "pinned")
    assert offered[f"{stem}-maps-3-17.csv"]().count(b"\n") == 1 + 2 * 49
    offered.clear()
    choose(app, "first")
    assert f"{stem}-23-maps.png" in offered


def test_pinned_maps_are_offered_while_there_are_some():
    app = visit(pins="3")
    assert "Pinned (1)" in app.segmented_control(key="download").options
    choose(app, "pinned")
    state_of(app, LinkState).pins = ""
    app = ran(app)
    choice = app.segmented_control(key="download")
    assert choice.value == "this"
    assert len(choice.options) == 2


@pytest.mark.parametrize("view", [{"channel": "5"}, {"pins": "3,17,0", "colours": "magma", "scale": "layer"}])
def test_the_code_draws_what_the_png_shows(offered, monkeypatch, tmp_path, view):
    app = visit(framing="squash", border="valid", smooth="0", opacity="0.4", **view)
    offered.clear()
    app = choose(app, "pinned" if "pins" in view else "this")
    (name,) = (name for name in offered if name.endswith(".png"))
    monkeypatch.chdir(tmp_path)  # a sample is found wherever crosspool is installed
    exec(app.code[0].value, {})
    with Image.open(name) as drawn, Image.open(io.BytesIO(offered[name]())) as taken:
        difference = np.abs(np.asarray(drawn.convert("RGB"), int) - np.asarray(taken.convert("RGB"), int))
    assert difference.max() <= 2  # the network's numbers may differ in the last bit


def test_the_link_has_all_settings():
    app = visit(channel="5", pins="3,17", colours="magma")
    link = app.code[1].value
    assert link.endswith(
        "?backbone=squeezenet1_1&weights=untrained&pair=features.12.squeeze&size=128&channel=5&colours=magma&pins=3,17"
    )
    assert any("This link opens the same image" in caption.value for caption in app.caption)


def test_a_link_does_not_hold_a_visitors_image():
    app = visit()
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(data, "PNG")
    app.file_uploader[0].set_value(("$a$ <b>.png", data.getvalue(), "image/png"))
    app = ran(app)
    assert any("Your image is not in the link" in caption.value for caption in app.caption)
    assert "load_image('$a$ <b>.png')" in app.code[0].value


def test_files_that_are_too_large_to_be_made_here_are_not_offered(offered, monkeypatch):
    app = visit()
    assert not any(button.proto.disabled for button in app.get("download_button"))
    monkeypatch.setattr("crosspool.ui.maps.share.MOST_ROWS", 48)
    monkeypatch.setattr("crosspool.ui.maps.share.MOST_BYTES", 1000)
    app = ran(app)
    disabled = {button.proto.label: button.proto.help for button in app.get("download_button") if button.proto.disabled}
    assert set(disabled) == {"CSV", "NPZ"}
    assert (
        disabled["CSV"] == "A table of 49 weights is too long for this page; choose fewer maps, or use crosspool maps."
    )
    assert disabled["NPZ"].endswith("is too large for this page; choose a smaller input, or use crosspool maps.")
