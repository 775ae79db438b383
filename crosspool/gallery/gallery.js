// The gallery: a toolbar, the lens, the pinned maps and the wall of all maps of one image. What is drawn, sorted, found
// and pinned is decided here; `tell(what, value)` lets a server know of it, and nothing waits for an answer.

import { count, make, numberText, percent } from "./elements.js";
import { Lens } from "./lens.js";
import { mapSet } from "./mapset.js";
import { bytes, paintAt, pixels } from "./paint.js";
import { picksOut } from "./pointing.js";
import { Toolbar } from "./toolbar.js";
import { Wall } from "./wall.js";

const REST = 400; // milliseconds after the last change until the server hears of it
const TOLD_FIRST = 48; // channels of the present order that the server hears of
const MOST = 0.9; // of the energy
const PINNED_SIDE = 150;
const MOST_PHOTOS = 4; // sizes of the photo that are kept

export class Gallery {
  constructor(root) {
    this.tell = () => {};
    this.toolbar = new Toolbar({
      change: (part) => this.change(part),
      find: (text) => this.search(text),
      go: () => this.goToFound(),
    });
    this.lens = new Lens({ point: (box) => this.pointAt(box), pin: (channel) => this.pin(channel) });
    this.wall = new Wall({
      paintTile: (...tile) => this.paintTile(...tile),
      words: (channel) => this.words(channel),
      act: {
        hover: (...place) => this.hover(...place), select: (channel) => this.select(channel), pin: (channel) => this.pin(channel),
        activate: (channel) => this.activate(channel), escape: () => this.escape(),
      },
    });
    this.pinned = make("div", { className: "pinned", role: "group", "aria-label": "Pinned maps" });
    this.status = make("p", { className: "status", role: "status", textContent: "Loading the maps …" });
    this.empty = make("p", { className: "empty", hidden: true });
    root.replaceChildren(
      this.toolbar.root,
      make("div", { className: "body" }, this.lens.root, make("div", { className: "maps" }, this.status, this.pinned, this.empty, this.wall.list)),
    );
    Object.assign(this, { root, set: null, pins: [], found: "", told: new Set(), toldPins: [], over: null, pending: null });
    root.inert = true; // until there are maps
    this.resizes = new ResizeObserver(() => this.set && this.look());
    this.resizes.observe(this.lens.root);
  }

  close() {
    this.wall.close();
    this.resizes.disconnect();
    if (this.pending) this.tellView();
  }

  // Data: maps (the name of a set), selected, pins, view {colours, opacity, smooth, scale, top, sort, kept_maps, tile},
  // colourMaps, tables (base64 by colour map), mostPins, largestTop.
  async show(data) {
    this.wanted = data.maps;
    const set = await mapSet(data.maps);
    if (this.wanted !== data.maps) return; // another image came meanwhile
    this.data = data;
    const view = JSON.stringify(data.view);
    const isNew = this.set !== set;
    const isEcho = this.pending || view === this.lastView || this.told.has(view); // of what the hand has done here
    this.lastView = view;
    if (!isEcho) this.view = { ...data.view };
    if (isNew || !this.toldPins.includes(JSON.stringify(data.pins))) this.pins = [...data.pins];
    if (isNew) this.take(set);
    if (data.selected !== this.selected || isNew) {
      this.selected = this.active = data.selected;
      this.over = null;
    }
    if (isNew || !isEcho) this.draw();
    else this.mark();
    // By energy, and without dead ones, is what a server takes for granted.
    if (isNew && (this.view.sort !== "energy_share" || this.view.kept_maps !== "alive")) this.tellLater();
  }

  take(set) {
    const kept = this.set && this.set.rows === set.rows && this.set.columns === set.columns;
    this.set = set;
    this.root.inert = false;
    this.toldPins = [];
    this.photos = new Map();
    if (!kept) this.lens.box = null;
    this.picks = this.lens.box && picksOut(set, this.lens.box);
    this.toolbar.find.value = this.found = "";
    this.wall.list.scrollTop = 0;
  }

  get table() {
    const { tables, colourMaps } = this.data;
    const name = colourMaps.includes(this.view.colours) ? this.view.colours : colourMaps[0];
    return ((this.tables ??= {})[name] ??= bytes(tables[name]));
  }

  change(part) {
    if (part.top !== undefined) part.top = Math.min(this.data.largestTop, Math.max(0, part.top || 0));
    this.view = { ...this.view, ...part };
    if (this.view.scale === "fixed" && !this.view.top) this.view.top = Number(this.set.largest.toPrecision(3));
    this.draw();
    this.tellLater();
  }

  // When the hand's doing is on the screen: what a page then does may take its time.
  tellSoon(what, value) {
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => this.tell(what, value))));
  }

  tellLater() {
    clearTimeout(this.pending);
    this.pending = setTimeout(() => this.tellView(), REST);
  }

  tellView() {
    clearTimeout(this.pending);
    this.pending = null;
    this.told.add(JSON.stringify(this.view));
    this.tell("view", { ...this.view, first: this.filtered.slice(0, TOLD_FIRST) });
  }

  // Everything anew: what is shown, in which order, and how.
  draw() {
    const everything = this.sorted();
    const kept = this.keptBy(everything);
    this.filtered = kept[this.view.kept_maps] ?? kept.alive;
    this.order = this.found === "" ? this.filtered : this.byNumber();
    this.counts = Object.fromEntries(Object.entries(kept).map(([name, channels]) => [name, channels.length]));
    this.status.textContent =
      `${count(this.order.length)} of ${count(this.set.channels)} maps` + (this.picks && this.view.sort === "box" ? ", by average precision (AP) of finding the box: 1 is perfect" : "");
    this.empty.hidden = this.order.length > 0;
    this.empty.textContent = this.emptyText();
    this.wall.side = this.view.tile;
    this.wall.show(this.order);
    this.drawPinned();
  }

  mark() {
    this.wall.mark({ selected: this.selected, active: this.active, pins: this.pins });
    this.look();
  }

  // The channels in order, ties by number.
  sorted() {
    const { set, view, picks } = this;
    const channels = Array.from({ length: set.channels }, (_, channel) => channel);
    const values = { energy_share: set.energy, peak: set.peak.map(Math.abs), mean: set.mean, sparsity: set.sparsity }[view.sort];
    if (view.sort === "box" && picks) {
      channels.sort((a, b) => picks.precision[b] - picks.precision[a] || picks.contrast[b] - picks.contrast[a] || a - b);
    } else if (values ?? view.sort !== "channel") {
      const by = values ?? set.energy;
      channels.sort((a, b) => by[b] - by[a] || a - b);
    }
    return channels;
  }

  keptBy(all) {
    const alive = all.filter((channel) => !this.set.dead(channel));
    const strongest = [...alive].sort((a, b) => this.set.energy[b] - this.set.energy[a]);
    let share = 0;
    const most = new Set(strongest.filter((channel) => (share += this.set.energy[channel]) - this.set.energy[channel] < MOST));
    return { alive, all, most: all.filter((channel) => most.has(channel)), pinned: all.filter((channel) => this.pins.includes(channel)) };
  }

  // Of one number the channel, then those whose numbers begin with it; of a list such as 0,5,12-20 those in it.
  byNumber() {
    const ranges = this.found.replace(/[\s,-]+$/, "").split(",").map((part) => part.match(/^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/));
    this.misread = ranges.includes(null);
    if (this.misread) return [];
    const all = Array.from({ length: this.set.channels }, (_, channel) => channel);
    if (/^\d+$/.test(this.found)) return all.filter((channel) => String(channel).startsWith(this.found));
    return all.filter((channel) => ranges.some(([, first, last]) => channel >= Number(first) && channel <= Number(last ?? first)));
  }

  emptyText() {
    if (this.found === "") return "No map is left: show all, or others.";
    if (this.misread) return "Type a channel's number, or several, such as 0,5,12-20.";
    return `There is no channel ${this.found}: they run from 0 to ${this.set.channels - 1}.`;
  }

  search(text) {
    this.found = text.trim();
    this.draw();
    if (this.found === "") this.activate(this.selected);
    else if (this.order.length) this.activate(this.order[0]);
  }

  goToFound() {
    if (this.order.length) this.select(this.order[0]);
  }

  pointAt(box) {
    this.picks = box && picksOut(this.set, box);
    if (box && this.view.sort !== "box") this.sortBefore = this.view.sort;
    if (this.view.sort === "box" || box) this.view.sort = box ? "box" : (this.sortBefore ?? "energy_share");
    this.wall.list.scrollTop = 0;
    this.draw();
    this.tellLater();
  }

  // The channel and the cell under the hand; without, those that were chosen.
  hover(channel, x, y) {
    this.over = channel === null || !this.set ? null : { channel, cell: this.cellAt(x, y) };
    this.lookSoon();
  }

  cellAt(x, y) {
    const { rows, columns } = this.set;
    const inside = (part, number) => Math.min(number - 1, Math.max(0, Math.floor(part * number)));
    return inside(y, rows) * columns + inside(x, columns);
  }

  lookSoon() {
    this.lookFrame ??= requestAnimationFrame(() => {
      this.lookFrame = undefined;
      this.look();
    });
  }

  look() {
    const channel = this.over?.channel ?? this.active ?? this.selected;
    const cell = this.over?.cell ?? this.set.place[channel];
    this.lens.show(this.set, channel, cell, this.view, this.table, this.pins.includes(channel));
  }

  activate(channel) {
    this.active = channel;
    this.over = null;
    this.wall.bringIntoView(channel);
    this.mark();
  }

  select(channel) {
    this.selected = this.active = channel;
    this.mark();
    this.tellSoon("channel", channel);
  }

  pin(channel) {
    if (this.pins.includes(channel)) this.pins = this.pins.filter((other) => other !== channel);
    else this.pins = [...this.pins, channel].slice(-this.data.mostPins);
    this.toldPins = [...this.toldPins, JSON.stringify(this.pins)];
    if (this.view.kept_maps === "pinned") {
      this.draw();
      this.tellLater();
    } else this.drawPinned();
    this.tellSoon("pins", this.pins);
  }

  // Takes back the last thing that narrows or orders the wall, and then goes to the selected map.
  escape() {
    if (this.found !== "") this.toolbar.clear((text) => this.search(text));
    else if (this.lens.box) this.lens.setBox(null);
    else if (this.wall.places.has(this.selected)) this.activate(this.selected);
  }

  // The photo in the size of the tiles, scaled once.
  photoAt(side) {
    const found = this.photos.get(side);
    if (found) return found;
    if (this.photos.size >= MOST_PHOTOS) this.photos.clear();
    const canvas = make("canvas", { width: side, height: side });
    Object.assign(canvas.getContext("2d"), { imageSmoothingQuality: "high" }).drawImage(this.set.photo, 0, 0, side, side);
    this.photos.set(side, canvas);
    return canvas;
  }

  paintTile(canvas, left, side, channel) {
    const { set, view } = this;
    const look = { ...view, rows: set.rows, columns: set.columns };
    paintAt(canvas, left, side, this.photoAt(side), set.coloured(channel, view), look, this.table);
  }

  words(channel) {
    const { set, view, picks } = this;
    if (set.dead(channel)) return { caption: "dead", label: `map ${channel}: zero everywhere on this image` };
    const share = percent(set.energy[channel]);
    const captions = {
      peak: () => numberText(set.peak[channel]), mean: () => numberText(set.mean[channel]),
      sparsity: () => `${percent(set.sparsity[channel])} zeros`,
      box: () => picks && `AP ${picks.precision[channel].toFixed(2)}`,
    };
    const label = `map ${channel}: peak ${numberText(set.peak[channel])} at ${set.placeText(set.place[channel])}; ${share} of the energy of P`;
    return { caption: captions[view.sort]?.() || share, label };
  }

  drawPinned() {
    this.toolbar.show(this.view, { ...this.data, counts: { ...this.counts, pinned: this.pins.length }, hasBox: this.picks !== null });
    this.mark();
    this.pinned.hidden = !this.pins.length || this.view.kept_maps === "pinned"; // the wall shows them then
    this.pinned.replaceChildren(...this.pins.map((channel) => {
      const canvas = make("canvas");
      const top = this.set.top(channel, this.view);
      const text = `${this.set.signed ? `${numberText(-top)} to` : "0 to"} ${numberText(top)}`;
      const open = make("button", { type: "button", className: "open", onclick: () => this.select(channel) }, canvas);
      open.setAttribute("aria-label", `Pinned ${this.words(channel).label}`);
      open.onpointermove = ({ clientX, clientY }) => {
        const box = canvas.getBoundingClientRect();
        this.hover(channel, (clientX - box.left) / box.width, (clientY - box.top) / box.height);
      };
      const off = make("button", { type: "button", className: "off", textContent: "×", onclick: () => this.pin(channel) });
      off.setAttribute("aria-label", `Unpin map ${channel}`);
      return make("figure", {}, open, make("figcaption", {}, make("b", { textContent: channel }), ` ${text}`, off));
    }));
    this.pins.forEach((channel, place) => {
      const canvas = this.pinned.children[place].querySelector("canvas");
      canvas.style.width = canvas.style.height = `${PINNED_SIDE}px`;
      canvas.width = canvas.height = pixels(PINNED_SIDE);
      this.paintTile(canvas, 0, canvas.width, channel);
    });
  }
}
