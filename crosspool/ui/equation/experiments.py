"""What follows from Eq. 1, tried on one image: each experiment compares what is expected with what comes out.

P_k = sum_i a_ik x_i, where x_i is the patch that the convolution u reads at position i and a_ik the weight of map k
there. Everything is computed in double precision from the maps that the page shows. Nothing here knows Streamlit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crosspool.grids import Size
from crosspool.pooling import cross_layer_pool, local_features
from crosspool.ui.equation.case import EquationCase
from crosspool.ui.widgets.text import cell_name

DOUBLE, SINGLE = 1e-9, 1e-4  # expected rounding, relative to the largest entry; the network runs in single precision
COMPARED_ENTRIES = 300  # of each comparison that are kept for its chart
MAX_UNFOLDED_NUMBERS = 4 * 10**6  # in the patches that are shuffled: of more, the strongest lower channels are taken


@dataclass(frozen=True)
class Finding:
    """Two arrays that should agree, or should not (`equal` False), and how far they are apart.

    `expected` and `outcome` hold a sample of both for a chart: the entries that are largest or differ most.
    """

    claim: str
    equal: bool
    difference: float
    largest: float
    tolerance: float
    expected: np.ndarray
    outcome: np.ndarray

    @property
    def agrees(self) -> bool:
        """Whether the largest difference is within rounding."""
        return self.difference <= self.tolerance * self.largest

    @property
    def as_expected(self) -> bool:
        return self.agrees == self.equal


Values = Tensor | np.ndarray


def compare_arrays(
    claim: str, expected: Values, outcome: Values, *, equal: bool = True, tolerance: float = DOUBLE
) -> Finding:
    """Compare two arrays of one shape, entry by entry."""
    first, second = (np.asarray(values).ravel() for values in (expected, outcome))
    apart, sizes = np.abs(first - second), np.maximum(np.abs(first), np.abs(second))
    half = min(COMPARED_ENTRIES // 2, len(first))
    sampled = np.union1d(*(np.argpartition(-values, half - 1)[:half] for values in (apart, sizes)))
    return Finding(claim, equal, float(apart.max()), float(sizes.max()), tolerance, first[sampled], second[sampled])


@dataclass(frozen=True)
class Experiment:
    """What `run(case, position, seed)` tries: `expects` says it in words, `formula` in LaTeX.

    `agrees` is the verdict if everything is equal that should be, `differs` if something should differ, and does.
    `shuffles` says whether the experiment depends on the seed.
    """

    title: str
    formula: str
    expects: str
    run: Callable[[EquationCase, Size, int], list[Finding]]
    agrees: str = "Confirmed: both sides agree"
    differs: str = ""
    shuffles: bool = False


def _all_ones(case: EquationCase, position: Size, seed: int) -> list[Finding]:
    ones = torch.ones_like(case.upper[:, :1])
    return [compare_arrays("all patches added up, and P of the all-ones map", case.add_up(ones), case.pool(ones))]


def _one_hot(case: EquationCase, position: Size, seed: int) -> list[Finding]:
    hot = torch.zeros_like(case.upper[:, :1])
    hot[0, 0, *position] = 1
    patch = case.maps.patch(*position) * case.counted[position].item()
    expected = f"the patch at {cell_name(position)}"
    if not case.counted[position]:
        expected = f"zeros, as {expected} reaches over the border and is not pooled"
    return [compare_arrays(f"{expected}, and P of the map that is 1 there", patch, case.pool(hot))]


def _gradient(case: EquationCase, position: Size, seed: int) -> list[Finding]:
    """P as a gradient with respect to u's filters, by automatic differentiation through the convolution itself."""
    weight = case.weight.clone().requires_grad_()
    response = case.respond(weight)
    fixed = case.upper * case.counted
    (product,) = torch.autograd.grad((response * fixed).sum(), weight, retain_graph=True)
    own = case.activate(response)
    energy = (own * case.counted).square().sum() / 2
    gradient, passed_on = torch.autograd.grad(energy, (weight, response))  # passed_on is a_ik times f'
    own = own.detach()
    changed = int((passed_on != own * case.counted).sum())
    through = "P, and the gradient of ½‖A‖² through f"
    if changed:
        weights = int((own * case.counted != 0).sum())
        through += f", whose slope is not 1 at {changed:,} of {weights:,} weights other than 0"
    findings = [
        compare_arrays("the maps shown above, and f(u(X)) computed again from X", case.upper, own, tolerance=SINGLE),
        compare_arrays("P, and the gradient of ⟨u(X; W), A⟩ with A held fixed", case.add_up(fixed), product),
        compare_arrays(through, case.add_up(own), gradient, equal=not changed),
    ]
    if changed:
        claim = "P with the weights a · f′(u), and the gradient of ½‖A‖² through f"
        findings.append(compare_arrays(claim, case.add_up(passed_on), gradient))
    return findings


def _inner_product(case: EquationCase, position: Size, seed: int) -> list[Finding]:
    products = (case.weight.flatten(1) * case.pool(case.upper)).sum(1)
    centred = case.respond(case.weight)[0] - case.bias[:, None, None]
    weighted = (case.upper[0] * case.counted * centred).sum((1, 2))
    return [compare_arrays("Σᵢ aᵢₖ (u(X)ᵢₖ − bₖ), and ⟨Wₖ, Pₖ⟩, for every map k", weighted, products)]


def _together(case: EquationCase, position: Size, seed: int) -> list[Finding]:
    patches, upper, order = _shuffled(case, seed)
    before, moved = cross_layer_pool(patches, upper)[0], cross_layer_pool(patches[..., order], upper[..., order])[0]
    return [compare_arrays("P, and P after all positions moved together", before, moved)]


def _weights_alone(case: EquationCase, position: Size, seed: int) -> list[Finding]:
    patches, upper, order = _shuffled(case, seed)
    before, moved = cross_layer_pool(patches, upper)[0], cross_layer_pool(patches, upper[..., order])[0]
    same = torch.equal(upper, upper[..., order]) or torch.equal(patches, patches[..., order])
    return [compare_arrays("P, and P after the weights alone moved", before, moved, equal=same)]


def _shuffled(case: EquationCase, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Patches as (1, L, 1, N), counted weights as (1, K, 1, N), and a random order of the N positions."""
    pair, positions = case.pair, case.counted.numel()
    count = max(1, MAX_UNFOLDED_NUMBERS // (positions * pair.kernel_size[0] * pair.kernel_size[1]))
    strongest = case.lower.square().sum((0, 2, 3)).argsort(descending=True)[:count]
    lower = case.lower[:, strongest.sort().values]
    patches = local_features(lower, **pair.geometry).unsqueeze(2)
    upper = (case.upper * case.counted).flatten(2).unsqueeze(2)
    return patches, upper, torch.randperm(positions, generator=torch.Generator().manual_seed(seed))


def _blocks(case: EquationCase, position: Size, seed: int) -> list[Finding]:
    order = torch.randperm(len(case.channels), generator=torch.Generator().manual_seed(seed))
    before, moved = case.pool(case.upper)[order], case.pool(case.upper[:, order])
    return [compare_arrays("P's blocks in the new order, and P of the maps in the new order", before, moved)]


EXPERIMENTS: dict[str, Experiment] = {
    "ones": Experiment(
        "All ones: sum pooling",
        r"a_{i,k} = 1 \;\Rightarrow\; P_k = \textstyle\sum_i x_i",
        "A map that is 1 everywhere prefers no position, so its block is the plain sum of all patches that are pooled: "
        "sum pooling is one special weighting map.",
        _all_ones,
    ),
    "one_hot": Experiment(
        "One-hot: a single patch",
        r"a_{i,k} = [\,i = i_0\,] \;\Rightarrow\; P_k = x_{i_0}",
        "A map that is 1 at one position and 0 elsewhere picks out the patch there. It is the selected "
        "position: move it in the images above, and the result here follows.",
        _one_hot,
    ),
    "gradient": Experiment(
        "P is a gradient",
        r"\begin{gathered} P = \nabla_W \langle u(X; W), A\rangle, \\ "
        r"\text{and if } A = \mathrm{ReLU}(u(X; W)): \\ P = \nabla_W \tfrac12 \lVert A\rVert^2 \end{gathered}",
        "P has the shape of the convolution's own filters W for a reason: with A held fixed it is the gradient of "
        "⟨u(X; W), A⟩, for every pair and any weights. Where the non-linearity f behind u has slope 1 wherever a "
        "weight is not zero, as a ReLU has, it is also the gradient of ½‖A‖². Other f put their slope into the "
        "weights: a ReLU6 has slope 0 where it clips at 6, and a SiLU has slope 1 almost nowhere.",
        _gradient,
        differs="P is the gradient with A held fixed. Through this f the gradient is different: its weights contain "
        "the slope of f.",
    ),
    "filters": Experiment(
        "A block against its own filter",
        r"\langle W_k, P_k\rangle = \textstyle\sum_i a_{i,k}\,(u(X)_{i,k} - b_k)",
        "Filter k responds with u(X) − b at each position; the inner product of the filter with its block is the "
        "weighted sum of these responses, with the map's own weights.",
        _inner_product,
    ),
    "together": Experiment(
        "Move all positions together",
        r"P_k = \textstyle\sum_i a_{\pi(i),k}\, x_{\pi(i)} \quad\text{for every order } \pi",
        "A sum does not depend on the order of its terms. When patches and weights are shuffled alike, P stays the "
        "same: it does not say where in the image something was, only under which map.",
        _together,
        shuffles=True,
    ),
    "alone": Experiment(
        "Move the weights alone",
        r"\textstyle\sum_i a_{\pi(i),k}\, x_i \;\neq\; P_k",
        "The counter-check: shuffle only the maps, and every weight meets the wrong patch. P must change, unless all "
        "maps, or all patches, are the same everywhere.",
        _weights_alone,
        agrees="Nothing changed, as all maps or all patches are the same everywhere; both sides agree",
        differs="P changed, as it must: a weight belongs to the patch at its own position.",
        shuffles=True,
    ),
    "blocks": Experiment(
        "Shuffle the maps",
        r"A_{\pi(k)} \;\Rightarrow\; P_{\pi(k)}",
        "Each block depends on its own map only, so maps in another order give the same blocks in that order.",
        _blocks,
        shuffles=True,
    ),
}
