"""A comparison's files, its classifiers, and the commands that give the same again."""

import io
import shlex
import zipfile
from collections.abc import Callable, Mapping
from functools import partial

import streamlit as st

from crosspool.evaluation.files import COST_FIGURE, accuracy_files, safe_file_names
from crosspool.text import human_bytes
from crosspool.ui.comparison.result import Comparison
from crosspool.ui.visit.labelled import LONGEST_NAME
from crosspool.ui.widgets.text import as_it_is


def downloads_section(comparison: Comparison) -> None:
    st.subheader("Download and share", anchor=False)
    findings = comparison.findings
    files = accuracy_files(findings)
    (dataset,) = safe_file_names([comparison.dataset.name[:LONGEST_NAME]])
    start = f"{dataset}-" if dataset else ""  # so that files of several data sets can lie together
    with st.container(horizontal=True):
        _download("Table (CSV)", files["results.csv"], f"{start}results.csv", "text/csv")
        _download("All numbers (JSON)", files["results.json"], f"{start}results.json", "application/json")
        _download("Figure (PNG)", files[f"{COST_FIGURE}.png"], f"{start}{COST_FIGURE}.png", "image/png")
        _download("Figure (SVG)", files[f"{COST_FIGURE}.svg"], f"{start}{COST_FIGURE}.svg", "image/svg+xml")
        _download("All files (ZIP)", partial(_zipped, files), f"{start}comparison.zip", "application/zip")
    names = [f"{start}{stem}.safetensors" for stem in safe_file_names(list(comparison.classifiers))]
    with st.container(horizontal=True):
        for name, (method, classifier) in zip(names, comparison.classifiers.items(), strict=True):
            size = human_bytes(classifier.weights.nbytes)
            _download(f"Model {as_it_is(method)}, {size}", classifier.to_bytes, name, "application/octet-stream")
    example = shlex.join(["crosspool", "classify", "IMAGE", "--model", names[0]])
    if comparison.labelled.spec is None:
        st.markdown(
            "About the same on the command line, where FOLDER has a folder of images for each class (large images were "
            "shrunk on upload here):"
        )
    else:
        st.markdown("The same on the command line, and a downloaded model applied to an image:")
    st.code(f"{findings.command_line}\n{example}", language="bash", wrap_lines=True)


def _download(label: str, made: Callable[[], bytes], name: str, kind: str) -> None:
    st.download_button(label, made, name, kind, icon=":material/download:", on_click="ignore", key=f"download-{name}")


def _zipped(files: Mapping[str, Callable[[], bytes]]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, made in files.items():
            archive.writestr(name, made())
    return data.getvalue()
