"""Images optimised for channels: the parametrisation by identities, the objective by hand, and what comes out."""

import numpy as np
import pytest
import torch
from PIL import ImageStat
from torch import nn

from crosspool.backbones import Backbone, load_backbone
from crosspool.errors import SettingError
from crosspool.sprites import TILE, channels_of, included_sprite, list_text, read_sprite, write_sprite
from crosspool.tracing import before_activation
from crosspool.visualisation import (
    COLOUR_ROOT,
    Recipe,
    channel_means,
    colours,
    moved,
    objective,
    pixels,
    visualise_channels,
)
from tests.networks import Net, small_network, spec_for

RECIPE = Recipe(size=64, steps=12)


def backbone_of(network):
    spec = spec_for(lambda: network)
    return Backbone.from_state(
        spec, network.state_dict(), ("first", "second"), weights="untrained", device=torch.device("cpu")
    )


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    network = small_network()
    nn.init.ones_(network.first.bias)  # so that no channel of the lower map is dead on grey
    return backbone_of(network)


def relu6_network():
    """One pair of two 1x1 channels before a ReLU6: twice the red, and minus the blue."""
    network = Net(
        lambda net, x: net.last(net.six(net.second(net.first(x))).mean((2, 3))),
        first=nn.Conv2d(3, 3, 1, bias=False),
        second=nn.Conv2d(3, 2, 1, bias=False),
        six=nn.ReLU6(),
        last=nn.Linear(2, 2),
    )
    network.load_state_dict(
        {
            "first.weight": torch.eye(3)[:, :, None, None],
            "second.weight": torch.tensor([[20.0, 0, 0], [0, 0, -1]])[:, :, None, None],
            "last.weight": torch.eye(2),
            "last.bias": torch.zeros(2),
        }
    )
    return network


def test_a_spectrum_is_the_scaled_fourier_transform_of_its_image():
    spectrum = torch.randn((1, 3, 16, 9, 2), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    image = pixels(spectrum, 16)
    frequency = (torch.fft.fftfreq(16)[:, None] ** 2 + torch.fft.rfftfreq(16)[None] ** 2).sqrt().clamp_min(1 / 16)
    recovered = 4 * frequency * torch.fft.rfft2(image, norm="ortho")
    # the two outer columns of a real image's spectrum are fixed by symmetry
    assert torch.allclose(recovered[..., 1:-1], torch.view_as_complex(spectrum)[..., 1:-1], atol=1e-6)


def test_grey_is_the_middle_and_the_first_axis_is_brightness():
    assert torch.equal(colours(torch.zeros(1, 3, 2, 2)), torch.full((1, 3, 2, 2), 0.5))
    axis = torch.zeros(1, 3, 1, 1)
    axis[0, 0] = 1
    scale = torch.tensor(COLOUR_ROOT).norm(dim=0).max()
    expected = torch.sigmoid(torch.tensor([0.26, 0.27, 0.27]) / scale)
    assert torch.allclose(colours(axis)[0, :, 0, 0], expected)


def test_no_move_leaves_an_image_as_it_is_and_a_turn_back_undoes_a_turn():
    images = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(2))
    smooth = nn.functional.avg_pool2d(images, 5, 1, 2)
    assert torch.allclose(moved(images, torch.zeros(2, 4)), images, atol=1e-5)
    turn = torch.tensor([[1.0, 0, 0, 0]] * 2)
    inner = (..., slice(8, 24), slice(8, 24))
    assert (moved(moved(smooth, turn), -turn)[inner] - smooth[inner]).abs().max() < 0.1
    assert (moved(smooth, turn)[inner] - smooth[inner]).abs().max() > 0.1


def test_the_objective_is_the_mean_before_the_non_linearity():
    backbone = backbone_of(relu6_network())
    image = torch.zeros(1, 3, 64, 64)
    image[:, 0], image[:, 2] = 0.5, 0.25
    pair = backbone.architecture.default_pair
    # 20 * 0.5 = 10 is above ReLU6's ceiling of 6, and -0.25 below its floor
    assert objective(backbone, pair, image, [0]).item() == pytest.approx(10)
    assert objective(backbone, pair, image, [1]).item() == pytest.approx(-0.25)


def test_a_channel_without_a_gradient_after_its_non_linearity_is_visualised():
    """Above ReLU6's ceiling and below its floor: red rises all the same, and blue falls."""
    backbone = backbone_of(relu6_network())
    red, dark = visualise_channels(backbone, backbone.architecture.default_pair, [0, 1], Recipe(64, 60, rate=0.5))
    assert ImageStat.Stat(red).mean[0] > 180
    assert ImageStat.Stat(dark).mean[2] < 80


def test_the_layer_itself_is_maximised_where_no_non_linearity_follows():
    network = Net(
        lambda net, x: net.last(net.second(net.first(x).relu()).mean((2, 3))),
        first=nn.Conv2d(3, 4, 3), second=nn.Conv2d(4, 2, 3), last=nn.Linear(2, 2),
    )  # fmt: skip
    layout = backbone_of(network).architecture.layout(64)
    upper = layout.node("second")
    assert before_activation(upper, dict(layout.model.named_modules())) is upper


def test_the_layer_itself_is_maximised_before_a_gate_by_itself():
    """A map times its sigmoid, SiLU in two steps, falls below a certain value."""

    def forward(net, x):
        x = net.second(net.first(x).relu())
        return net.last((x * x.sigmoid()).mean((2, 3)))

    network = Net(forward, first=nn.Conv2d(3, 4, 3), second=nn.Conv2d(4, 2, 3), last=nn.Linear(2, 2))
    backbone = backbone_of(network)
    layout = backbone.architecture.layout(64)
    upper = layout.node(backbone.architecture.default_pair.upper)
    assert upper.name == "mul"
    assert before_activation(upper, dict(layout.model.named_modules())) is layout.node("second")


def test_optimising_raises_the_objective(backbone):
    pair = backbone.architecture.default_pair
    channels = list(range(pair.upper_channels))

    def values(steps):
        images = visualise_channels(backbone, pair, channels, Recipe(64, steps, rate=0.2))
        arrays = [torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8) for image in images]
        batch = torch.stack([array.view(64, 64, 3).permute(2, 0, 1) / 255 for array in arrays])
        return objective(backbone, pair, batch, channels)

    assert (values(40) > values(1)).all()


def test_an_image_depends_on_its_channel_and_seed_alone(backbone):
    pair = backbone.architecture.default_pair
    together = visualise_channels(backbone, pair, [1, 3, 4], RECIPE)
    (alone,) = visualise_channels(backbone, pair, [3], RECIPE)
    differences = [abs(a - b) for a, b in zip(together[1].tobytes(), alone.tobytes(), strict=True)]
    assert max(differences) <= 2  # of 255: rounding, amplified by the steps
    (other,) = visualise_channels(backbone, pair, [3], Recipe(64, 12, seed=1))
    assert other.tobytes() != alone.tobytes()


def test_steps_are_reported_and_may_end_it(backbone):
    class EndedError(Exception):
        pass

    steps = []

    def on_step(step, total):
        steps.append((step, total))
        if step == 2:
            raise EndedError

    with pytest.raises(EndedError):
        visualise_channels(backbone, backbone.architecture.default_pair, [0], RECIPE, on_step)
    assert steps == [(0, 12), (1, 12), (2, 12)]


@pytest.mark.parametrize("channels", [[], [5], [-1]])
def test_channels_that_are_not_there_are_refused(backbone, channels):
    with pytest.raises(SettingError, match="from 0 to 4"):
        visualise_channels(backbone, backbone.architecture.default_pair, channels, RECIPE)


# --- sprites


def test_a_sprite_comes_back_as_it_was_written(tmp_path, backbone):
    pair = backbone.architecture.default_pair
    images = dict(zip((0, 1, 4), visualise_channels(backbone, pair, [0, 1, 4], RECIPE), strict=True))
    write_sprite(tmp_path / "sprite.webp", images, {"backbone": "tiny"})
    sprite = read_sprite(tmp_path / "sprite.webp")
    assert (sprite.channels, sprite.tile, sprite.made) == ((0, 1, 4), TILE, {"backbone": "tiny"})
    expected = images[4].resize((TILE, TILE)).tobytes()
    differences = [abs(a - b) for a, b in zip(sprite.image_of(4).tobytes(), expected, strict=True)]
    assert sum(differences) / len(differences) < 25  # WebP loses fine detail
    with pytest.raises(ValueError, match="not in"):
        sprite.image_of(2)


@pytest.mark.parametrize("channels", [(0,), (0, 1, 2, 5), (3, 5, 6, 7, 1000)])
def test_runs_of_channels_are_written_short(channels):
    assert channels_of(list_text(channels)) == channels
    assert list_text((0, 1, 2, 5)) == "0-2,5"


def test_there_is_no_sprite_for_other_weights_or_pairs():
    assert included_sprite("efficientnet_lite0", "conv_head", "untrained") is None
    assert included_sprite("efficientnet_lite0", "blocks.0.project_conv") is None


def default_sprite():
    sprite = included_sprite("efficientnet_lite0", "conv_head")
    assert sprite is not None
    return sprite


def test_the_included_sprite_has_a_tile_for_each_channel_of_the_default_pair():
    sprite = default_sprite()
    assert sprite.channels == tuple(range(1280))
    assert sprite.image.size == (sprite.columns * sprite.tile, 32 * sprite.tile)
    assert sprite.path.stat().st_size < 6e6
    assert default_sprite().image is sprite.image  # decoded once, not whenever a page shows a tile


def test_the_included_tile_excites_its_own_channel_more_than_other_tiles_do():
    """Of four channels, each tile, enlarged again, is the best of the four for its own."""
    sprite, backbone = default_sprite(), load_backbone()
    channels = [66, 214, 899, 1156]
    tiles = [np.asarray(sprite.image_of(channel).resize((96, 96))) for channel in channels]
    batch = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2) / 255
    means = channel_means(backbone, backbone.architecture.default_pair, batch)[:, channels]
    assert means.argmax(dim=0).tolist() == [0, 1, 2, 3]
