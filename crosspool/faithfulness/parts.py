"""How much of the positive evidence lies in the parts that define a species of FieldGuide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from crosspool.datasets.fieldguide.guide import Drawing
from crosspool.datasets.fieldguide.species import Species, defining_parts, differing_parts, relatives_of
from crosspool.errors import DatasetError
from crosspool.evaluation.report import Measured
from crosspool.faithfulness.curves import Sizes, measured
from crosspool.faithfulness.orders import ExplainedImage
from crosspool.grids import Mask, Size, average_over_cells, spread_over_cells

CLASS, LEAD = "class", "lead over a sister species"
OWN, BASELINE, ENERGY, AREA, BEST = "evidence", "baseline", "energy", "area", "best cell"


@dataclass(frozen=True)
class Shares:
    """Shares of a map's positive part: inside the parts, inside the bird, and of the latter inside the parts."""

    parts: float
    bird: float
    parts_of_bird: float


@dataclass(frozen=True)
class Regions:
    """The share of each cell of a grid that some parts cover, and that the bird covers, (H, W)."""

    parts: NDArray[np.float64]
    bird: NDArray[np.float64]

    def shares(self, amounts: NDArray[np.float64]) -> Shares:
        """The shares of positive amounts, each spread evenly over its cell; NaN where there are none."""
        amounts = amounts.clip(0)
        with np.errstate(invalid="ignore"):
            in_parts, in_bird = ((amounts * region).sum() / amounts.sum() for region in (self.parts, self.bird))
            return Shares(float(in_parts), float(in_bird), float(in_parts / np.float64(in_bird)))

    @property
    def best(self) -> NDArray[np.float64]:
        """A map with everything in the cell that has most of the parts: the largest possible share in them."""
        best = self.parts == self.parts.max()
        return np.asarray(best / best.sum())


ImageShares = dict[str, dict[str, list[Shares]]]
"""The shares on one image by question and map; several where there are several sisters."""


def regions_of(drawing: Drawing, species: Species, grid: Size) -> dict[str, Regions]:
    """The regions of the parts that define the species, by its name, and of those that tell it from each sister, by the
    sister's name. Regions whose parts cannot be seen in the image are left out."""
    asked = {species.name: defining_parts(species)}
    asked |= {sister.name: differing_parts(species, sister) for sister in relatives_of(species)}
    bird = average_over_cells(drawing.masks["body"].astype(np.float64), grid)
    regions = {}
    for name, parts in asked.items():
        union: Mask = np.logical_or.reduce([drawing.masks[part] for part in parts])
        if union.any():
            regions[name] = Regions(average_over_cells(union.astype(np.float64), grid), bird)
    return regions


def shares_of(explained: ExplainedImage, regions: Mapping[str, Regions], species: Species) -> ImageShares:
    """The shares on one image, by question (the true class, its lead over each sister) and by map."""
    energy = explained.energy.positions
    assert energy is not None
    shares: ImageShares = {CLASS: {}, LEAD: {}}
    for name, region in regions.items():
        question, against = (CLASS, None) if name == species.name else (LEAD, name)
        maps = {
            OWN: explained.own.contributions(species.name, against).positions,
            BASELINE: explained.baseline.contributions(species.name, against).positions,
            ENERGY: energy,
            AREA: np.ones(energy.shape),
            BEST: region.best,
        }
        for kind, amounts in maps.items():
            if amounts is not None:
                shares[question].setdefault(kind, []).append(region.shares(spread_over_cells(amounts, energy.shape)))
    return shares


@dataclass(frozen=True)
class PartShares:
    """The mean shares over each split's test images, (J splits,), by question, map and kind of share."""

    values: Mapping[str, Mapping[str, Mapping[str, NDArray[np.float64]]]]
    sizes: Sizes

    def of(self, question: str, kind: str, share: str, against: str | None = None) -> Measured:
        """One kind of share of one map, or its difference from that of the map `against`."""
        by_split = self.values[question][kind][share]
        if against is not None:
            by_split = by_split - self.values[question][against][share]
        return measured(by_split, self.sizes)


def joined(splits: Sequence[Sequence[ImageShares]], sizes: Sizes) -> PartShares:
    """The shares on all splits' images. An image counts once, whatever the number of sisters; NaN does not count."""
    values: dict[str, dict[str, dict[str, NDArray[np.float64]]]] = {CLASS: {}, LEAD: {}}
    for question, by_kind in values.items():
        for kind in dict.fromkeys(kind for split in splits for image in split for kind in image[question]):
            by_kind[kind] = {
                share.name: np.array(
                    [_mean([image[question].get(kind, []) for image in split], share.name) for split in splits]
                )
                for share in fields(Shares)
            }
    return PartShares(values, sizes)


def _mean(images: Sequence[Sequence[Shares]], share: str) -> float:
    values = [np.array([getattr(shares, share) for shares in several]) for several in images]
    defined = [several[~np.isnan(several)] for several in values]
    means = [several.mean() for several in defined if len(several)]
    if not means:
        raise DatasetError("The test images of a split show none of the defining parts; draw more images.")
    return float(np.mean(means))
