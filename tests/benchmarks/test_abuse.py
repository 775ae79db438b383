"""The short form of `python -m benchmarks.robustness.abuse`, and its rules."""

from collections import Counter

from benchmarks.harness import app
from benchmarks.harness.abuse import ATTACKS
from benchmarks.harness.abuse.base import Attack, answer_of
from benchmarks.harness.abuse.short import try_cheap_attacks
from benchmarks.harness.abuse.trial import SETTINGS
from tests import loops


def test_cheap_attacks_are_refused_while_visitors_work(tmp_path):
    with app.served(tmp_path, {**SETTINGS, "TORCH_HOME": str(tmp_path)}) as server:
        assert loops.run(try_cheap_attacks(server)) == []


def test_every_attack_has_a_name_of_its_own_and_a_sentence():
    names = [attack.name for attack in ATTACKS]
    assert sorted(set(names)) == sorted(names)
    assert all(attack.sentence.endswith(".") for attack in ATTACKS)


def test_an_answer_that_is_no_refusal_is_unexpected():
    async def nothing(target):
        return None

    attack = Attack("a", "A.", nothing, refusal="^400")
    assert attack.unexpected(Counter({"400 No.": 3, "200": 1})) == ["200"]
    assert attack.unexpected(Counter()) == ["no answer at all"]


def test_an_answer_is_its_status_and_its_sentence():
    assert answer_of(b"HTTP/1.1 413 x\r\nA: b\r\n\r\nToo much.") == "413 Too much."
    assert answer_of(b"HTTP/1.1 200 OK\r\n\r\n<html>") == "200"
    assert answer_of(b"") == "closed"
