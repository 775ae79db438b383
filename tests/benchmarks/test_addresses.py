"""A little of `python -m benchmarks.robustness.addresses`: no address harms a page."""

from benchmarks.robustness.addresses import PATHS, all_opened
from tests import loops


def test_any_address_shows_a_page_that_says_what_it_ignored(app_url):
    async def tried():
        return [found async for found in all_opened(app_url, 12, seed=1)]

    found = loops.run(tried())
    assert [(one.query, one.faults) for one in found if one.faults] == []
    assert {one.path for one in found} == set(PATHS)
    assert any("was ignored" in box for one in found for box in one.boxes)
