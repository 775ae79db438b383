"""The result of the comparison that the page offers first, computed before and stored with the command that made it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from crosspool.evaluation.verdict import Outcome
from crosspool.text import human_bytes, percent, shown_ends
from crosspool.ui.comparison.wording import in_one_line, method_markdown
from crosspool.ui.widgets.text import as_it_is

STORED = Path(__file__).with_name("stored_result.json")


@cache
def stored_result() -> dict[str, Any]:
    """The JSON of the stored evaluation."""
    result: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
    return result


def stored_section() -> None:
    """What came out for the first choices of the page, shown until the visitor has a result of their own."""
    result = stored_result()
    protocol = result["protocol"]
    st.header("Stored result: FieldGuide", anchor=False)
    st.markdown(f"### {as_it_is(Outcome.of_json(result).verdict)}")
    st.caption(
        f"{result['images']} drawn birds of {len(result['classes'])} species, {protocol['splits']} random splits: "
        f"{protocol['train_images']} images to train on and {protocol['test_images']} to test on. Press Train and "
        "compare to see it computed, or choose your own images. Of several methods of a kind, the sentence above tests "
        "the choice: in each split, the one that did best within its training images. The table has each by itself."
    )
    rows = {
        method_markdown(method["name"]): {
            "accuracy": f"{percent(method['accuracy'])} %",
            "95 % interval": in_one_line(" to ".join(shown_ends(*method["interval"]))),
            "storage": in_one_line(human_bytes(method["bytes_per_image"])),
        }
        for method in result["methods"]
    }
    st.table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("method"))
    with st.popover("How this was computed", icon=":material/terminal:"):
        versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
        st.code(f"{result['command']} --json", language="bash", wrap_lines=True)
        st.caption(f"With {versions}.")
