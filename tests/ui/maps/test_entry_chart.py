"""The chart of the strongest entries."""

import numpy as np
import pytest

from crosspool.ui.maps import entry_chart
from tests.ui.equation.test_building import SMALL


@pytest.mark.parametrize(
    ("title", "on_axis"), [("patch x_i", "patch x<sub>i</sub>"), ("block P_7", "block P<sub>7</sub>")]
)
def test_the_axis_title_has_a_subscript_and_the_alternative_text_no_markup(monkeypatch, title, on_axis) -> None:
    charts = []
    monkeypatch.setattr(entry_chart, "show_chart", lambda figure, key, alt: charts.append((figure, alt)))
    entry_chart.show_strongest_entries(np.array([3.0, -5.0]), SMALL.pair, title, key="chart")
    ((figure, alt),) = charts
    assert figure.layout.yaxis.title.text == on_axis
    assert alt == f"Bar chart of the strongest of 2 entries of {title}"
