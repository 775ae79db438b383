"""The visitor's own image beside those of the store: its short code, by the network that made theirs."""

from functools import partial

from crosspool.datasets import Sample
from crosspool.errors import ImageError, ModelError, SettingError
from crosspool.shards.codes import Codes, as_numbers
from crosspool.shards.describing import Describer
from crosspool.ui.collection.view import CollectionState
from crosspool.ui.runtime.collection import ArrangedStore, expect_network, logged_failure, weights_of
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage, available_images
from crosspool.ui.visit.in_turn import last_result
from crosspool.ui.visit.state import visit_state
from crosspool.ui.visit.waiting import waiting

NOT_COMPARED = "Your image cannot be compared with those of the collection"


def own_image() -> SourceImage | None:
    """The image that the visitor has images sorted by; None where none was chosen, or it was removed since."""
    key = visit_state(CollectionState).own
    return next((image for image in available_images() if image.key == key), None)


def code_of_own_image(ready: ArrangedStore, image: SourceImage) -> Codes:
    """The code of an image of the visitor's, (w,).

    Raises CrosspoolError where this server does not have the network of the store, or what the store has learned.
    """
    key, sample = (ready.digest, image.key), Sample(image.title, lambda: image.data)
    with waiting("Looking at your image …"):
        _read_learned(ready)
        return last_result("code of own image", key, partial(code_of, ready, sample))


def _read_learned(ready: ArrangedStore) -> None:
    """Read what the store has learned, before a turn is taken, so that nobody waits for the disk."""
    try:
        _ = ready.learned
    except (ModelError, SettingError) as error:
        sentence = logged_failure(current_server().log, error, str(error), NOT_COMPARED)
        raise SettingError(sentence) from error


def code_of(ready: ArrangedStore, sample: Sample) -> Codes:
    """The code that the store would keep of an image, (w,)."""
    plan, learned = ready.collection.store.plan, ready.learned
    backbone = current_server().networks.named(plan.backbone, weights_of(plan)).beside(plan.others)
    expect_network(plan, backbone)
    describer = Describer(backbone, learned.method, plan.thumbnail)
    (looked,) = describer.look([sample])
    if looked.record is None:
        raise ImageError(looked.problem)
    vector = describer.describe(learned.encoder, looked.record).vector
    code: Codes = learned.sketch.codes(as_numbers(vector[None], learned.method.length))[0]
    return code
