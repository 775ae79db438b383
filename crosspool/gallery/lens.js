// The lens: the photo over one map, both large, with the selected cell, its weight and its receptive field. A press on
// either selects a cell; a box drawn on the photo says what the maps should find.

import { make, numberText, pointOver, term } from "./elements.js";
import { Meaning } from "./meaning.js";
import { coloursOf, paint } from "./paint.js";

const HINT = "Draw a box on the photo to find the maps that respond there. (Orange: what this cell can see.)";
const BOX_HINT = "Sorted by how well the maps pick out the white box.";
const UNSORTED_HINT = "To sort by the white box, choose “box match”.";
const REST = 400; // milliseconds without a key after which a box is where it is to be
const PRECISION = 1000; // steps of a box's edges, so that a link can carry them
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const PHOTO = "The image as the network saw it. Press a cell to select it; draw a box to sort the maps by how well they pick it out. With the keyboard: arrow keys move the box, Shift with arrow keys resizes it, Escape clears it.";

const arrowOf = (event) => (event.ctrlKey || event.metaKey || event.altKey ? undefined : ARROWS[event.key]);

export class Lens {
  // `box` is [left, top, right, bottom] in parts of the photo's side, or null.
  constructor(gallery) {
    Object.assign(this, { gallery, box: null, start: null, settling: null });
    const large = { tabIndex: 0, role: "application" };
    this.photo = make("canvas", { ...large, className: "photo", ariaLabel: PHOTO });
    this.map = make("canvas", { ...large, className: "map" });
    this.question = make("span");
    this.clear = make("button", { type: "button", className: "clear", textContent: "Clear box", onclick: () => this.clearBox() });
    this.hint = make("p", { className: "hint" }, this.question, " ", this.clear);
    [this.name, this.note] = [make("b"), make("small")];
    this.pin = make("button", { type: "button", className: "pin", onclick: () => gallery.pin(this.channel) });
    [this.low, this.colours, this.high] = ["span", "i", "span"].map((tag) => make(tag));
    this.facts = make("p", { className: "facts" });
    this.meaning = new Meaning();
    this.root = make(
      "div", { className: "lens" }, this.photo, this.hint,
      make("p", { className: "title" }, make("span", {}, this.name, this.note), this.pin), this.map,
      make("div", { className: "scale" }, this.low, this.colours, this.high), this.facts, this.meaning.root,
    );
    this.listen();
  }

  listen() {
    const { gallery, photo, map } = this;
    for (const canvas of [photo, map]) {
      canvas.onpointermove = (event) => this.onMove(canvas, event);
      canvas.onpointerleave = () => gallery.hover(null);
    }
    photo.onpointerdown = (event) => this.startBox(event);
    photo.onpointerup = (event) => this.endBox(event);
    photo.onpointercancel = () => (this.start = null);
    photo.onkeydown = (event) => this.onPhotoKey(event);
    map.onclick = (event) => this.set && gallery.select(this.channel, this.cellOf(map, event));
    map.onkeydown = (event) => this.onMapKey(event);
  }

  // Draws the map of a channel, with `cell` marked on it and the cell's receptive field on the photo. `state` says whether
  // the map is `selected` and `pinned`, and how well it matches the box: {selected, pinned, match}.
  show(set, channel, cell, look, table, state) {
    Object.assign(this, { set, channel, cell, look });
    paint(this.map, set.photo, set.coloured(channel, look), { ...look, rows: set.rows, columns: set.columns, signed: set.signed }, table);
    frameOn(this.map, set.boxOf(cell), "#fff");
    this.field = set.field(cell);
    this.drawPhoto();
    const top = set.top(channel, look);
    const isClipped = set.ceiling !== null && set.peak[channel] >= set.ceiling;
    this.low.textContent = numberText(set.signed ? -top : 0);
    this.high.textContent = numberText(top) + (isClipped ? " (clipped)" : "");
    this.high.title = isClipped ? `The activation lets nothing above ${numberText(set.ceiling)} through` : "";
    this.colours.style.background = `linear-gradient(to right, ${coloursOf(table, { ...look, signed: set.signed })})`;
    this.showTitle(channel, state);
    this.showFacts(set, channel, cell);
    this.meaning.show(channel);
    this.map.ariaLabel = `Map ${channel} over the image, ${this.facts.textContent} Press a cell to select it, or use the arrow keys.`;
  }

  showTitle(channel, { selected, pinned, match }) {
    this.name.textContent = selected ? `Map ${channel}` : `Preview: map ${channel}`;
    this.note.textContent = match === undefined ? "" : `match ${match.toFixed(2)}`;
    this.root.classList.toggle("preview", !selected);
    const action = pinned ? "Unpin" : "Pin";
    Object.assign(this.pin, { textContent: action, ariaLabel: `${action} map ${channel}`, ariaPressed: pinned });
  }

  showFacts(set, channel, cell) {
    const [left, top, right, bottom] = this.field.map((part) => Math.round(part * set.side));
    const name = set.isAveraged ? "mean weight" : "weight";
    const peak = ` (${set.signed ? "largest" : "maximum"} ${numberText(set.peak[channel])})`;
    const parts = [`${set.placeText(cell)}: ${name} ${numberText(set.weight(channel, cell))}${peak}; `, ` ${right - left}×${bottom - top} px`];
    if (this.facts.textContent === parts.join("receptive field")) return; // a focused word stays focused
    this.facts.replaceChildren(parts[0], term("receptive field", this.gallery.data.hasGlossary), parts[1]);
  }

  drawPhoto() {
    if (!this.set) return;
    const side = Math.round(this.photo.clientWidth * devicePixelRatio) || 224;
    if (this.photo.width !== side) this.photo.width = this.photo.height = side;
    this.photo.getContext("2d").drawImage(this.set.photo, 0, 0, side, side);
    frameOn(this.photo, this.field, "#ffb000");
    if (this.box) frameOn(this.photo, this.box, "#fff", [6, 4]);
    this.clear.hidden = !this.box;
    this.question.textContent = this.hintText();
    this.question.classList.toggle("asks", this.question.textContent === this.gallery.data?.question);
  }

  hintText() {
    const { box, question } = this.gallery.data ?? {};
    if (!this.box) return HINT;
    if (question && JSON.stringify(box) === JSON.stringify(this.box)) return question;
    return this.look?.sort === "box" ? BOX_HINT : UNSORTED_HINT;
  }

  get isDrawing() {
    return this.settling !== null || Boolean(this.start?.isBox);
  }

  setBox(box) {
    clearTimeout(this.settling);
    this.settling = null;
    this.box = box && box.map((part) => Math.round(PRECISION * part) / PRECISION);
    this.drawPhoto();
    this.gallery.pointAt(box);
  }

  settle() {
    this.settling = null;
    this.gallery.endBox();
  }

  clearBox() {
    if (this.clear.matches(":focus")) this.photo.focus({ preventScroll: true }); // the button goes
    this.setBox(null);
    this.gallery.endBox();
  }

  // Where on a canvas a pointer is, in parts of its side; outside, the nearest point.
  pointOf(canvas, event) {
    return pointOver(canvas, event).map((part) => Math.min(1, Math.max(0, part)));
  }

  cellOf(canvas, event) {
    return this.set.cellAt(...this.pointOf(canvas, event));
  }

  onMove(canvas, event) {
    if (this.start) this.dragBox(event);
    else if (this.set && event.pointerType !== "touch") this.gallery.hover(this.channel, ...this.pointOf(canvas, event));
  }

  startBox(event) {
    if (!event.isPrimary || event.button !== 0 || !this.set) return;
    this.photo.setPointerCapture(event.pointerId);
    this.start = { point: this.pointOf(this.photo, event), cell: this.cellOf(this.photo, event), isBox: false };
  }

  // A box takes a drag over two cells at least; less is a press.
  dragBox(event) {
    if (this.cellOf(this.photo, event) === this.start.cell) return;
    const [[x, y], [a, b]] = [this.start.point, this.pointOf(this.photo, event)];
    const box = [Math.min(x, a), Math.min(y, b), Math.max(x, a), Math.max(y, b)];
    if (box[2] === box[0] || box[3] === box[1]) return;
    this.start.isBox = true;
    this.setBox(box);
  }

  endBox() {
    if (!this.start) return;
    const { cell, isBox } = this.start;
    this.start = null;
    if (isBox) this.gallery.endBox();
    else this.gallery.select(this.channel, cell);
  }

  onPhotoKey(event) {
    const step = arrowOf(event);
    if (event.key === "Escape" && this.box) this.clearBox();
    else if (step && this.set) {
      this.setBox(this.stepped(...step, event.shiftKey));
      this.settling = setTimeout(() => this.settle(), REST);
    } else return;
    event.preventDefault();
  }

  onMapKey(event) {
    const step = arrowOf(event);
    if (!step || !this.set) return;
    event.preventDefault();
    const { rows, columns } = this.set;
    const [column, row] = [(this.cell % columns) + step[0], Math.floor(this.cell / columns) + step[1]];
    if (row >= 0 && row < rows && column >= 0 && column < columns) this.gallery.select(this.channel, row * columns + column);
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
