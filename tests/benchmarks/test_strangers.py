"""Nobody gets at another visitor's data, whatever is asked for."""

from benchmarks.harness.strangers.attempts import ATTEMPTS, try_everything
from benchmarks.harness.strangers.case import intrusion_case
from benchmarks.harness.strangers.secrets import known_session
from tests import loops


def test_a_stranger_gets_nothing(app_url):
    async def attempts():
        async with intrusion_case(app_url) as case:
            results = await try_everything(case)
            # That a session's id is a secret is what the rest stands on: who has it, has the session.
            assert await known_session(case) == "the visitor's session"
        return results

    results = loops.run(attempts())
    assert set(ATTEMPTS) < set(results)
    assert {attempt: got for attempt, got in results.items() if got} == {}
