"""Methods that a visitor names: their number is bounded before anything is built, and each text is checked once."""

from collections.abc import Sequence

from crosspool.backbones import architecture, spec_of
from crosspool.errors import CrosspoolError, SettingError
from crosspool.framing import Framing
from crosspool.methods import MethodSpec, parse_method_specs
from crosspool.ui.runtime.gate import OnProgress
from crosspool.ui.runtime.in_turn import check_sources
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.server import Server
from crosspool.ui.runtime.shared_cache import CacheKind

FRAMING: Framing = "squash"  # the whole image: nothing of the object is cut off
MOST_METHODS = 16
LONGEST_NAMES = 2000  # characters of all names
CHECK_BYTES = 2 * LONGEST_NAMES  # of a text and what is wrong with it

CHECKS = CacheKind[tuple[str, str], str]("methods", lambda problem: CHECK_BYTES, lambda key: ImageHash(""))


def named_methods(server: Server, network: str, names: Sequence[str], on_progress: OnProgress) -> list[MethodSpec]:
    """The methods of these names, which the network can give.

    Raises SettingError for too many and for what is not understood, and CrosspoolError for what the network lacks.
    `on_progress` is that of the queue: looking up layers at new sizes takes processor time.
    """
    text = ",".join(names)
    if len(text) > LONGEST_NAMES:
        raise SettingError(f"The methods' names have {len(text):,} characters; at most {LONGEST_NAMES:,} are read.")
    specs = parse_method_specs(text)
    if len(specs) > MOST_METHODS:
        raise SettingError(f"These are {len(specs)} methods; choose at most {MOST_METHODS}.")

    def check() -> str:
        structure = architecture(network)
        try:
            for spec in specs:
                for part in spec.parts:
                    if part.network and (reason := server.networks.why_not(spec_of(part.network))):
                        return reason  # before its layers are looked up
                check_sources(server, network, spec.on(structure, FRAMING).sources)
                on_progress(0)  # ends the run here if the visitor has left
        except CrosspoolError as error:
            return str(error)
        return ""

    seconds = server.settings.wait_seconds
    key = network, text
    if problem := server.cache.get_or_compute(CHECKS, key, check, server.tracing, on_progress, seconds=seconds):
        raise SettingError(problem)
    return specs
