"""A short run of `python -m benchmarks.robustness.addresses`: no address harms a page."""

from benchmarks.harness.addresses import open_addresses
from benchmarks.harness.app import PAGE_PATHS
from tests import loops

LIMIT_SECONDS = 60  # the benchmark's limit is for an idle machine


def test_any_address_shows_a_page_that_lists_what_it_ignored(app_url):
    async def open_some():
        return [opened async for opened in open_addresses(app_url, 12, 21, LIMIT_SECONDS)]

    results = loops.run(open_some())
    assert [(opened.query, opened.faults) for opened in results if opened.faults] == []
    assert {opened.path for opened in results} == set(PAGE_PATHS)
    assert any("in the link" in box for opened in results for box in opened.boxes)
