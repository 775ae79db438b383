"""`python -m crosspool.ui.runtime.confinement_trial`: which measures confine decoders here, and the server's memory."""

import json
import sys

from crosspool.ui.runtime.confinement import confine, measures
from crosspool.ui.runtime.decode_worker import MEMORY
from crosspool.ui.runtime.memory import memory_use


def main() -> None:
    """Confine this process as a decoder, and print what holds as a JSON object."""
    memory = memory_use()
    holding = confine(MEMORY)
    answer = {
        "holding": holding,
        "missing": [words for words in measures(MEMORY) if words not in holding],
        "memory": memory.limit,
        "limited_by": memory.limited_by,
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
