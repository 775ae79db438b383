"""What follows from Eq. 1, tried on one image: each experiment compares what is expected with what comes out.

P_k = sum_i a_ik x_i, where x_i is the patch that the convolution u reads at position i and a_ik the weight of map k
there. All is computed in double precision from the maps that the page shows. Nothing here knows of Streamlit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from crosspool.grids import Size
from crosspool.pooling import cross_layer_pool, local_features
from crosspool.ui.equation.agreement import SINGLE, Finding, compare_arrays
from crosspool.ui.equation.case import EquationCase

MAX_UNFOLDED_NUMBERS = (
    4 * 10**6
)  # numbers of the patches that are shuffled; where all have more, the strongest lower channels are


@dataclass(frozen=True)
class Experiment:
    """`expects` says in words, and `formula` in LaTeX, what `run(subject, position, seed)` tries.

    `agrees` is the result where everything is equal that should be, `differs` where something should differ, and does.
    `shuffles` says whether it depends on the seed.
    """

    title: str
    formula: str
    expects: str
    run: Callable[[EquationCase, Size, int], list[Finding]]
    agrees: str = "Confirmed: both sides agree"
    differs: str = ""
    shuffles: bool = False


def _all_ones(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    ones = torch.ones_like(subject.upper[:, :1])
    summed = subject.add_up(ones)
    return [compare_arrays("all patches added up, and P of the all-ones map", summed, subject.pool(ones))]


def _one_hot(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    hot = torch.zeros_like(subject.upper[:, :1])
    hot[0, 0, *position] = 1
    patch = subject.maps.patch(*position) * subject.counted[position].item()
    cell = f"row {position[0]}, column {position[1]}"
    expected = f"the patch at {cell}"
    if not subject.counted[position]:
        expected = f"zeros, as the patch at {cell} reaches over the border and is not pooled"
    return [compare_arrays(f"{expected}, and P of the map that is 1 there", patch, subject.pool(hot))]


def _gradient(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    """P as a gradient with respect to u's filters, by automatic differentiation through the convolution itself."""
    weight = subject.weight.clone().requires_grad_()
    response = subject.respond(weight)
    fixed = subject.upper * subject.counted
    (product,) = torch.autograd.grad((response * fixed).sum(), weight, retain_graph=True)
    own = subject.activate(response)
    energy = (own * subject.counted).square().sum() / 2
    gradient, passed_on = torch.autograd.grad(energy, (weight, response))  # passed_on is a_ik times f'
    own = own.detach()
    changed = int((passed_on != own * subject.counted).sum())
    where = f", whose slope is not 1 at {changed:,} of {int((own * subject.counted != 0).sum()):,} weights other than 0"
    findings = [
        compare_arrays("the maps shown above, and f(u(X)) computed again from X", subject.upper, own, tolerance=SINGLE),
        compare_arrays("P, and the gradient of ⟨u(X; W), A⟩ with A held fixed", subject.add_up(fixed), product),
        compare_arrays(
            f"P, and the gradient of ½‖A‖² through f{where if changed else ''}",
            subject.add_up(own),
            gradient,
            equal=not changed,
        ),
    ]
    if changed:
        pooled = subject.add_up(passed_on)
        findings.append(
            compare_arrays("P with the weights a · f′(u), and the gradient of ½‖A‖² through f", pooled, gradient)
        )
    return findings


def _inner_product(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    products = (subject.weight.flatten(1) * _pooled(subject)).sum(1)
    centred = subject.respond(subject.weight)[0] - subject.bias[:, None, None]
    weighted = (subject.upper[0] * subject.counted * centred).sum((1, 2))
    return [compare_arrays("Σᵢ aᵢₖ (u(X)ᵢₖ − bₖ), and ⟨Wₖ, Pₖ⟩, for every map k", weighted, products)]


def _together(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    patches, upper, turn = _shuffled(subject, seed)
    moved = cross_layer_pool(patches[..., turn], upper[..., turn])[0]
    return [compare_arrays("P, and P after all positions moved together", cross_layer_pool(patches, upper)[0], moved)]


def _weights_alone(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    patches, upper, turn = _shuffled(subject, seed)
    moved = cross_layer_pool(patches, upper[..., turn])[0]
    before = cross_layer_pool(patches, upper)[0]
    same = torch.equal(upper, upper[..., turn]) or torch.equal(patches, patches[..., turn])
    return [compare_arrays("P, and P after the weights alone moved", before, moved, equal=same)]


def _shuffled(subject: EquationCase, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Patches as (1, L, 1, N), counted weights as (1, K, 1, N), and a random order of the N positions."""
    pair, positions = subject.pair, subject.counted.numel()
    per_channel = positions * pair.kernel_size[0] * pair.kernel_size[1]
    strongest = (
        subject.lower.square().sum((0, 2, 3)).argsort(descending=True)[: max(1, MAX_UNFOLDED_NUMBERS // per_channel)]
    )
    lower = subject.lower[:, strongest.sort().values]
    patches = local_features(lower, **pair.geometry).unsqueeze(2)
    upper = (subject.upper * subject.counted).flatten(2).unsqueeze(2)
    return patches, upper, torch.randperm(positions, generator=torch.Generator().manual_seed(seed))


def _blocks(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    order = torch.randperm(len(subject.channels), generator=torch.Generator().manual_seed(seed))
    moved = subject.pool(subject.upper[:, order])
    return [
        compare_arrays(
            "P's blocks in the new order, and P of the maps in the new order", _pooled(subject)[order], moved
        )
    ]


def _pooled(subject: EquationCase) -> Tensor:
    return subject.pool(subject.upper)


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
        "position: move it above, and the result here follows.",
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
