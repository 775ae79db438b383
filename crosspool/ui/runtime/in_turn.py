"""What pages need of a network, made in turn where it is not there yet: its structure takes a second, loading more.

These turns are those of `Server.tracing` and `Server.loading`, so that nobody's computation waits for them.
"""

from collections.abc import Collection, Iterable
from functools import partial

from crosspool.backbones import PRETRAINED, Backbone, architecture, spec_of
from crosspool.errors import SettingError
from crosspool.framing import Source
from crosspool.image_maps import IMAGE_MAPS
from crosspool.text import human_bytes
from crosspool.ui.runtime.gate import OnProgress
from crosspool.ui.runtime.networks import Network
from crosspool.ui.runtime.server import Server

BYTES_PER_NUMBER = 4
# Bytes in use during a pass, as a multiple of those of the maps that are held at a time: 1.1 to 1.7 were measured.
# Where maps are concatenated, each a bit longer than the last, the heap keeps about as much again as all of these.
PEAK = 1.7


def trace_in_turn(server: Server, network: str, size: int | None, on_progress: OnProgress) -> None:
    """Let a network's layers be known, and the sizes of their maps at an input of `size` pixels (None: its own).

    `on_progress` is the semaphore's. Raises BackboneError, and LayerPairError where the input is too small.
    """
    structure = architecture(network)
    for each in dict.fromkeys((None, size)):
        is_traced = partial(structure.is_traced, each)
        if not is_traced():
            with server.tracing.turn(on_progress, unless=is_traced):  # without it a page has nothing to show
                structure.layout(each)


def check_sources(server: Server, network: str, sources: Iterable[Source]) -> None:
    """As `check_memory`, for everything that a method reads of an image, of any network that this server loads."""
    for source in sources:
        if source.network and (reason := server.networks.why_not(spec_of(source.network))):
            raise SettingError(reason)
        if source.node not in IMAGE_MAPS:  # which take little
            check_memory(server, source.network or network, (source.node,), source.side)


def check_memory(server: Server, network: str, nodes: tuple[str, ...], size: int) -> None:
    """Raise SettingError where computing these nodes for one image would hold more memory than the server has for it.

    Called in turn, as it may look up the layers at this size.
    """
    held, concatenated = architecture(network).peak_numbers(nodes, size)
    needed = int(BYTES_PER_NUMBER * (PEAK * held + concatenated))
    if needed > server.computation_bytes:
        problem = f"Computing {spec_of(network).title} at {size} px takes {human_bytes(needed)} of memory"
        room = human_bytes(server.computation_bytes)
        raise SettingError(f"{problem}, and this server has {room} for that; choose a smaller input.")


def load_all_in_turn(
    server: Server, network: Network, others: Collection[str], on_progress: OnProgress
) -> Backbone:  # fmt: skip
    """The network, and pretrained ones of these names beside it. Raises BackboneError."""
    for name in others:
        load_in_turn(server, server.networks.named(name, PRETRAINED), on_progress)
    load_in_turn(server, network, on_progress)
    return network.beside(others)


def load_in_turn(server: Server, network: Network, on_progress: OnProgress) -> Backbone:
    """The network with its weights, which knows its fingerprint. Raises BackboneError."""

    def is_ready() -> bool:
        backbone = network.in_memory
        return backbone is not None and "fingerprint" in vars(backbone)

    with server.loading.turn(on_progress, unless=is_ready, seconds=server.settings.wait_seconds):
        backbone = network.backbone
        _ = backbone.fingerprint  # of all parameters: seconds for a large network, and kept
        return backbone
