"""What a channel looks for: an image, optimised from noise, on which the channel's map is large everywhere.

The recipe is that of Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017: the image is a spectrum in
decorrelated colours, and each step of Adam sees it moved, turned and scaled at random. What is maximised is the mean of
the channel before its non-linearity, as ReLU6 has no gradient above 6, and a ReLU none below 0.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from crosspool.backbones import Backbone
from crosspool.errors import SettingError
from crosspool.framing import Preprocessing
from crosspool.layer_pairs import LayerPair
from crosspool.tracing import before_activation, run_with_gradients

SPECTRUM_SPREAD = 0.01  # of the random spectrum that the optimisation starts from
# The covariance of the colours of natural images: the columns of its root are the axes of the decorrelated space, and
# the root is scaled so that its largest column has length 1 (Olah et al., from the photos of ImageNet).
COLOUR_ROOT = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
MAX_TURN, MAX_SCALE, MAX_SHIFT = 10.0, 0.1, 1 / 16  # degrees, part of the size, part of the side
MOVES = 4  # random numbers for each step: a turn, a scale and two shifts

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Recipe:
    """How images are optimised: their side in pixels, the number of steps, Adam's rate, and the seed."""

    size: int = 128
    steps: int = 96
    rate: float = 0.07
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 32 or self.steps < 1 or self.rate <= 0:
            raise SettingError("A visualisation needs at least 32 pixels, 1 step, and a rate above 0.")


def visualise_channels(
    backbone: Backbone,
    pair: LayerPair,
    channels: Sequence[int],
    recipe: Recipe = Recipe(),
    on_step: OnStep = lambda step, steps: None,
) -> list[Image.Image]:
    """Images that make channels of an upper map large, each optimised by itself.

    An image depends on its channel and on the recipe, not on the others of the batch, except for rounding.

    Args:
        backbone: The network.
        pair: The layer pair whose upper channels are visualised.
        channels: The channels, from 0.
        recipe: Size, steps, rate and seed.
        on_step: Called before each step with the steps done and their number; it may raise to stop.

    Returns:
        list: An RGB image of `recipe.size` pixels a side for each channel.

    Raises:
        SettingError: There is no channel, or one that the layer does not have.

    References:
        Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017.
    """
    if not channels or not all(0 <= channel < pair.upper_channels for channel in channels):
        raise SettingError(f"Channels of {pair.label} are numbers from 0 to {pair.upper_channels - 1}.")
    spectra, moves = zip(*(_random_start(channel, recipe) for channel in channels), strict=True)
    device = backbone.device
    spectrum = torch.stack(spectra).to(device).requires_grad_(True)
    optimiser = torch.optim.Adam([spectrum], lr=recipe.rate)
    for step, move in enumerate(torch.stack(moves, dim=1)):
        on_step(step, recipe.steps)
        optimiser.zero_grad()
        with torch.enable_grad():
            images = moved(colours(pixels(spectrum, recipe.size)), move.to(device))
            loss = -objective(backbone, pair, images, channels).sum()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return _as_images(colours(pixels(spectrum, recipe.size)))


def objective(backbone: Backbone, pair: LayerPair, images: Tensor, channels: Sequence[int]) -> Tensor:
    """The mean, for each image, (B, 3, H, W) of values from 0 to 1, of one channel before its non-linearity: (B,)."""
    return channel_means(backbone, pair, images)[torch.arange(len(channels)), list(channels)]


def channel_means(backbone: Backbone, pair: LayerPair, images: Tensor) -> Tensor:
    """The mean of every upper channel before its non-linearity, (B, D_{t+1}), for images as in `objective`."""
    structure = backbone.architecture
    layout = structure.layout(images.shape[-1])
    node = before_activation(layout.node(pair.upper), dict(layout.model.named_modules()))
    graph = structure.subgraph((node.name,), images.shape[-1])
    batch = normalised(images, backbone.spec.preprocessing).contiguous(memory_format=structure.memory_format)
    parts = batch.split(1 if structure.one_by_one else len(batch))
    maps = [run_with_gradients(backbone.model, graph, part)[0] for part in parts]
    return torch.cat([part.mean(dim=(2, 3)) for part in maps])


def normalised(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Images with values from 0 to 1 as the network's input."""
    mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    return (images - mean) / std


# --- the image and its parameters


def _random_start(channel: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """A random spectrum, (3, H, W // 2 + 1, 2), and the random moves of all steps, (steps, 4) from -1 to 1."""
    random = torch.Generator().manual_seed(recipe.seed * 1_000_003 + channel)
    shape = (3, recipe.size, recipe.size // 2 + 1, 2)
    spectrum = SPECTRUM_SPREAD * torch.randn(shape, generator=random)
    return spectrum, 2 * torch.rand((recipe.steps, MOVES), generator=random) - 1


def pixels(spectrum: Tensor, size: int) -> Tensor:
    """The images of spectra, (B, 3, H, W // 2 + 1, 2), in decorrelated colours: (B, 3, H, W).

    Frequencies are scaled by their reciprocals, which gives all of them equal energy, as in natural images.
    """
    rows, columns = torch.fft.fftfreq(size), torch.fft.rfftfreq(size)
    frequency = torch.sqrt(rows[:, None] ** 2 + columns[None] ** 2).clamp_min(1 / size)
    scaled = torch.view_as_complex(spectrum.contiguous()) * (1 / frequency).to(spectrum.device)
    images: Tensor = torch.fft.irfft2(scaled / 4, s=(size, size), norm="ortho")
    return images


def colours(decorrelated: Tensor) -> Tensor:
    """RGB from 0 to 1 of images in decorrelated colours, (B, 3, H, W)."""
    root = decorrelated.new_tensor(COLOUR_ROOT)
    root = root / root.norm(dim=0).max()
    return torch.sigmoid(torch.einsum("rc,bchw->brhw", root, decorrelated))


def moved(images: Tensor, moves: Tensor) -> Tensor:
    """Each image turned, scaled and shifted by its row of `moves`, (B, 4) from -1 to 1; edges are mirrored."""
    angle, scale = moves[:, 0] * math.radians(MAX_TURN), 1 + MAX_SCALE * moves[:, 1]
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    shift = 2 * MAX_SHIFT * moves[:, 2:]
    affine = torch.stack([torch.stack([cosine, -sine, shift[:, 0]], 1), torch.stack([sine, cosine, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _as_images(images: Tensor) -> list[Image.Image]:
    values = (255 * images).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(value) for value in values]
