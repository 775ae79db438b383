// The lens: the photo and one map enlarged, with the cell under the pointer, its weight and its receptive field. A box
// drawn on the photo says what the maps should find.

import { make, numberText, pointOver } from "./elements.js";
import { paint } from "./paint.js";

const HINT = "Draw a box on the photo to find the maps that respond there. (Orange: what this cell can see.)";
const BOX_HINT = "Sorted by how well the maps pick out the white box. Press Escape on the photo to clear it.";
const CLICK_DISTANCE = 4; // pixels that a pointer may move within a click

export class Lens {
  // `box` is [left, top, right, bottom] in parts of the photo's side, or null.
  constructor(gallery) {
    Object.assign(this, { gallery, box: null });
    this.photo = make("canvas", {
      className: "photo", tabIndex: 0, role: "application",
      ariaLabel: "The image as the network saw it. Draw a box on it to sort the maps by how well they pick it out. With the keyboard: arrow keys move the box, Shift with arrow keys resizes it, Escape clears it.",
    });
    this.map = make("canvas", { className: "map", role: "img" });
    [this.low, this.high, this.facts] = ["span", "span", "span"].map((tag) => make(tag));
    [this.colours, this.title] = [make("i"), make("b")];
    this.pin = make("button", { type: "button", className: "pin", onclick: () => gallery.pin(this.channel) });
    this.hint = make("p", { className: "hint" });
    this.root = make(
      "div", { className: "lens" },
      make("figure", {}, this.photo, this.hint),
      make(
        "figure", {}, this.map,
        make("div", { className: "scale" }, this.low, this.colours, this.high),
        make("p", { className: "facts" }, this.title, this.facts), this.pin,
      ),
    );
    this.photo.onpointerdown = (event) => this.startBox(event);
    this.photo.onpointermove = (event) => this.dragBox(event);
    this.photo.onpointerup = this.photo.onpointercancel = () => (this.start = null);
    this.photo.onkeydown = (event) => this.onKey(event);
  }

  // Draws the map of a channel, with `cell` marked on it and the cell's receptive field on the photo.
  show(set, channel, cell, look, table, isPinned) {
    Object.assign(this, { set, channel });
    paint(this.map, set.photo, set.coloured(channel, look), { ...look, rows: set.rows, columns: set.columns }, table);
    frameOn(this.map, set.boxOf(cell), "#fff");
    this.field = set.field(cell);
    this.drawPhoto();
    const top = set.top(channel, look);
    [this.low.textContent, this.high.textContent] = [numberText(set.signed ? -top : 0), numberText(top)];
    const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map((step) => `rgb(${table.subarray(3 * step, 3 * step + 3).join(" ")})`);
    this.colours.style.background = `linear-gradient(to right, ${stops})`;
    this.title.textContent = `Map ${channel}`;
    this.facts.textContent = ` ${this.factsText(set, channel, cell)}`;
    this.map.ariaLabel = `Map ${channel} over the image, ${this.facts.textContent.trim()}`;
    const action = isPinned ? "Unpin" : "Pin";
    Object.assign(this.pin, { textContent: action, ariaLabel: `${action} map ${channel}`, ariaPressed: isPinned });
  }

  factsText(set, channel, cell) {
    const [left, top, right, bottom] = this.field.map((part) => Math.round(part * set.side));
    const name = set.isAveraged ? "mean weight" : "weight";
    const peak = ` (${set.signed ? "largest" : "maximum"} ${numberText(set.peak[channel])})`;
    const field = `receptive field ${right - left}×${bottom - top} px`;
    return `${set.placeText(cell)}: ${name} ${numberText(set.weight(channel, cell))}${peak}; ${field}`;
  }

  drawPhoto() {
    if (!this.set) return;
    const side = Math.round(this.photo.clientWidth * devicePixelRatio) || 224;
    if (this.photo.width !== side) this.photo.width = this.photo.height = side;
    this.photo.getContext("2d").drawImage(this.set.photo, 0, 0, side, side);
    frameOn(this.photo, this.field, "#ffb000");
    if (this.box) frameOn(this.photo, this.box, "#fff", [6, 4]);
    this.hint.textContent = this.box ? BOX_HINT : HINT;
  }

  setBox(box) {
    this.box = box;
    this.drawPhoto();
    this.gallery.pointAt(box);
  }

  // Where on the photo a pointer is, in parts of its side; outside, the nearest point.
  pointOf(event) {
    return pointOver(this.photo, event).map((part) => Math.min(1, Math.max(0, part)));
  }

  startBox(event) {
    if (!event.isPrimary || event.button !== 0 || !this.set) return;
    this.photo.setPointerCapture(event.pointerId);
    this.start = { point: this.pointOf(event), x: event.clientX, y: event.clientY };
    this.setBox(this.set.boxOf(this.set.cellAt(...this.start.point))); // a click means the cell
  }

  dragBox(event) {
    if (!this.start || Math.hypot(event.clientX - this.start.x, event.clientY - this.start.y) < CLICK_DISTANCE) return;
    const [[x, y], [a, b]] = [this.start.point, this.pointOf(event)];
    const box = [Math.min(x, a), Math.min(y, b), Math.max(x, a), Math.max(y, b)];
    if (box[2] > box[0] && box[3] > box[1]) this.setBox(box);
  }

  onKey(event) {
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (event.key === "Escape" && this.box) this.setBox(null);
    else if (step && this.set && !event.ctrlKey && !event.metaKey && !event.altKey) this.setBox(this.stepped(...step, event.shiftKey));
    else return;
    event.preventDefault();
  }

  // The box, or only its lower right corner, moved by a cell; the first box lies around the middle.
  stepped(across, down, resizes) {
    if (!this.box) return [0.375, 0.375, 0.625, 0.625];
    const [dx, dy] = [across / this.set.columns, down / this.set.rows];
    const [left, top, right, bottom] = this.box;
    const moved = resizes ? [left, top, right + dx, bottom + dy] : [left + dx, top + dy, right + dx, bottom + dy];
    const small = 0.5 / Math.max(this.set.rows, this.set.columns);
    const fits = moved.every((edge) => edge > -1e-9 && edge < 1 + 1e-9);
    return fits && moved[2] - moved[0] > small && moved[3] - moved[1] > small ? moved : this.box;
  }
}

// A box [left, top, right, bottom], in parts of the canvas, with a dark rim so that it shows on any background.
function frameOn(canvas, [left, top, right, bottom], colour, dashes = []) {
  const [context, side] = [canvas.getContext("2d"), canvas.width];
  const box = [left * side + 2, top * side + 2, (right - left) * side - 4, (bottom - top) * side - 4];
  for (const [lineWidth, strokeStyle, pattern] of [[4, "#000", []], [2, colour, dashes]]) {
    Object.assign(context, { globalAlpha: 1, lineWidth, strokeStyle });
    context.setLineDash(pattern);
    context.strokeRect(...box);
  }
}
