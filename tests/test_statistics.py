"""What is said about each weighting map, on maps small enough to count by hand."""

import numpy as np
import pytest
import torch

from crosspool.errors import SettingError
from crosspool.pooling import cross_layer_pool
from crosspool.statistics import channel_statistics, telling_channel

# Four channels of 2 x 3.
UPPER = torch.tensor(
    [
        [[0.0, 1, 0], [0, 0, 5]],
        [[2, 2, 2], [2, 2, 2]],
        [[0, 0, 0], [0, 0, 0]],
        [[1, 0, -4], [0, 3, 0]],
    ]
)
# Blocks with ||P_k||^2 = 25, 50, 0, 25.
POOLED = torch.tensor([[3.0, 4], [5, 5], [0, 0], [0, -5]])


def test_by_hand():
    statistics = channel_statistics(UPPER, POOLED)
    assert statistics.peak.tolist() == [5, 2, 0, -4]  # of the largest magnitude, with its sign
    assert statistics.peak_row.tolist() == [1, 0, 0, 0]
    assert statistics.peak_column.tolist() == [2, 0, 0, 2]
    assert statistics.peak_positions.tolist() == [1, 6, 6, 1]  # of which row and column are the first
    assert statistics.mean.tolist() == [1, 2, 0, 0]
    assert statistics.active.tolist() == [2, 6, 0, 3]
    assert statistics.sparsity == pytest.approx([4 / 6, 0, 1, 3 / 6], abs=1e-15)
    assert statistics.energy_share == pytest.approx([0.25, 0.5, 0, 0.25], abs=1e-15)
    assert statistics.dead.tolist() == [False, False, True, False]


def test_the_table_has_a_row_for_each_channel():
    table = channel_statistics(UPPER, POOLED).table()
    assert list(table.columns) == [
        "channel", "peak", "peak_row", "peak_column", "peak_positions", "mean", "active", "sparsity", "energy_share",
    ]  # fmt: skip
    assert table["channel"].tolist() == [0, 1, 2, 3]
    assert table.sort_values("energy_share", ascending=False)["channel"].iloc[0] == 1


def test_a_black_image_has_no_energy_to_share():
    statistics = channel_statistics(torch.zeros(2, 3, 3), torch.zeros(2, 8))
    assert statistics.energy_share.tolist() == [0, 0]
    assert statistics.dead.all()


def test_shares_of_a_pooled_image_add_up_and_precision_is_double():
    generator = torch.Generator().manual_seed(0)
    lower, upper = torch.rand(1, 5, 6, 7, generator=generator), torch.rand(1, 9, 6, 7, generator=generator)
    statistics = channel_statistics(upper[0], cross_layer_pool(lower, upper)[0])
    assert statistics.energy_share.sum() == pytest.approx(1, abs=1e-12)
    largest = upper[0].flatten(1).argmax(dim=1)
    assert np.array_equal(statistics.peak_row * 7 + statistics.peak_column, largest.numpy())
    for values in (statistics.peak, statistics.mean, statistics.sparsity, statistics.energy_share):
        assert values.dtype == np.float64


def test_leaves_its_arguments_alone():
    upper, pooled = UPPER.clone(), POOLED.clone()
    channel_statistics(upper, pooled)
    assert torch.equal(upper, UPPER)
    assert torch.equal(pooled, POOLED)


def test_the_telling_channel_is_strong_concentrated_and_not_clipped():
    flat, clipped = torch.full((3, 3), 2.0), torch.zeros(3, 3)
    flat[0, 0], clipped[0, :2] = 2.1, 6
    weak, telling = torch.zeros(3, 3), torch.zeros(3, 3)
    weak[2, 2], telling[1, 1], telling[1, 2] = 0.1, 5, 1
    upper = torch.stack([flat, clipped, weak, telling])
    statistics = channel_statistics(upper, upper.flatten(1).sum(1, keepdim=True))
    assert telling_channel(upper.numpy(), statistics) == 3
    assert telling_channel(upper.numpy(), statistics, among=[0, 1]) == 0
    assert telling_channel(upper.numpy(), statistics, among=[1]) == 1
    nothing = torch.zeros(2, 3, 3)
    assert telling_channel(nothing.numpy(), channel_statistics(nothing, nothing.flatten(1))) == 0


@pytest.mark.parametrize("among", [[0, -1], [4]])
def test_the_telling_channel_is_among_those_that_there_are(among):
    upper = torch.rand(4, 3, 3)
    statistics = channel_statistics(upper, upper.flatten(1))
    with pytest.raises(SettingError, match=f"There is no channel {among[-1]}: the channels are 0 to 3"):
        telling_channel(upper.numpy(), statistics, among)
