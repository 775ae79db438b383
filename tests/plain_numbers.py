"""The numbers of docs/results.md computed once more, slowly and in plain numpy, with nothing of the package.

Only drawing at random and the decoding and scaling of images are not written out again.
"""

from itertools import pairwise
from math import comb, gamma, pi, sqrt

import numpy as np
from PIL import Image, ImageFilter

# --- a network of two convolutions, and the views of an image that go through it


def convolved(pixels, weight, bias, *, stride, padding):
    """A convolution of (C, H, W) with (D, C, m, n)."""
    pixels = np.pad(pixels, ((0, 0), (padding, padding), (padding, padding)))
    count, _, high, wide = weight.shape
    rows, columns = ((length - side) // stride + 1 for length, side in zip(pixels.shape[1:], (high, wide), strict=True))
    output = np.zeros((count, rows, columns))
    for row in range(rows):
        for column in range(columns):
            patch = pixels[:, row * stride : row * stride + high, column * stride : column * stride + wide]
            output[:, row, column] = (weight * patch).sum((1, 2, 3)) + bias
    return output


class Network:
    """A convolution, a ReLU, one of 3x3, a ReLU, the mean, and a linear layer: (weights, biases) of the first two, and
    the weights of the last, which has no biases."""

    def __init__(self, first, second, last, stride):
        self.first, self.second, self.last, self.stride = first, second, last, stride

    def maps(self, view):
        """The lower and the upper map of a view: an RGB image of the network's size."""
        pixels = np.asarray(view, np.float64).transpose(2, 0, 1) / 255
        lower = np.maximum(convolved(pixels, *self.first, stride=self.stride, padding=0), 0)
        return lower, np.maximum(convolved(lower, *self.second, stride=1, padding=1), 0)


def mirrored(images):
    return images + [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in images]


def crops(image, size, whole):
    """The corners and the centre of an image scaled to `whole` pixels."""
    large, end = image.resize((whole, whole), Image.Resampling.BILINEAR), whole - size
    corners = [(0, 0), (end, 0), (0, end), (end, end), (end // 2, end // 2)]
    return [large.crop((x, y, x + size, y + size)) for x, y in corners]


def views_of(image, size, kind):
    """What goes through the network; images are squashed."""
    whole = image.resize((size, size), Image.Resampling.BILINEAR)
    if kind == "tiles":
        half = size // 2
        return [whole.crop((x, y, x + half, y + half)) for y in (0, half) for x in (0, half)]
    if kind == "jitter":
        return mirrored(crops(image, size, round(size * 8 / 7)))
    if kind == "augmented":
        turned = [whole.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(0, 0, 0)) for angle in (-15, 15)]
        return mirrored([whole, *crops(image, size, size * 3 // 2), *turned])
    return [whole]


# --- vectors


def patches_of(lower):
    """The 3x3 patches around the positions of a map, with zeros around it: (N, 9 C)."""
    around = np.pad(lower, ((0, 0), (1, 1), (1, 1)))
    _, rows, columns = lower.shape
    return np.array(
        [around[:, row : row + 3, column : column + 3].ravel() for row in range(rows) for column in range(columns)]
    )


def root(vector):
    return np.sign(vector) * np.sqrt(np.abs(vector))


def unit(vector):
    length = np.sqrt((vector**2).sum())
    return vector / length if length else vector


def principal_components(features, count):
    """The mean of features (n, d), and the directions in which they vary most, (count, d)."""
    mean = features.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(features.T))
    return mean, directions.T[::-1][:count]


def pooled(lower, upper, components=None):
    """Eq. 1: for each upper map the sum of the patches, each weighted with the map there; (K, d)."""
    patches, weights = patches_of(lower), upper.reshape(len(upper), -1)
    if components is not None:
        mean, directions = components
        patches = (patches - mean) @ directions.T
    total = np.zeros((len(upper), patches.shape[1]))
    for channel, position in np.ndindex(weights.shape):
        total[channel] += weights[channel, position] * patches[position]
    return total


def cells_of(length, count):
    """Where the `count` cells along a side begin and end; they overlap where they do not fit."""
    return [(index * length // count, -(-(index + 1) * length // count)) for index in range(count)]


def pyramid(upper):
    """The maxima over grids of 1, 2 and 4 cells a side, level by level, map by map."""
    _, rows, columns = upper.shape
    levels = [
        [plane[top:bottom, left:right].max() for plane in upper for top, bottom in cells_of(rows, count)
         for left, right in cells_of(columns, count)]
        for count in (1, 2, 4)
    ]  # fmt: skip
    return np.array([value for level in levels for value in level])


def vector_of(name, network, image, components=None):
    """The vector of an image by a method's name; `components` are those of its training images."""
    if "+" in name:
        parts = [vector_of(part, network, image) for part in name.split("+")]
        return unit(np.concatenate([unit(part) for part in parts]))
    head, option = (*name.split("/"), "")[:2]
    method, size = head.split("@")
    kind = {"cl-f": "tiles", "jitter": "jitter", "cnnaug-svm": "augmented"}.get(method, "whole")
    if method == "cl-c":
        coarse = vector_of(f"cl@{int(size) // 2}", network, image)
        return unit(np.concatenate([coarse, vector_of(f"cl-f@{size}", network, image)]))
    maps = [network.maps(view) for view in views_of(image, int(size), kind)]
    if method in ("cl", "cl-f"):
        vector = unit(root(np.sum([pooled(lower, upper, components) for lower, upper in maps], axis=0).ravel()))
        if not option.startswith("ternary"):
            return vector
        threshold = np.abs(vector).mean() * (0 if option == "ternary0" else 1)
        return unit(np.where(np.abs(vector) > threshold, np.sign(vector), 0))
    means = [upper.mean((1, 2)) for _, upper in maps]
    upper = maps[0][1]
    by_method = {
        "global": lambda: unit(means[0]),
        "cnn-svm": lambda: unit(means[0]),
        "global:last": lambda: unit(network.last @ means[0]),
        "jitter": lambda: unit(np.mean(means, axis=0)),
        "cnnaug-svm": lambda: unit(np.mean([unit(np.sign(mean) * mean**2) for mean in means], axis=0)),
        "sum": lambda: unit(root(upper.sum((1, 2)))),
        "max": lambda: unit(root(upper.max((1, 2)))),
        "pyramid": lambda: unit(root(pyramid(upper))),
        "gem": lambda: unit(np.cbrt((upper**3).mean((1, 2)))),
    }
    return by_method[method]()


# --- a linear machine, and what is said of its predictions


def machine(vectors, is_positive, C=10.0):
    """The weights and the intercept of a linear machine: in the dual, the worst pair is mended each time."""
    sign, kernel = np.where(is_positive, 1.0, -1.0), vectors @ vectors.T
    dual, outputs = np.zeros(len(sign)), np.zeros(len(sign))
    while True:
        missing = sign - outputs
        upper = np.where(np.where(sign > 0, dual < C, dual > 0), missing, -np.inf)
        lower = np.where(np.where(sign > 0, dual > 0, dual < C), missing, np.inf)
        up, down = upper.argmax(), lower.argmin()
        if upper[up] - lower[down] < 1e-5:
            return (dual * sign) @ vectors, (upper[up] + lower[down]) / 2
        step = (upper[up] - lower[down]) / max(kernel[up, up] + kernel[down, down] - 2 * kernel[up, down], 1e-12)
        step = min(step, C - dual[up] if sign[up] > 0 else dual[up], dual[down] if sign[down] > 0 else C - dual[down])
        dual[up] += sign[up] * step
        dual[down] -= sign[down] * step
        outputs += step * (kernel[up] - kernel[down])


def machine_scores(train, targets, test):
    """The scores (n, L) of test vectors by a machine for each class against the rest."""
    machines = [machine(train, targets == label) for label in np.unique(targets)]
    return np.array([test @ weights + intercept for weights, intercept in machines]).T


def class_mean(targets, predicted):
    """The accuracy on each class's images, averaged over the classes."""
    return np.mean([(predicted[targets == label] == label).mean() for label in np.unique(targets)])


def t_quantile(probability, freedom):
    """Student's quantile: the density integrated by Simpson's rule, and halving."""
    scale = gamma((freedom + 1) / 2) / (sqrt(freedom * pi) * gamma(freedom / 2))
    low, high = 0.0, 1e4
    while high - low > 1e-9:
        middle = (low + high) / 2
        angles = np.linspace(0, np.arctan(middle / sqrt(freedom)), 2001)  # t = tan(angle) sqrt(freedom)
        density = scale * sqrt(freedom) * np.cos(angles) ** (freedom - 1)
        area = (density[0] + density[-1] + 4 * density[1::2].sum() + 2 * density[2:-1:2].sum()) * angles[1] / 3
        low, high = (middle, high) if 0.5 + area < probability else (low, middle)
    return low


def corrected_interval(values, train, test):
    """Nadeau and Bengio's: the ends of the 95 % interval of a mean over splits."""
    count, mean = len(values), sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (count - 1)
    reach = t_quantile(0.975, count - 1) * sqrt((1 / count + test / train) * variance)
    return mean - reach, mean + reach


def mcnemar_p(first, second):
    """The two-sided probability that of all images that one of two methods gets right, so few are either's alone."""
    count = first + second
    tail = sum(comb(count, wins) for wins in range(min(first, second) + 1)) / 2**count
    return min(1.0, 2 * tail) if count else 1.0


def majority_right(right_of_split, image):
    """Whether most splits that tested an image were right: True, False, or None where as many were wrong."""
    votes = [right[image] for right in right_of_split if image in right]
    return None if 2 * sum(votes) == len(votes) else 2 * sum(votes) > len(votes)


def precision_of(weights, shares):
    """The average precision of one map: for each weight, the largest first, precision times gain of recall."""
    area = 0.0
    for weight in sorted(set(weights.ravel().tolist()), reverse=True):
        gain = shares[weights == weight].sum() / shares.sum()
        area += gain * shares[weights >= weight].sum() / (weights >= weight).sum()
    return area


# --- taking channels, positions and pixels away


class Removal:
    """An image by `cl`, some of which is taken away; `weights` (L, K d) and `intercept` (L,) are the classifier's."""

    def __init__(self, network, image, weights, intercept):
        self.network, self.image, self.weights, self.intercept = network, image, weights, intercept
        lower, self.upper = network.maps(image)
        self.patches, self.maps = patches_of(lower), self.upper.reshape(len(self.upper), -1)
        self.blocks = self.maps @ self.patches
        self.vector = unit(root(self.blocks.ravel()))
        self.scores = self.scores_of(self.blocks)
        self.predicted = int(self.scores.argmax())

    def scores_of(self, blocks):
        return self.weights @ unit(root(blocks.ravel())) + self.intercept

    def by_channel(self, weights):
        """What each channel adds to an inner product."""
        return (weights * self.vector).reshape(self.blocks.shape).sum(axis=1)

    def by_position(self, weights):
        """The same by position: each number of P is shared out by the products that it is the sum of."""
        products = (weights * self.vector).reshape(self.blocks.shape)
        each = np.divide(products, self.blocks, out=np.zeros_like(products), where=self.blocks != 0)
        return np.array([(self.maps[:, [i]] * self.patches[i] * each).sum() for i in range(len(self.patches))])

    def keeping_channels(self, kept):
        return self.scores_of(self.blocks * np.isin(np.arange(len(self.blocks)), kept)[:, None])

    def keeping_positions(self, kept):
        return self.scores_of(self.maps[:, kept] @ self.patches[kept])

    def keeping_pixels(self, kept):
        """The scores of the image with all cells but these blurred, through the network again."""
        (rows, columns), side = self.upper.shape[1:], self.image.width
        blurred = np.asarray(self.image.filter(ImageFilter.GaussianBlur(side / 16)))
        row, column = (np.floor((np.arange(side) + 0.5) * cells / side).astype(int) for cells in (rows, columns))
        is_shown = np.isin(row[:, None] * columns + column, list(kept))
        pixels = Image.fromarray(np.where(is_shown[..., None], np.asarray(self.image), blurred))
        return self.weights @ vector_of(f"cl@{side}", self.network, pixels) + self.intercept

    def measured(self, scores, target):
        """Whether the true class wins, whether the predicted one still does, and its lead over the best other."""
        others = np.delete(scores, self.predicted)
        return scores.argmax() == target, scores.argmax() == self.predicted, scores[self.predicted] - others.max()


def largest_first(values):
    return sorted(range(len(values)), key=lambda index: -values[index])


def from_centre(rows, columns):
    """The squared distance of each position from the centre, of an image whose sides are 1."""
    return [((row + 0.5) / rows - 0.5) ** 2 + ((column + 0.5) / columns - 0.5) ** 2
            for row in range(rows) for column in range(columns)]  # fmt: skip


def removed_counts(shares, total):
    return [max(1, round(share * total)) if share else 0 for share in shares]


def area_under(values):
    """The trapezoidal rule over equal steps from 0 to 1."""
    return sum((left + right) / 2 for left, right in pairwise(values)) / (len(values) - 1)
