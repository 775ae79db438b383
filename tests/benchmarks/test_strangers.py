"""No stranger gets at another visitor's data, by any attempt of `python -m benchmarks.robustness.strangers`."""

from benchmarks.harness.strangers.attempts import ATTEMPTS, try_everything
from benchmarks.harness.strangers.case import intrusion_case, known_session
from tests import loops


def test_a_stranger_gets_nothing(app_url):
    async def attempts():
        async with intrusion_case(app_url) as case:
            results = await try_everything(case)
            # Everything else rests on the secrecy of a session's id: whoever has it, has the session.
            assert await known_session(case) == "the visitor's session"
        return results

    results = loops.run(attempts())
    assert set(ATTEMPTS) < set(results)
    assert {attempt: result for attempt, result in results.items() if result} == {}
