"""The stored result is what its command gives: one method is computed again, on all its splits."""

import json
import shlex

import numpy as np

from crosspool.cli import main
from crosspool.ui.comparison.stored import stored_result

RECOMPUTED = "global@224"


def test_the_stored_command_still_gives_the_stored_accuracies(capsys):
    stored = stored_result()
    words = shlex.split(stored["command"])[1:]
    start = words.index("--methods") + 1
    words[start] = RECOMPUTED
    kept = [word for at, word in enumerate(words) if "--baseline" not in (word, words[at - 1])]
    assert main([*kept, "--json"]) == 0
    (again,) = json.loads(capsys.readouterr().out)["methods"]
    (method,) = (method for method in stored["methods"] if method["name"] == RECOMPUTED)
    one_image = 1 / stored["protocol"]["test_images"]
    # Another processor may round a score to the other side of a tie: an image of a split, and no more.
    np.testing.assert_allclose(again["by_split"], method["by_split"], atol=1.01 * one_image)
    assert abs(again["accuracy"] - method["accuracy"]) < one_image / 4
