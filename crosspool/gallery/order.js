// Which maps are on the wall, and in which order.

const MOST = 0.9; // of the energy

const allChannels = (number) => Array.from({ length: number }, (_, channel) => channel);

// All channels, the largest value first, ties by number. `match` says how well each matches the box, if one is drawn.
export function sortChannels(set, sort, match) {
  const channels = allChannels(set.channels);
  if (sort === "channel") return channels;
  if (sort === "box" && match) {
    const { precision, contrast } = match;
    return channels.toSorted((a, b) => precision[b] - precision[a] || contrast[b] - contrast[a] || a - b);
  }
  const values = { peak: set.peak.map(Math.abs), mean: set.mean, sparsity: set.sparsity }[sort] ?? set.energy;
  return channels.toSorted((a, b) => values[b] - values[a] || a - b);
}

// For each filter the channels that pass it, in the given order.
export function filterChannels(set, channels, pins) {
  const alive = channels.filter((channel) => !set.isDead(channel));
  const most = new Set();
  let share = 0;
  for (const channel of alive.toSorted((a, b) => set.energy[b] - set.energy[a])) {
    if (share >= MOST) break;
    most.add(channel);
    share += set.energy[channel];
  }
  return {
    alive, all: channels,
    most: channels.filter((channel) => most.has(channel)), pinned: channels.filter((channel) => pins.includes(channel)),
  };
}

// For a number, the channels that begin with it; for a list such as 0,5,12-20, those in it; null for any other text.
export function findChannels(query, number) {
  const ranges = query.replace(/[\s,-]+$/, "").split(",").map((part) => part.match(/^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/));
  if (ranges.includes(null)) return null;
  if (/^\d+$/.test(query)) return allChannels(number).filter((channel) => String(channel).startsWith(query));
  const isInside = (channel, [, first, last]) => channel >= Number(first) && channel <= Number(last ?? first);
  return allChannels(number).filter((channel) => ranges.some((range) => isInside(channel, range)));
}
