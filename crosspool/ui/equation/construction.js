// How some entries of a block of P come about position by position, as arrays.

import { bytes } from "../../gallery/paint.js";

const floats = (text) => new Float32Array(bytes(text).buffer);

function orderOf(weights, order) {
  const positions = [...weights.keys()];
  return order === "rows" ? positions : positions.toSorted((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]));
}

function rangeOf(values) {
  let [low, high] = [0, 0];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return low === high ? [0, 1] : [low, high];
}

// Sums and shares of the weight after each step: after step s the first s positions of `order` are added.
function addUp(order, weights, products, entries) {
  const [sums, shares] = [new Float64Array((order.length + 1) * entries), [0]];
  order.forEach((position, index) => {
    for (let entry = 0; entry < entries; entry++) {
      sums[(index + 1) * entries + entry] = sums[index * entries + entry] + products[position * entries + entry];
    }
    shares.push(shares[index] + Math.abs(weights[position]));
  });
  return { sums, shares };
}

// Everything that depends on the maps and the order alone. Positions are row-major numbers, steps count from 1.
export function constructionOf(data) {
  const [weights, features] = [floats(data.weights), floats(data.features)];
  const [order, entries] = [orderOf(weights, data.order), data.names.length];
  const products = Float64Array.from(features, (value, index) => value * weights[Math.floor(index / entries)]);
  const { sums, shares } = addUp(order, weights, products, entries);
  const steps = new Map(order.map((position, index) => [position, index + 1]));
  const positionAt = (step) => order[step - 1];
  return {
    weights, features, products, sums, shares, order, entries, positionAt,
    count: order.length,
    end: Math.max(1, 1 + order.findLastIndex((position) => weights[position])), // nothing is added after this step
    ranges: { features: rangeOf(features), products: rangeOf(products), sums: rangeOf(sums) },
    cellAt: (step) => [Math.floor(positionAt(step) / data.columns), positionAt(step) % data.columns],
    stepAt: ([row, column]) => steps.get(row * data.columns + column),
  };
}
