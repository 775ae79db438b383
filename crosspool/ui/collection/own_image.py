"""The visitor's own image beside those of the store: its short code, by the network that made theirs."""

from functools import partial

from crosspool.datasets import Sample
from crosspool.shards.codes import Codes, as_codes
from crosspool.shards.extraction import Extractor
from crosspool.ui.runtime.collection import ArrangedStore, expect_network, weights_of
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage, chosen_image
from crosspool.ui.visit.in_turn import last_result
from crosspool.ui.visit.waiting import waiting


def code_of_own_image(ready: ArrangedStore) -> Codes:
    """The code of the visitor's image that is chosen, (w,).

    Raises CrosspoolError where this server does not have the network of the store.
    """
    image = chosen_image()
    key = ready.digest, image.key
    with waiting("Looking at your image …"):
        return last_result("code of own image", key, partial(_code, ready, image))


def _code(ready: ArrangedStore, image: SourceImage) -> Codes:
    store, server = ready.collection.store, current_server()
    plan = store.plan
    backbone = server.networks.named(plan.backbone, weights_of(plan)).beside(plan.others)
    expect_network(plan, backbone)
    query, _ = Extractor(plan, store.place, backbone).query(Sample(image.title, lambda: image.data))
    code: Codes = as_codes(query.above[None])[0]
    return code
