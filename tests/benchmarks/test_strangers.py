"""Nobody gets at another visitor's data, whatever is asked for; the benchmark tells what is tried."""

from benchmarks.robustness.strangers import ATTEMPTS, known_session, try_everything, visited
from tests import loops


def test_a_stranger_gets_nothing(app_url):
    async def tried():
        async with visited(app_url) as case:
            found = await try_everything(case)
            # That a session's id is a secret is what the rest stands on: who has it, has the session.
            assert await known_session(case) == "the visitor's session"
        return found

    found = loops.run(tried())
    assert set(ATTEMPTS) < set(found)
    assert {what: got for what, got in found.items() if got} == {}
