// How well each map matches a box on the photo.

// The share of each cell, row by row, that lies in a box [left, top, right, bottom] in parts of the photo's side.
function cellShares([left, top, right, bottom], rows, columns) {
  const overlap = (from, to, index, number) => Math.max(0, Math.min(to * number, index + 1) - Math.max(from * number, index));
  const across = Array.from({ length: columns }, (_, column) => overlap(left, right, column, columns));
  const down = Array.from({ length: rows }, (_, row) => overlap(top, bottom, row, rows));
  return Float64Array.from({ length: rows * columns }, (_, cell) => down[Math.floor(cell / columns)] * across[cell % columns]);
}

// For each map its average precision against the box (cells of one value enter together), and its contrast: the mean
// weight inside less the mean weight outside.
export function matchBox(set, box) {
  const shares = cellShares(box, set.rows, set.columns);
  const inside = shares.reduce((sum, share) => sum + share, 0);
  const precision = new Float64Array(set.channels);
  const contrast = new Float64Array(set.channels);
  const counts = new Float64Array(256);
  const hits = new Float64Array(256);
  for (let channel = 0; channel < set.channels; channel++) {
    counts.fill(0);
    hits.fill(0);
    const map = set.map(channel);
    let within = 0;
    let all = 0;
    for (let cell = 0; cell < set.cells; cell++) {
      const step = map[cell];
      counts[step] += 1;
      hits[step] += shares[cell];
      within += set.part(step) * shares[cell];
      all += set.part(step);
    }
    let cells = 0;
    let hit = 0;
    for (let step = 255; step >= 0; step--) {
      if (!counts[step]) continue;
      cells += counts[step];
      hit += hits[step];
      precision[channel] += (hit / cells) * (hits[step] / inside);
    }
    const outside = set.cells - inside;
    const difference = within / inside - (outside > 0 ? (all - within) / outside : 0);
    contrast[channel] = difference * Math.abs(set.peak[channel]);
  }
  return { precision, contrast };
}
