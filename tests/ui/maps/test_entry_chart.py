"""The chart of the strongest entries."""

import numpy as np

from crosspool.ui.maps import entry_chart
from tests.ui.equation.test_building import SMALL


def test_the_strongest_entries_come_first_with_their_sign(monkeypatch) -> None:
    charts = []
    monkeypatch.setattr(entry_chart, "bar_chart", lambda values, labels, **how: charts.append((values, labels, how)))
    entry_chart.show_strongest_entries(np.array([3.0, -5.0, 0.5]), SMALL.pair, "block P_7", key="block")
    ((values, labels, how),) = charts
    assert values.tolist() == [-5.0, 3.0, 0.5]
    names = [entry_chart.entry_name(index, SMALL.pair) for index in (1, 0, 2)]
    assert labels == [f"lower channel {name}: {value}" for name, value in zip(names, ("−5", "3", "0.5"), strict=True)]
    assert how["ticks"] == {0: names[0]}
    assert how["alt"] == "Bar chart of the strongest of 3 entries of block P_7"
