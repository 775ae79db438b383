"""What follows from Eq. 1, tried on one image: each experiment compares what is expected with what comes out.

P_k = sum_i a_ik x_i, where x_i is the patch that the convolution u reads at position i and a_ik the weight of map k
there. All is computed in double precision from the maps that the page shows. Nothing here knows of Streamlit.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from crosspool.backbones import Backbone
from crosspool.layer_pairs import LayerPair, Size
from crosspool.pooling import Border, cross_layer_pool, local_features
from crosspool.ui.equation.building import pooled_positions, summed_plainly
from crosspool.ui.runtime.gate import OnProgress
from crosspool.ui.runtime.maps import ImageMaps, Request, backbone_of, gate
from crosspool.ui.runtime.settings import settings
from crosspool.ui.runtime.shared_cache import Kept

MULTIPLICATIONS = 10**9  # of one convolution: 0.1 s on two cores; where all maps need more, fewer are tried
UNFOLDED = 4 * 10**6  # numbers of the patches that are shuffled; where all have more, the strongest lower channels are
DOUBLE, SINGLE = 1e-9, 1e-4  # rounding to be expected, in parts of the largest entry; the network runs in single
POINTS = 300  # of each comparison that are kept for its chart


@dataclass(frozen=True)
class EquationCase:
    """One image's layer pair in double precision.

    `lower` is X, (1, D_t, H_t, W_t), `upper` A, (1, K, H, W), and `counted`, (H, W), 1.0 where a position is pooled
    and 0.0 elsewhere. `weight`, (K, D_t, m, n), and `bias`, (K,), are those of u, BatchNorm folded in. `channels`,
    (K,), says which maps these are. `activate` makes a map of weights of what u yields, as the network and the page do.
    """

    maps: ImageMaps
    border: Border
    channels: np.ndarray
    lower: Tensor
    upper: Tensor
    counted: Tensor
    weight: Tensor
    bias: Tensor
    activate: Callable[[Tensor], Tensor]

    @property
    def pair(self) -> LayerPair:
        return self.maps.pair

    def pool(self, upper: Tensor) -> Tensor:
        """What the library pools under the maps `upper`, with the pair's geometry and the border: (K, D_t*m*n)."""
        return cross_layer_pool(self.lower, upper, **self.pair.geometry, border=self.border)[0]

    def add_up(self, upper: Tensor) -> np.ndarray:
        """The same by plain sums: the library pools by a gradient, and such a P would prove nothing about one."""
        return summed_plainly(self.maps, (upper[0] * self.counted).numpy())

    def respond(self, weight: Tensor) -> Tensor:
        """u(X) with these filters, before the non-linearity: (1, K, H, W)."""
        pair = self.pair
        return F.conv2d(self.lower, weight, self.bias, pair.stride, pair.padding, pair.dilation)


@dataclass(frozen=True)
class Finding:
    """Two arrays that should agree, or that should not (`equal` False), and how far they are apart.

    `expected` and `found` hold a sample of both for a chart, the entries that are largest or differ most.
    """

    claim: str
    equal: bool
    difference: float
    largest: float
    tolerance: float
    expected: np.ndarray
    found: np.ndarray

    @property
    def agrees(self) -> bool:
        """Whether the largest difference is no more than rounding."""
        return self.difference <= self.tolerance * self.largest

    @property
    def as_expected(self) -> bool:
        return self.agrees == self.equal


def compare(
    claim: str,
    expected: Tensor | np.ndarray,
    found: Tensor | np.ndarray,
    *,
    equal: bool = True,
    tolerance: float = DOUBLE,
) -> Finding:
    """Compare two arrays of one shape, entry by entry."""
    one, other = (np.asarray(values).ravel() for values in (expected, found))
    apart, sizes = np.abs(one - other), np.maximum(np.abs(one), np.abs(other))
    half = min(POINTS // 2, len(one))
    kept = np.union1d(*(np.argpartition(-values, half - 1)[:half] for values in (apart, sizes)))
    return Finding(claim, equal, float(apart.max()), float(sizes.max()), tolerance, one[kept], other[kept])


@dataclass(frozen=True)
class Experiment:
    """`expects` says in words, and `formula` in signs, what `run(subject, position, seed)` tries.

    `agrees` is the verdict where all is equal that should be, `differs` where something should differ, and does.
    `shuffles` says whether it depends on the seed.
    """

    title: str
    formula: str
    expects: str
    run: Callable[[EquationCase, Size, int], list[Finding]]
    agrees: str = "It holds"
    differs: str = ""
    shuffles: bool = False


def _all_ones(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    ones = torch.ones_like(subject.upper[:, :1])
    summed = subject.add_up(ones)
    return [compare("all patches added up, and P of the all-ones map", summed, subject.pool(ones))]


def _one_hot(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    hot = torch.zeros_like(subject.upper[:, :1])
    hot[0, 0, *position] = 1
    patch = subject.maps.patch(*position) * subject.counted[position].item()
    place = f"row {position[0]}, column {position[1]}"
    what = f"the patch at {place}"
    if not subject.counted[position]:
        what = f"zeros, as the patch at {place} reaches over the border and is not pooled"
    return [compare(f"{what}, and P of the map that is 1 there", patch, subject.pool(hot))]


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
        compare("the maps shown above, and f(u(X)) computed again from X", subject.upper, own, tolerance=SINGLE),
        compare("P, and the gradient of ⟨u(X; W), A⟩ with A held fixed", subject.add_up(fixed), product),
        compare(
            f"P, and the gradient of ½‖A‖² through f{where if changed else ''}",
            subject.add_up(own),
            gradient,
            equal=not changed,
        ),
    ]
    if changed:
        pooled = subject.add_up(passed_on)
        findings.append(compare("P with the weights a · f′(u), and the gradient of ½‖A‖² through f", pooled, gradient))
    return findings


def _inner_product(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    products = (subject.weight.flatten(1) * _pooled(subject)).sum(1)
    centred = subject.respond(subject.weight)[0] - subject.bias[:, None, None]
    weighted = (subject.upper[0] * subject.counted * centred).sum((1, 2))
    return [compare("Σᵢ aᵢₖ (u(X)ᵢₖ − bₖ), and ⟨Wₖ, Pₖ⟩, for every map k", weighted, products)]


def _together(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    patches, upper, turn = _shuffled(subject, seed)
    moved = cross_layer_pool(patches[..., turn], upper[..., turn])[0]
    return [compare("P, and P after all positions moved together", cross_layer_pool(patches, upper)[0], moved)]


def _weights_alone(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    patches, upper, turn = _shuffled(subject, seed)
    moved = cross_layer_pool(patches, upper[..., turn])[0]
    before = cross_layer_pool(patches, upper)[0]
    same = torch.equal(upper, upper[..., turn]) or torch.equal(patches, patches[..., turn])
    return [compare("P, and P after the weights alone moved", before, moved, equal=same)]


def _shuffled(subject: EquationCase, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Patches as (1, L, 1, N), counted weights as (1, K, 1, N), and a random order of the N positions."""
    pair, positions = subject.pair, subject.counted.numel()
    per_channel = positions * pair.kernel_size[0] * pair.kernel_size[1]
    strongest = subject.lower.square().sum((0, 2, 3)).argsort(descending=True)[: max(1, UNFOLDED // per_channel)]
    lower = subject.lower[:, strongest.sort().values]
    patches = local_features(lower, **pair.geometry).unsqueeze(2)
    upper = (subject.upper * subject.counted).flatten(2).unsqueeze(2)
    return patches, upper, torch.randperm(positions, generator=torch.Generator().manual_seed(seed))


def _blocks(subject: EquationCase, position: Size, seed: int) -> list[Finding]:
    order = torch.randperm(len(subject.channels), generator=torch.Generator().manual_seed(seed))
    moved = subject.pool(subject.upper[:, order])
    return [compare("P's blocks in the new order, and P of the maps in the new order", _pooled(subject)[order], moved)]


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
        "A map that is 1 at one position and 0 elsewhere picks out the patch there. It is the position under study: "
        "move it above, and the result here follows.",
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
        differs="P is the gradient with A held fixed. Through this f the gradient is another one: it has "
        "the slope of f in its weights.",
    ),
    "filters": Experiment(
        "A block against its own filter",
        r"\langle W_k, P_k\rangle = \textstyle\sum_i a_{i,k}\,(u(X)_{i,k} - b_k)",
        "Filter k gives the answer u(X) − b at each position; the inner product of the filter with its block is the "
        "weighted sum of these answers, with the map's own weights.",
        _inner_product,
    ),
    "together": Experiment(
        "Move all positions together",
        r"P_k = \textstyle\sum_i a_{\pi(i),k}\, x_{\pi(i)} \quad\text{for every order } \pi",
        "A sum knows no order. When patches and weights are shuffled alike, P stays as it is: it does not say where "
        "in the image something was, only under which map.",
        _together,
        shuffles=True,
    ),
    "alone": Experiment(
        "Move the weights alone",
        r"\textstyle\sum_i a_{\pi(i),k}\, x_i \;\neq\; P_k",
        "The counter-check: shuffle only the maps, and every weight lies on a foreign patch. P must change, unless "
        "all maps, or all patches, are the same everywhere.",
        _weights_alone,
        agrees="Nothing changed, as all maps or all patches are the same everywhere",
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


def equation_case(maps: ImageMaps, backbone: Backbone, size: int, border: Border, *, signed: bool) -> EquationCase:
    """What the experiments are made on, for maps that `backbone` yields at this input size.

    Where one convolution would take more than MULTIPLICATIONS, only the maps with the most energy are taken.
    """
    pair, convolution = maps.pair, backbone.model.get_submodule(maps.pair.id)
    assert isinstance(convolution, nn.Conv2d)
    each = maps.upper[0].size * pair.patch_length
    strongest = np.argsort(-maps.statistics.energy_share, kind="stable")[: max(1, MULTIPLICATIONS // each)]
    channels = np.sort(strongest)
    weight = convolution.weight.detach().cpu()[channels].double()
    bias = torch.zeros(len(channels)) if convolution.bias is None else convolution.bias.detach().cpu()[channels]
    activation = _activation(backbone, pair, size)
    rectified = pair.can_be_negative and not signed
    return EquationCase(
        maps=maps,
        border=border,
        channels=channels,
        lower=torch.from_numpy(maps.lower)[None].double(),
        upper=torch.from_numpy(maps.upper[channels])[None].double(),
        counted=torch.from_numpy(pooled_positions(maps, border)).double(),
        weight=weight,
        bias=bias.double(),
        activate=lambda response: activation(response).clamp_min(0) if rectified else activation(response),
    )


def _activation(backbone: Backbone, pair: LayerPair, size: int) -> Callable[[Tensor], Tensor]:
    """All that stands between u and the upper map in the traced network, in double precision."""
    layout = backbone.architecture.layout(size)
    node = layout.node(pair.upper)
    steps: list[fx.Node] = []
    while node.target != pair.id:
        steps.insert(0, node)
        (node,) = node.all_input_nodes
    modules = {
        step.target: deepcopy(backbone.model.get_submodule(str(step.target))).cpu().double()
        for step in steps
        if step.op == "call_module"
    }

    def activate(values: Tensor) -> Tensor:
        for step in steps:
            if step.op == "call_module":  # not by a call: while any thread traces, torch.fx replaces that everywhere
                values = modules[step.target].forward(values)
            elif step.op == "call_method":
                values = getattr(values, str(step.target))(*step.args[1:], **step.kwargs)
            else:
                assert callable(step.target)
                values = step.target(values, *step.args[1:], **step.kwargs)
        return values

    return activate


# --- in turn, and kept: here, as a page is run anew for every press, and what it defines with it

Question = tuple[Request, str, tuple[int, int], int]  # the maps, the experiment, the position, and the seed
Tried = tuple[int, list[Finding]]  # on how many maps the experiment was made, and what came out

_kept: Kept[Question, Tried] = Kept(
    "experiments",
    lambda tried: sum(finding.expected.nbytes + finding.found.nbytes for finding in tried[1]),
    lambda question: question[0].picture,
)


def tried_in_turn(question: Question, maps: ImageMaps, on_progress: OnProgress) -> Tried:
    """What an experiment shows on these maps; `on_progress` is the gate's. Raises CrosspoolError."""
    request, key, position, seed = question

    def run() -> Tried:
        backbone = backbone_of(request.backbone, request.weights)
        subject = equation_case(maps, backbone, request.size, request.border, signed=request.signed)
        return len(subject.channels), EXPERIMENTS[key].run(subject, position, seed)

    return _kept.computed(question, run, gate, on_progress, seconds=settings().wait_seconds)
