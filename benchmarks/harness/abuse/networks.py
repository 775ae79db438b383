"""Links to networks, sizes and layers that cost much to compute."""

from urllib.parse import urlencode

from benchmarks.harness.abuse.base import Attack, Target, shown

LARGE = ("regnet_y_128gf", "convnext_large", "regnet_y_32gf", "vgg19_bn", "wide_resnet101_2", "efficientnet_b7")


async def _open_large(target: Target) -> None:
    async def visit(number: int) -> str:
        query = urlencode({"backbone": LARGE[number % len(LARGE)], "weights": "untrained"})
        async with target.tab("/", query) as tab:
            return shown(tab.page, "maps")

    await target.repeat(visit, at_once=2)


ATTACKS = (
    Attack(
        "large-networks",
        "Two visitors at a time open links to the largest networks, one after the other.",
        _open_large,
    ),
)
