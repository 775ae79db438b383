// How well each map matches a box on the photo.

const EQUAL = 1e9; // precisions are compared in steps of 1 / EQUAL: sums in another order differ by rounding

// The share of each cell, row by row, that lies in a box [left, top, right, bottom] in parts of the photo's side.
function cellShares([left, top, right, bottom], rows, columns) {
  const overlap = (from, to, index, number) => Math.max(0, Math.min(to * number, index + 1) - Math.max(from * number, index));
  const across = Array.from({ length: columns }, (_, column) => overlap(left, right, column, columns));
  const down = Array.from({ length: rows }, (_, row) => overlap(top, bottom, row, rows));
  return Float64Array.from({ length: rows * columns }, (_, cell) => down[Math.floor(cell / columns)] * across[cell % columns]);
}

// For each map its average precision against the box (cells of one weight enter together), and its contrast: the mean
// weight inside less the mean weight outside.
export function matchBox(set, box) {
  const shares = cellShares(box, set.rows, set.columns);
  const inside = shares.reduce((sum, share) => sum + share, 0);
  const outside = set.cells - inside;
  const precision = new Float64Array(set.channels);
  const contrast = new Float64Array(set.channels);
  for (let channel = 0; channel < set.channels; channel++) {
    const [levels, ranked] = [set.of(set.levels, channel), set.of(set.ranked, channel)];
    let [hits, area, within, all] = [0, 0, 0, 0];
    for (let cells = 0; cells < set.cells; ) {
      const [start, level] = [cells, levels[ranked[cells]]];
      let hit = 0;
      while (cells < set.cells && levels[ranked[cells]] === level) hit += shares[ranked[cells++]];
      hits += hit;
      area += (hits / cells) * hit;
      within += set.part(level) * hit;
      all += set.part(level) * (cells - start);
    }
    precision[channel] = Math.round((area / inside) * EQUAL) / EQUAL;
    const difference = within / inside - (outside > 0 ? (all - within) / outside : 0);
    contrast[channel] = difference * Math.abs(set.peak[channel]);
  }
  return { precision, contrast };
}
