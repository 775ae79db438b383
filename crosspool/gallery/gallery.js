// The gallery: a toolbar, the lens, the pinned maps and the wall of all maps of one image. What is drawn, sorted, filtered
// and pinned is decided here; callbacks report what the user has done, and nothing waits for an answer.

import { beforeNextFrame, count, make, numberText, percent, term } from "./elements.js";
import { Lens } from "./lens.js";
import { filterChannels, findChannels, sortChannels } from "./order.js";
import { bytes, paintAt } from "./paint.js";
import { PinnedMaps } from "./pins.js";
import { matchBox } from "./pointing.js";
import { Toolbar } from "./toolbar.js";
import { Wall } from "./wall.js";

const MAX_FIRST = 48; // channels, the first in the current order, that `onView` names
const MAX_PHOTOS = 4; // sizes in which the photo is kept

export class Gallery {
  // Calls `onSelect(selection)` with a channel or, where a cell of it was chosen, [channel, row, column]; `onPin(channels)`
  // with all that are pinned; `onBox(box)` with the box or null; and `onView(view)` with the view and `first`, the channels
  // that come first.
  constructor(root, { onSelect = () => {}, onPin = () => {}, onBox = () => {}, onView = () => {} } = {}) {
    Object.assign(this, { root, onSelect, onPin, onBox, onView, set: null, pins: [], query: "", sought: null, hovered: null, cell: null });
    [this.toolbar, this.lens, this.pinned, this.wall] = [Toolbar, Lens, PinnedMaps, Wall].map((Part) => new Part(this));
    this.drawLensSoon = beforeNextFrame(() => this.drawLens());
    this.status = make("p", { className: "status", role: "status", textContent: "Loading the maps …" });
    this.empty = make("p", { className: "empty", hidden: true });
    const maps = make("div", { className: "maps" }, this.toolbar.root, this.status, this.pinned.root, this.empty, this.wall.list);
    root.replaceChildren(make("div", { className: "body" }, this.lens.root, maps));
    root.inert = true; // until there are maps
    this.resizes = new ResizeObserver(() => this.set && this.drawLens());
    this.resizes.observe(this.lens.root);
  }

  close() {
    this.wall.close();
    this.resizes.disconnect();
  }

  // Data: selected, cell [row, column] of it or null for its peak, pins, box, question (of the box, or ""), view {colours,
  // overlay, opacity, smooth, scale, top, sort, kept_maps, tile}, colourMaps, tables (base64 by colour map), mostPins,
  // largestTop; and the meaning of the channels, {classes, sprite}, see Meaning. `hasGlossary` is whether the page
  // explains words.
  show(set, data, meaning) {
    const isNew = this.set !== set;
    this.lens.meaning.use(meaning);
    const box = this.lens.isDrawing && !isNew ? this.lens.box : data.box ?? null;
    const isSame = JSON.stringify([data.view, data.pins, box]) === JSON.stringify([this.view, this.pins, this.lens.box]);
    Object.assign(this, { data, view: { ...data.view }, pins: [...data.pins] });
    if (isNew) this.replaceSet(set);
    if (isNew || !isSame) this.match = (this.lens.box = box) && matchBox(set, box);
    if (isNew || data.selected !== this.selected) {
      this.selected = this.active = data.selected;
      this.hovered = null;
    }
    this.cell = data.cell ? set.cellUnder(data.cell) : null;
    if (isNew || !isSame) this.draw();
    else this.mark();
    if (isNew) this.wall.bringIntoView(this.selected);
    // The server knows these orders, without dead maps.
    const isKnown = ["energy_share", "box"].includes(this.view.sort) && this.view.kept_maps === "alive";
    if (isNew && !isKnown) this.reportView();
  }

  replaceSet(set) {
    this.set = set;
    this.root.inert = false;
    this.photos = new Map();
    this.beforeBox = null;
    this.toolbar.search.value = this.query = "";
    this.sought = null;
    this.wall.clear();
    this.wall.list.scrollTop = 0;
  }

  get table() {
    const { tables, colourMaps } = this.data;
    const name = colourMaps.includes(this.view.colours) ? this.view.colours : colourMaps[0];
    return ((this.tables ??= {})[name] ??= bytes(tables[name]));
  }

  changeView(part) {
    const bounded = (top) => Math.min(this.data.largestTop, Math.max(0, top || 0)); // the server refuses others
    if (part.top !== undefined) part.top = bounded(part.top);
    this.view = { ...this.view, ...part };
    if (this.view.scale === "fixed" && !this.view.top) this.view.top = bounded(Number(this.set.largest.toPrecision(3)));
    this.draw();
    this.reportView();
  }

  reportView() {
    this.onView({ ...this.view, first: this.filtered.slice(0, MAX_FIRST) });
  }

  // Draws everything: which maps are shown, in which order, and how.
  draw() {
    const { set, view } = this;
    const filters = filterChannels(set, sortChannels(set, view.sort, this.match), this.pins);
    this.filtered = filters[view.kept_maps] ?? filters.alive;
    const matches = this.query === "" ? this.filtered : findChannels(this.query, set.channels);
    this.order = matches ?? [];
    this.counts = Object.fromEntries(Object.entries(filters).map(([name, channels]) => [name, channels.length]));
    const some = count(this.order.length);
    if (this.match && view.sort === "box" && this.order.length) {
      const precision = term("AP", this.data.hasGlossary);
      this.status.replaceChildren(`${some} maps, best match first (average precision, `, precision, "; 1 is perfect)");
    } else this.status.textContent = `${some} of ${count(set.channels)} maps`;
    this.empty.hidden = this.order.length > 0;
    this.empty.textContent = this.emptyText(matches);
    this.wall.side = view.tile;
    this.wall.show(this.order);
    this.drawPins();
  }

  emptyText(matches) {
    if (this.query === "") return "No maps to show: choose another option under “Show”.";
    if (matches === null) return "Type a channel number, or several, such as 0,5,12-20.";
    return `There is no channel ${this.query}: they run from 0 to ${this.set.channels - 1}.`;
  }

  drawPins() {
    const { data, pins, view } = this;
    this.toolbar.show(view, { ...data, counts: { ...this.counts, pinned: pins.length }, hasBox: this.match !== null });
    this.mark();
    this.pinned.root.hidden = !pins.length || view.kept_maps === "pinned"; // the wall shows them then
    this.pinned.show(pins, this.set, view);
  }

  mark() {
    this.wall.mark({ selected: this.selected, active: this.active, pins: this.pins });
    this.drawLens();
  }

  // The channel and the cell under the pointer; without one, the active channel at its selected cell or its peak.
  drawLens() {
    const channel = this.hovered?.channel ?? this.active ?? this.selected;
    const selected = channel === this.selected;
    const cell = this.hovered?.cell ?? (selected ? this.cell : null) ?? this.set.place[channel];
    const state = { selected, pinned: this.pins.includes(channel), match: this.match?.precision[channel] };
    this.lens.show(this.set, channel, cell, this.view, this.table, state);
    this.wall.preview(selected ? null : channel);
  }

  // Previews the first map that is found; once the search is cleared, by deleting its text or at once, selects it.
  search(text) {
    const before = this.query;
    this.query = text.trim();
    this.draw();
    if (!before.startsWith(this.query)) this.sought = this.order[0] ?? null;
    if (this.query !== "") {
      if (this.order.length) this.activate(this.order[0]);
      return;
    }
    if (this.sought !== null && this.sought !== this.selected) this.select(this.sought);
    this.sought = null;
    this.activate(this.selected);
  }

  // Sorts the maps by their match with a box, and previews the best; null for the order before.
  pointAt(box) {
    this.beforeBox ??= { selected: this.selected, cell: this.cell };
    this.match = box && matchBox(this.set, box);
    if (box && this.view.sort !== "box") this.sortBefore = this.view.sort;
    if (box) this.view = { ...this.view, sort: "box" };
    else if (this.view.sort === "box") this.view = { ...this.view, sort: this.sortBefore ?? "energy_share" };
    this.wall.list.scrollTop = 0;
    this.draw();
    this.activate((box ? this.order[0] : null) ?? this.selected);
    this.reportView();
  }

  // Selects the best match of a box once that is drawn, and once it is cleared, the map that was selected before.
  endBox() {
    const { box } = this.lens;
    this.onBox(box);
    if (box && this.order.length) {
      this.select(this.order[0]);
      if (this.beforeBox) this.beforeBox.best = this.selected; // other maps may have come while the box was drawn
    } else if (!box && this.beforeBox) {
      if (this.beforeBox.best === this.selected) this.select(this.beforeBox.selected, this.beforeBox.cell);
      this.beforeBox = null;
    }
  }

  // `x` and `y` are parts of the map's side; without a channel, the pointer is elsewhere.
  hover(channel, x, y) {
    this.hovered = channel === null || !this.set ? null : { channel, cell: this.set.cellAt(x, y) };
    this.drawLensSoon();
  }

  activate(channel) {
    this.active = channel;
    this.hovered = null;
    this.wall.bringIntoView(channel);
    this.mark();
  }

  // The selected cell as [row, column] of the map that was packed; null for the peak.
  get place() {
    return this.cell === null ? null : this.set.placeOf(this.cell);
  }

  select(channel, cell = null) {
    Object.assign(this, { selected: channel, active: channel, cell, hovered: null });
    this.mark();
    this.onSelect(cell === null ? channel : [channel, ...this.set.placeOf(cell)]);
  }

  pin(channel) {
    const { mostPins } = this.data;
    if (this.pins.includes(channel)) this.pins = this.pins.filter((other) => other !== channel);
    else if (this.pins.length < mostPins) this.pins = [...this.pins, channel];
    else {
      this.status.textContent = `${mostPins} maps are pinned; unpin one first.`;
      return;
    }
    if (this.view.kept_maps === "pinned") {
      this.draw();
      this.reportView();
    } else this.drawPins();
    this.onPin(this.pins);
  }

  // Clears the search, or else the box, or else goes to the selected map.
  escape() {
    if (this.query !== "") this.toolbar.clearSearch();
    else if (this.lens.box) this.lens.clearBox();
    else if (this.wall.places.has(this.selected)) this.activate(this.selected);
  }

  // The photo at the size of the tiles, scaled once.
  photoAt(side) {
    if (!this.photos.has(side)) {
      if (this.photos.size >= MAX_PHOTOS) this.photos.clear();
      const canvas = make("canvas", { width: side, height: side });
      Object.assign(canvas.getContext("2d"), { imageSmoothingQuality: "high" }).drawImage(this.set.photo, 0, 0, side, side);
      this.photos.set(side, canvas);
    }
    return this.photos.get(side);
  }

  paintTile(canvas, left, side, channel) {
    const { set, view } = this;
    const look = { ...view, rows: set.rows, columns: set.columns, signed: set.signed };
    paintAt(canvas, left, side, this.photoAt(side), set.coloured(channel, view), look, this.table);
  }

  describe(channel) {
    const { set, view, match } = this;
    if (set.isDead(channel)) return { caption: "dead", label: `map ${channel}: zero everywhere on this image` };
    const share = percent(set.energy[channel]);
    const captions = {
      peak: () => numberText(set.peak[channel]), mean: () => numberText(set.mean[channel]),
      sparsity: () => `${percent(set.sparsity[channel])} zeros`,
      box: () => match && `AP ${match.precision[channel].toFixed(2)}`,
    };
    const place = set.peakCells[channel] > 1 ? `${count(set.peakCells[channel])} cells` : set.placeText(set.place[channel]);
    const label = `map ${channel}: peak ${numberText(set.peak[channel])} at ${place}; ${share} of the energy of P`;
    return { caption: captions[view.sort]?.() || share, label };
  }
}
