"""Weights that are not on this machine: downloading them where the operator allows that, or the untrained network."""

from dataclasses import dataclass

import streamlit as st

from crosspool.backbones import UNTRAINED, BackboneSpec
from crosspool.ui.maps.selection import forget_channels
from crosspool.ui.runtime.background import FullError
from crosspool.ui.runtime.downloads import Download
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.link import PRETRAINED, LinkState
from crosspool.ui.visit.state import VisitPart, plain, visit_state
from crosspool.ui.widgets.text import as_it_is

WATCH_SECONDS = 0.5
SHORT = {
    "needs a download": "download", "needs a package": "not installed", "not published": "untrained",
    "not on this server": "not here",
}  # fmt: skip


@dataclass
class DownloadState(VisitPart):
    """The downloads that this visitor waits for or has seen fail, and why others did not begin, by network."""

    downloads: dict[str, Download] = plain({})
    refused_downloads: dict[str, str] = plain({})


def availability(spec: BackboneSpec) -> str:
    """Whether the weights are here, in a few words."""
    if current_server().networks.why_not(spec):
        return "not on this server"
    return "not on this server" if not spec.weights.is_here and not _allowed() else spec.weights.availability


def in_list(spec: BackboneSpec) -> str:
    """The network in a list that has little room."""
    return f"{spec.title} · {SHORT.get(availability(spec), availability(spec))}"


def network_is_here(spec: BackboneSpec) -> bool:
    """Whether the chosen weights are on this machine."""
    return bool(visit_state(LinkState).weights != PRETRAINED or spec.weights.is_here)


def offer_download(spec: BackboneSpec) -> None:
    """Say that the weights are missing, and download them when, and only when, the button is pressed."""
    if not _allowed():
        missing = f"The pretrained weights of {spec.title} are not on this server."
        offer = "This server does not download weights; its operator can add them. The untrained network needs none."
        st.info(f"{missing} {offer}", icon=":material/cloud_off:")
        st.button("Show the untrained network", type="primary", on_click=_show_untrained)
        return
    if spec.weights.availability != "needs a download":
        missing = f"The pretrained weights of {spec.title} are not on this machine"
        st.info(f"{missing}; {spec.weights.how_to_get(spec.name)}.", icon=":material/cloud_off:")
        st.button("Show the untrained network", type="primary", on_click=_show_untrained)
        return
    download = visit_state(DownloadState).downloads.get(spec.name)
    if download is not None and download.job.running:
        _watch(spec)
        return
    error = visit_state(DownloadState).refused_downloads.get(spec.name) or (
        download.job.error if download is not None else ""
    )
    if error:
        st.error(as_it_is(error), icon=":material/cloud_off:")
    st.info(
        f"The pretrained weights of {spec.title} are not on this machine yet. Download them, or look at the untrained "
        "network in the meantime.",
        icon=":material/cloud_download:",
    )
    with st.container(horizontal=True):
        label = f"Download {spec.weights.megabytes:.0f} MB"
        st.button(label, type="primary", on_click=_start, args=(spec,), key="download")
        st.button("Show the untrained network", on_click=_show_untrained)


def _allowed() -> bool:
    return current_server().settings.allows_downloads


def _start(spec: BackboneSpec) -> None:
    state = visit_state(DownloadState)
    try:
        state.downloads[spec.name] = current_server().downloads.of(spec)
    except FullError as error:
        state.refused_downloads[spec.name] = str(error)
    else:
        state.refused_downloads.pop(spec.name, None)


def _cancel(spec: BackboneSpec) -> None:
    visit_state(DownloadState).downloads.pop(spec.name, None)


@st.fragment(run_every=WATCH_SECONDS)
def _watch(spec: BackboneSpec) -> None:
    """How far the download is, and a button that ends it, unless others wait for it too."""
    download = visit_state(DownloadState).downloads.get(spec.name)
    if download is None or not download.job.running:
        st.rerun()
    done, total = download.progress.done, download.progress.total
    text = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else "Connecting …"
    st.progress(done / total if total else 0.0, f"Downloading the weights of {spec.title}: {text}")
    with st.container(horizontal=True):
        st.button("Cancel", icon=":material/stop_circle:", on_click=_cancel, args=(spec,), key="download-cancel")
        st.button("Show the untrained network", on_click=_show_untrained, key="download-meanwhile")


def _show_untrained() -> None:
    visit_state(LinkState).weights = UNTRAINED
    forget_channels()
