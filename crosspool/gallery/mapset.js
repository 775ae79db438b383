// All maps of one image as mapset.py packs them, and the sets that a page has received.

const DEAD = 0; // the peak of a map that is zero everywhere

function headerOf(packed) {
  const length = new DataView(packed.buffer, packed.byteOffset).getUint32(0, true);
  return { ...JSON.parse(new TextDecoder().decode(packed.subarray(4, 4 + length))), end: 4 + length };
}

export class MapSet {
  // A promise of the set that was packed.
  static async read(packed) {
    const { end, ...header } = headerOf(packed);
    const body = new Blob([packed.subarray(end)]).stream().pipeThrough(new DecompressionStream("deflate"));
    const set = new MapSet(header, await new Response(body).arrayBuffer());
    // Not by an address, which a notebook's policy may forbid in the frame of a saved page.
    return Object.assign(set, { photo: await createImageBitmap(set.jpeg) });
  }

  constructor(header, body) {
    Object.assign(this, header);
    let offset = 0;
    const read = (Kind, length) => {
      const part = new Kind(body, offset, length);
      offset += part.byteLength;
      return part;
    };
    this.cells = this.rows * this.columns;
    this.peak = read(Float32Array, this.channels);
    this.peakCells = read(Float32Array, this.channels); // how many cells of the map that was packed have its peak
    this.mean = read(Float32Array, this.channels);
    this.energy = read(Float32Array, this.channels);
    this.sparsity = Float32Array.from(read(Uint16Array, this.channels), (step) => step / 65535);
    this.place = read(Uint16Array, this.channels);
    this.levels = read(Uint16Array, this.channels * this.cells);
    // The same in the 8 bits of colours.
    this.steps = new Uint8Array(this.levels.length);
    const { levels, steps, signed } = this;
    for (let i = 0; i < steps.length; i++) steps[i] = Math.round(signed ? 128 + ((levels[i] - 32768) * 127) / 32767 : levels[i] / 257);
    this.largest = this.peak.reduce((top, peak) => Math.max(top, Math.abs(peak)), 0) || 1;
    this.jpeg = new Blob([new Uint8Array(body, offset)], { type: "image/jpeg" });
  }

  // The numbers of one map, of those of all maps.
  of(numbers, channel) {
    return numbers.subarray(channel * this.cells, (channel + 1) * this.cells);
  }

  // A level as a part of the map's peak, -1 to 1.
  part(level) {
    return this.signed ? (level - 32768) / 32767 : level / 65535;
  }

  weight(channel, cell) {
    return this.part(this.of(this.levels, channel)[cell]) * Math.abs(this.peak[channel]);
  }

  // The cells of each map by their weights, the largest first.
  get ranked() {
    return (this.sortedCells ??= this.sortCells());
  }

  sortCells() {
    const [sorted, keys] = [new Uint16Array(this.levels.length), new Uint32Array(this.cells)];
    for (let channel = 0; channel < this.channels; channel++) {
      const levels = this.of(this.levels, channel);
      for (let cell = 0; cell < this.cells; cell++) keys[cell] = levels[cell] * 65536 + cell;
      this.of(sorted, channel).set(keys.toSorted().toReversed()); // their lower 16 bits
    }
    return sorted;
  }

  // The largest weight that the colours span; the smallest is 0, or minus that.
  top(channel, { scale, top }) {
    if (scale === "fixed" && top > 0) return top;
    return scale === "map" ? Math.abs(this.peak[channel]) || 1 : this.largest;
  }

  // The map in steps 0..255 of the colours.
  coloured(channel, look) {
    const factor = Math.abs(this.peak[channel]) / this.top(channel, look);
    const colours = new Uint8Array(256);
    for (let step = 0; step < 256; step++) {
      const whole = this.signed ? (step - 128) / 127 : step / 255;
      const part = Math.min(1, Math.max(-1, whole * factor));
      colours[step] = Math.round(this.signed ? 127.5 + 127.5 * part : 255 * part);
    }
    return this.of(this.steps, channel).map((step) => colours[step]);
  }

  isDead(channel) {
    return this.peak[channel] === DEAD;
  }

  // The cell at a point, in parts of the map's side.
  cellAt(x, y) {
    const inside = (part, number) => Math.min(number - 1, Math.max(0, Math.floor(part * number)));
    return inside(y, this.rows) * this.columns + inside(x, this.columns);
  }

  // The cell that holds a place [row, column] of the map that was packed.
  cellUnder([row, column]) {
    const inside = (index, number, whole) => Math.min(number - 1, Math.floor((index * number) / whole));
    return inside(row, this.rows, this.mapRows) * this.columns + inside(column, this.columns, this.mapColumns);
  }

  // The first row and column that a cell covers in the map that was packed.
  placeOf(cell) {
    const { row, column } = this.spans(cell);
    return [row[0], column[0]];
  }

  // A cell as a box [left, top, right, bottom], in parts of the map's side.
  boxOf(cell) {
    const [row, column] = [Math.floor(cell / this.columns), cell % this.columns];
    return [column / this.columns, row / this.rows, (column + 1) / this.columns, (row + 1) / this.rows];
  }

  // What a cell covers, in rows and columns of the map that was packed: [first, last] each.
  spans(cell) {
    const span = (index, number, whole) => [
      Math.floor((index * whole) / number), Math.max(Math.ceil(((index + 1) * whole) / number) - 1, 0),
    ];
    return {
      row: span(Math.floor(cell / this.columns), this.rows, this.mapRows),
      column: span(cell % this.columns, this.columns, this.mapColumns),
    };
  }

  // Where a cell lies in the map that was packed, in words; several cells where that was averaged down.
  placeText(cell) {
    return Object.entries(this.spans(cell))
      .map(([name, [first, last]]) => (last > first ? `${name}s ${first} to ${last}` : `${name} ${first}`))
      .join(", ");
  }

  get isAveraged() {
    return this.rows < this.mapRows || this.columns < this.mapColumns;
  }

  // The receptive field of a cell as [left, top, right, bottom], in parts of the photo's side.
  field(cell) {
    const { row: [row, lastRow], column: [column, lastColumn] } = this.spans(cell);
    const box = [this.fieldColumns[column][0], this.fieldRows[row][0], this.fieldColumns[lastColumn][1], this.fieldRows[lastRow][1]];
    return box.map((pixel) => pixel / this.side);
  }
}

// The promises of the sets on this page, by name, and who awaits others. The scripts of all components share them.
const sets = (globalThis.crosspoolMaps ??= { present: new Map(), waiting: new Map() });

// Adds a set and returns its name; each call needs a `removeSet`. Sets of one name are one set.
export function addSet(packed) {
  const { id } = headerOf(packed);
  if (!sets.present.has(id)) {
    const ready = MapSet.read(packed);
    sets.present.set(id, { ready, users: 0 });
    for (const resolve of sets.waiting.get(id) ?? []) resolve(ready);
    sets.waiting.delete(id);
  }
  sets.present.get(id).users += 1;
  return id;
}

export function removeSet(id) {
  const entry = sets.present.get(id);
  entry.users -= 1;
  if (entry.users === 0) sets.present.delete(id);
}

// A promise of the set of that name.
export const mapSet = (id) =>
  sets.present.get(id)?.ready ??
  new Promise((resolve) => sets.waiting.set(id, [...(sets.waiting.get(id) ?? []), resolve]));
