// All maps of one image as mapset.py packs them, and where a page keeps those that have arrived.

const DEAD = 0; // the peak of a map that is zero everywhere

function headOf(packed) {
  const length = new DataView(packed.buffer, packed.byteOffset).getUint32(0, true);
  return { ...JSON.parse(new TextDecoder().decode(packed.subarray(4, 4 + length))), end: 4 + length };
}

export class MapSet {
  constructor(packed) {
    const bytes = packed.slice(); // its own memory, so that numbers lie where numbers may lie
    const { end, ...head } = headOf(bytes);
    Object.assign(this, head);
    let at = end;
    const take = (Kind, count) => {
      const part = new Kind(bytes.buffer, at, count);
      at += part.byteLength;
      return part;
    };
    this.cells = this.rows * this.columns;
    this.peak = take(Float32Array, this.channels);
    this.mean = take(Float32Array, this.channels);
    this.energy = take(Float32Array, this.channels);
    this.sparsity = Float32Array.from(take(Uint16Array, this.channels), (part) => part / 65535);
    this.place = take(Uint16Array, this.channels);
    this.steps = take(Uint8Array, this.channels * this.cells);
    this.largest = this.peak.reduce((top, peak) => Math.max(top, Math.abs(peak)), 0) || 1;
    this.photo = new Image();
    this.photo.src = URL.createObjectURL(new Blob([bytes.subarray(at)], { type: "image/jpeg" }));
    this.ready = this.photo.decode().then(() => this);
  }

  close() {
    this.ready.finally(() => URL.revokeObjectURL(this.photo.src)); // not while it is being decoded
  }

  map(channel) {
    return this.steps.subarray(channel * this.cells, (channel + 1) * this.cells);
  }

  // A step as a part of the map's peak, -1 to 1.
  part(step) {
    return this.signed ? (step - 128) / 127 : step / 255;
  }

  weight(channel, cell) {
    return this.part(this.map(channel)[cell]) * Math.abs(this.peak[channel]);
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
      const part = Math.min(1, Math.max(-1, this.part(step) * factor));
      colours[step] = Math.round(this.signed ? 127.5 + 127.5 * part : 255 * part);
    }
    return this.map(channel).map((step) => colours[step]);
  }

  dead(channel) {
    return this.peak[channel] === DEAD;
  }

  // What a cell covers, as numbers of the map that was packed: [first, last].
  span(index, count, whole) {
    return [Math.floor((index * whole) / count), Math.max(Math.ceil(((index + 1) * whole) / count) - 1, 0)];
  }

  // Where a cell lies in the map that was packed, in words; several places where that was averaged down.
  placeText(cell) {
    const spans = { row: this.span(Math.floor(cell / this.columns), this.rows, this.mapRows), column: this.span(cell % this.columns, this.columns, this.mapColumns) };
    return Object.entries(spans)
      .map(([name, [first, last]]) => (last > first ? `${name}s ${first} to ${last}` : `${name} ${first}`))
      .join(", ");
  }

  get averaged() {
    return this.rows < this.mapRows || this.columns < this.mapColumns;
  }

  // The receptive field of a cell as [left, top, right, bottom], in parts of the photo's side.
  field(cell) {
    const [row, lastRow] = this.span(Math.floor(cell / this.columns), this.rows, this.mapRows);
    const [column, lastColumn] = this.span(cell % this.columns, this.columns, this.mapColumns);
    const box = [this.fieldColumns[column][0], this.fieldRows[row][0], this.fieldColumns[lastColumn][1], this.fieldRows[lastRow][1]];
    return box.map((pixel) => pixel / this.side);
  }
}

// Maps that are on this page by name, and who waits for some. The scripts of all components share them.
const arrived = (globalThis.crosspoolMaps ??= { sets: new Map(), waiting: new Map() });

// Each that lets a set arrive lets it leave again; those of one name are one.
export function arrive(packed) {
  const known = arrived.sets.get(headOf(packed).id);
  if (known) {
    known.users += 1;
    return known.id;
  }
  const set = new MapSet(packed);
  set.users = 1;
  arrived.sets.set(set.id, set);
  for (const tell of arrived.waiting.get(set.id) ?? []) tell(set.ready);
  arrived.waiting.delete(set.id);
  return set.id;
}

export function leave(id) {
  const set = arrived.sets.get(id);
  set.users -= 1;
  if (set.users > 0) return;
  set.close();
  arrived.sets.delete(id);
}

export const mapSet = (id) =>
  arrived.sets.get(id)?.ready ??
  new Promise((tell) => arrived.waiting.set(id, [...(arrived.waiting.get(id) ?? []), tell]));
