"""The Python code that computes and draws what a page shows."""

from crosspool.backbones import UNTRAINED
from crosspool.gallery.map_files import ChosenMaps
from crosspool.ui.runtime.maps import MapRequest
from crosspool.ui.visit.images import LONGEST_SIDE, SourceImage


def python_code(request: MapRequest, picture: SourceImage) -> str:
    """A script for the library that yields the same lower and upper maps and the same P."""
    weights = f", weights={UNTRAINED!r}" if request.weights == UNTRAINED else ""
    options = "".join(
        (
            f", framing={request.framing!r}" if request.framing != "crop" else "",
            ", signed=True" if request.signed else "",
        )
    )
    border = f", border={request.border!r}" if request.border != "zero" else ""
    shrink = (
        f"image = crosspool.load_image(shrunk_file(image, {LONGEST_SIDE}))  # as the page does on receipt\n"
        if picture.shrunk
        else ""
    )
    imports = "import crosspool\n" + "from crosspool.images import shrunk_file\n" * picture.shrunk
    return f"""{imports}
image = crosspool.load_image({picture.file!r})
{shrink}backbone = crosspool.load_backbone({request.backbone!r}{weights})
pair = backbone.architecture.pair({request.pair!r})
maps = backbone.activations(image, pair, size={request.size}{options})
P = crosspool.cross_layer_pool(maps.lower, maps.upper, **pair.geometry{border})  # (1, D_{{t+1}}, D_t*m*n)"""


def drawing_code(chosen: ChosenMaps, file: str) -> str:
    """What follows `python_code` and writes the slide of the chosen maps."""
    return f"""from crosspool.drawing.rendering import Look
from crosspool.drawing.slides import slide

figure = slide(
    maps.framed[0],
    maps.upper[0].cpu().numpy(),
    {list(chosen.channels)},
    crosspool.channel_statistics(maps.upper[0], P[0]),
    caption={chosen.caption!r},
    look={chosen.look!r},
)
figure.savefig({file!r})"""
