// The wall: a tile for each channel in a given order, of which only those on the screen exist. The list has the focus, and
// one of its tiles is active: screen readers know this pattern, and tiles may come and go. The images of a row are on one
// canvas, as a small canvas takes a browser as long as a wide one.

import { beforeNextFrame, make, pointOver } from "./elements.js";
import { pixels } from "./paint.js";

// In pixels.
const GAP = 8;
const CAPTION_HEIGHT = 20;
const FRAME = 5; // a tile's border and padding on each side

const ROWS_BEYOND = 1; // drawn above and below the screen

export class Wall {
  constructor(gallery) {
    Object.assign(this, { gallery, side: 104, order: [], state: { pins: [] } });
    Object.assign(this, { places: new Map(), tiles: new Map(), rows: new Map(), spare: [] });
    this.space = make("div", { className: "space", role: "presentation" });
    const list = { className: "wall", tabIndex: 0, role: "listbox", ariaLabel: "Weighting maps", ariaMultiSelectable: true };
    this.list = make("div", list, this.space);
    this.list.addEventListener("scroll", beforeNextFrame(() => this.draw()), { passive: true });
    this.list.onkeydown = (event) => this.onKey(event);
    this.list.onclick = (event) => this.onClick(event);
    this.list.onpointermove = (event) => this.onHover(event);
    this.list.onpointerleave = () => gallery.hover(null);
    this.resizes = new ResizeObserver(() => this.arrange());
    this.resizes.observe(this.list);
  }

  close() {
    this.resizes.disconnect();
  }

  // Takes all rows away: rows that were used again elsewhere would count as content that jumps.
  clear() {
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
    this.tiles.clear();
  }

  show(order) {
    this.order = order;
    this.places = new Map(order.map((channel, place) => [channel, place]));
    this.stale = true; // draws all existing rows again
    this.arrange();
  }

  arrange() {
    const room = this.space.clientWidth;
    if (!room) return;
    this.perRow = Math.max(1, Math.floor((room + GAP) / (this.side + GAP)));
    const width = Math.floor((room + GAP) / this.perRow) - GAP;
    this.stale ||= width !== this.width;
    this.width = width;
    this.rowHeight = width + CAPTION_HEIGHT + GAP;
    this.space.style.height = `${Math.ceil(this.order.length / this.perRow) * this.rowHeight}px`;
    this.draw();
    if (this.awaited !== undefined) this.bringIntoView(this.awaited);
  }

  draw() {
    const { scrollTop, clientHeight } = this.list;
    const first = Math.max(0, Math.floor(scrollTop / this.rowHeight) - ROWS_BEYOND);
    const end = Math.min(Math.ceil(this.order.length / this.perRow), Math.ceil((scrollTop + clientHeight) / this.rowHeight) + ROWS_BEYOND);
    for (const [place, row] of this.rows) {
      if (!this.stale && place >= first && place < end) continue;
      this.rows.delete(place);
      for (const tile of row.tiles) this.tiles.delete(tile.channel);
      this.spare.push(row);
    }
    this.stale = false;
    for (let place = first; place < end; place++) if (!this.rows.has(place)) this.fillRow(place);
    for (const row of this.spare.splice(0)) row.remove();
    this.markActive();
  }

  fillRow(place) {
    const row = this.spare.shift() ?? this.newRow(); // the upper ones first: screen readers read in this order
    this.rows.set(place, row);
    row.style.top = `${place * this.rowHeight}px`;
    const channels = this.order.slice(place * this.perRow, (place + 1) * this.perRow);
    while (row.tiles.length > channels.length) row.tiles.pop().remove();
    while (row.tiles.length < channels.length) this.addTile(row);
    const [width, side] = [channels.length * (this.width + GAP), this.width - 2 * FRAME];
    Object.assign(row.canvas, { width: pixels(width), height: pixels(side) }); // and empty
    Object.assign(row.canvas.style, { width: `${width}px`, height: `${side}px` });
    channels.forEach((channel, column) => {
      const left = column * (this.width + GAP);
      row.tiles[column].area = [pixels(left + FRAME), pixels(side)];
      this.gallery.paintTile(row.canvas, ...row.tiles[column].area, channel);
      this.fillTile(row.tiles[column], channel, place * this.perRow + column, left);
    });
  }

  fillTile(tile, channel, place, left) {
    this.tiles.set(channel, tile);
    const { label, caption } = this.gallery.describe(channel);
    Object.assign(tile, { channel, id: `map-${channel}` });
    tile.dataset.channel = channel;
    Object.assign(tile.style, { left: `${left}px`, width: `${this.width}px` });
    tile.image.style.height = `${this.width - 2 * FRAME}px`;
    Object.assign(tile, { ariaLabel: label, ariaPosInSet: place + 1, ariaSetSize: this.order.length });
    tile.name.textContent = channel;
    tile.note.textContent = caption;
    this.markTile(channel, tile);
  }

  newRow() {
    const canvas = make("canvas", { role: "presentation" });
    const row = Object.assign(make("div", { className: "row", role: "presentation" }, canvas), { canvas, tiles: [] });
    this.space.append(row);
    return row;
  }

  addTile(row) {
    const [image, name, note] = [make("span", { className: "image" }), make("b"), make("span")];
    const tile = make("div", { className: "tile", role: "option" }, image, make("span", { className: "caption" }, name, note));
    row.tiles.push(Object.assign(tile, { image, name, note }));
    row.append(tile);
  }

  // Frames the tile of the map that the lens previews; null for none.
  preview(channel) {
    this.tiles.get(this.previewed)?.classList.remove("previewed");
    this.previewed = channel;
    this.tiles.get(channel)?.classList.add("previewed");
  }

  // Shows which tiles are active, selected and pinned.
  mark(state) {
    this.state = state;
    for (const [channel, tile] of this.tiles) this.markTile(channel, tile);
    this.markActive();
  }

  markTile(channel, tile) {
    const { selected, active, pins } = this.state;
    tile.ariaSelected = channel === selected || pins.includes(channel);
    tile.classList.toggle("selected", channel === selected);
    tile.classList.toggle("pinned", pins.includes(channel));
    tile.classList.toggle("active", channel === active);
    tile.classList.toggle("previewed", channel === this.previewed);
  }

  markActive() {
    const { active } = this.state;
    if (this.tiles.has(active)) this.list.setAttribute("aria-activedescendant", `map-${active}`);
    else this.list.removeAttribute("aria-activedescendant");
  }

  // Scrolls to the tile of a channel: once the wall has been laid out.
  bringIntoView(channel) {
    const place = this.places.get(channel);
    this.awaited = this.rowHeight ? undefined : channel;
    if (place === undefined || !this.rowHeight) return;
    const top = Math.floor(place / this.perRow) * this.rowHeight;
    const { scrollTop, clientHeight } = this.list;
    if (top < scrollTop) this.list.scrollTop = top;
    else if (top + this.rowHeight > scrollTop + clientHeight) this.list.scrollTop = top + this.rowHeight - clientHeight;
    this.draw();
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { active } = this.state;
    const place = this.places.get(active) ?? -1;
    const last = this.order.length - 1;
    const page = this.perRow * Math.max(1, Math.floor(this.list.clientHeight / this.rowHeight));
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.perRow, ArrowUp: -this.perRow, PageDown: page, PageUp: -page };
    const action = { Enter: "select", " ": "select", p: "pin" }[event.key];
    if (event.key === "Escape") this.gallery.escape();
    else if (action && place >= 0) this.gallery[action](active);
    else if (event.key === "Home" || event.key === "End" || steps[event.key]) {
      const target = { Home: 0, End: last }[event.key] ?? Math.max(0, place) + steps[event.key];
      const stays = Math.abs(steps[event.key]) === this.perRow && (target < 0 || target > last); // no tile above or below
      if (!stays && last >= 0) this.gallery.activate(this.order[Math.min(last, Math.max(0, target))]);
    } else return;
    event.preventDefault();
  }

  onClick(event) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    this.onHover(event);
    if (event.ctrlKey || event.metaKey || event.shiftKey) this.gallery.pin(tile.channel);
    else this.gallery.select(tile.channel);
  }

  onHover(event) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    this.gallery.hover(tile.channel, ...pointOver(tile.image, event));
  }
}
