"""The address of a page: written where it is not there, and where an earlier one may still be on its way."""

from types import SimpleNamespace

from crosspool.ui.maps import page
from crosspool.ui.maps.page import AddressState, write_address


def test_an_address_that_is_on_its_way_is_written_over(monkeypatch):
    """The browser tells of its address with each press, and may hear of the one before only afterwards."""
    reported = {"sample": "cat"}
    writes: list[dict[str, str]] = []
    params = SimpleNamespace(to_dict=lambda: reported, from_dict=writes.append)
    state = AddressState(written={"sample": "cat"})
    monkeypatch.setattr(page, "visit_state", {AddressState: state}.__getitem__)
    monkeypatch.setattr(page, "was_history_used", lambda: False)
    monkeypatch.setattr(page, "st", SimpleNamespace(query_params=params))
    write_address({"sample": "cat"})
    assert writes == []
    write_address({"sample": "espresso"})
    write_address({"sample": "cat"})  # where the browser still is, as it seems
    write_address({"sample": "cat"})
    assert writes == [{"sample": "espresso"}, {"sample": "cat"}]
