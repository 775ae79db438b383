"""What was read of labelled images, as `crosspool inspect` says it: shown before anything is trained."""

import html
from collections.abc import Sequence

import streamlit as st

from crosspool.inspection.dataset import DatasetReport
from crosspool.inspection.tables import class_section
from crosspool.text import Column
from crosspool.ui.widgets.text import as_it_is


def what_was_read(report: DatasetReport) -> None:
    """Show classes with their images in each part, formats, colours, sizes and copies, folded away."""
    with st.expander("What was read", icon=":material/fact_check:"):
        copies = report.copies_sentences or ["No two images have the same pixels."]
        sentences = [report.summary, *report.facts_sentences, *copies]
        st.markdown("\n".join(f"- {as_it_is(sentence)}" for sentence in sentences))
        st.html(table_html(class_section(report).columns))


def table_html(columns: Sequence[Column]) -> str:
    """A table whose first column names its rows."""
    head = "".join(f'<th scope="col">{html.escape(column.title)}</th>' for column in columns)
    rows = "".join(_row(cells) for cells in zip(*(column.cells for column in columns), strict=True))
    return f'<div class="counts"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(cells: Sequence[str]) -> str:
    name, *counts = map(html.escape, cells)
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{count}</td>" for count in counts)}</tr>'
