"""How other packages take the maps of a network, beside crosspool: `python -m benchmarks.speed.peers`.

The same photos, framed in the same way, go through the same ResNet-50 (untrained, which does not change the time), each
way in a process of its own, and the maps of its last block must be equal. Peers that cannot be used are named, with
why:

    pip install --no-deps --target PEERS torchcam thingsvision; PYTHONPATH=PEERS python -m benchmarks.speed.peers
"""

import multiprocessing
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.harness.command import machine, print_table
from benchmarks.harness.photos import QUALITY, SUBJECTS, photo
from crosspool.backbones import UNTRAINED, Backbone, spec_of
from crosspool.flow import available_cores, in_order
from crosspool.framing import frame_image, to_tensor
from crosspool.images import load_image

NETWORK, BLOCK, NODE = "resnet50", "layer4", "layer4_2_relu_2"  # the output of a module, and of its last node
SPEC = spec_of(NETWORK)
SIZE = (500, 375)  # of the photos, in pixels
BATCH = 32  # images, of those who take batches
CHECKED = 8  # images whose maps are compared
TOLERANCE = 1e-4  # of the largest number

Way = Callable[[Sequence[Path]], Iterator[Tensor]]
"""From files to maps, one image or some at a time."""


@dataclass(frozen=True)
class Run:
    """How quick a way was, the most memory of its process, and the maps of the first images."""

    rate: float
    peak_bytes: int
    first: NDArray[np.float32]


def model() -> nn.Module:
    """The network, with the same parameters in every process."""
    torch.manual_seed(0)
    return SPEC.build(1000).eval().requires_grad_(False)


def framed(path: Path) -> Image.Image:
    return frame_image(load_image(path), SPEC.preprocessing)


def batches(paths: Sequence[Path]) -> Iterator[Tensor]:
    """The photos as batches, in a plain loop."""
    for start in range(0, len(paths), BATCH):
        yield to_tensor([framed(path) for path in paths[start : start + BATCH]], SPEC.preprocessing)


def settled_backbone(workers: int | None) -> Backbone:
    """The network with the quickest engine for so many workers at a time."""
    classes = tuple(map(str, range(1000)))
    backbone = Backbone.from_state(SPEC, model().state_dict(), classes, weights=UNTRAINED, device=torch.device("cpu"))
    settle = partial(backbone.settle, (NODE,), SPEC.preprocessing.size)
    list(in_order(lambda passes: settle(passes=passes), [100_000], workers))
    return backbone


def by_crosspool(paths: Sequence[Path]) -> Iterator[Tensor]:
    """As `Features` computes: several images at a time, each in one thread, by the quickest engine."""
    backbone = settled_backbone(None)
    return in_order(lambda path: backbone.outputs([framed(path)], (NODE,))[0], paths)


def by_data_loader(paths: Sequence[Path]) -> Iterator[Tensor]:
    """torch's DataLoader reads ahead in processes, and the same engine computes with all cores."""
    backbone, photos = settled_backbone(1), Framed(paths)
    loader: DataLoader[Image.Image] = DataLoader(
        photos, BATCH, num_workers=available_cores(), collate_fn=list, multiprocessing_context="spawn"
    )
    return (backbone.outputs(batch, (NODE,))[0] for batch in loader)


class Framed(Dataset[Image.Image]):
    """The photos, framed, for a DataLoader."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Image.Image:
        return framed(self._paths[index])


def by_torchvision(paths: Sequence[Path]) -> Iterator[Tensor]:
    """`create_feature_extractor`, in a plain loop over batches."""
    import_module("crosspool.backbones.torchvision_guard")  # the builds of torch and torchvision may differ
    from torchvision.models.feature_extraction import create_feature_extractor

    extractor = create_feature_extractor(model(), {BLOCK: "maps"})
    return (extractor(batch)["maps"] for batch in batches(paths))


def by_torchcam(paths: Sequence[Path]) -> Iterator[Tensor]:
    """What the hook of torch-cam's extractor keeps, in a plain loop over batches."""
    from torchcam.methods import CAM

    network = model()
    extractor = CAM(network, BLOCK, "fc")

    def maps(batch: Tensor) -> Tensor:
        network(batch)
        output: Tensor = extractor.hook_a[0]
        return output

    return map(maps, batches(paths))


def by_thingsvision(paths: Sequence[Path]) -> Iterator[Tensor]:
    """thingsvision's extractor for a custom network, over the same batches."""
    from thingsvision.core.extraction.torch import PyTorchExtractor

    extractor = PyTorchExtractor(model=model(), device="cpu")
    extract = partial(extractor.extract_features, module_name=BLOCK, flatten_acts=False, output_type="ndarray")
    return (torch.from_numpy(extract(batches=[batch])) for batch in batches(paths))


WAYS: dict[str, Way] = {
    "crosspool": by_crosspool,
    "crosspool's engine, torch's DataLoader": by_data_loader,
    "torchvision, create_feature_extractor": by_torchvision,
    "torch-cam, CAM": by_torchcam,
    "thingsvision": by_thingsvision,
}


def run(name: str, paths: Sequence[Path]) -> Run | str:
    """Take the maps of all photos in one way, or say why that is impossible."""
    try:
        way = WAYS[name](paths)  # which loads the network and chooses an engine, but computes no maps yet
    except Exception as error:  # of other packages, which may not fit the versions of what is installed
        return f"cannot be used ({error})"
    first: list[NDArray[np.float32]] = []
    start = perf_counter()
    with torch.inference_mode():
        for maps in way:
            first += list(maps.cpu().numpy()[: CHECKED - len(first)])
    seconds = perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # which Linux counts in KiB
    return Run(len(paths) / seconds, peak, np.stack(first))


def difference(run: Run, reference: Run) -> float:
    """The largest difference of two ways' maps, over the largest of all numbers."""
    return float(np.abs(run.first - reference.first).max() / np.abs(reference.first).max())


def in_own_process(name: str, paths: Sequence[Path]) -> Run | str:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(run, name, paths).result()


def main(images: Annotated[int, typer.Option(min=CHECKED, help="How many photos.")] = 512) -> None:
    """Print a table, and end with an error where maps differ."""
    rows, different = [], []
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{index}.jpg" for index in range(images)]
        for index, path in enumerate(paths):
            photo(index % SUBJECTS, index // SUBJECTS, SIZE)[0].save(path, "JPEG", quality=QUALITY)
        results = {name: in_own_process(name, paths) for name in WAYS}
    reference = next(iter(results.values()))
    assert isinstance(reference, Run)
    for name, result in results.items():
        if isinstance(result, str):
            rows.append([name, result, "", "", ""])
            continue
        off = difference(result, reference)
        ratio = f"{reference.rate / result.rate:.2f}"
        rows.append([name, f"{result.rate:.1f}", ratio, f"{result.peak_bytes / 2**20:,.0f}", f"{off:.0e}"])
        different += [name] if off > TOLERANCE else []
    print(machine())
    header = ["way", "images a second", "crosspool over it", "peak MiB", "largest difference"]
    print_table(f"{SPEC.title}, maps of {BLOCK} of {images:,} photos", header, rows)
    if different:
        raise SystemExit(f"Different maps: {', '.join(different)}.")


if __name__ == "__main__":
    typer.run(main)
