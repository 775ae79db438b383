// The wall: a tile for each channel in a given order, of which only those on the screen exist.
// The list has the focus, and one of its tiles is the active one: so screen readers know it, and tiles may come and go.

const GAP = 8;
const CAPTION = 19; // pixels below a tile's picture
const FRAME = 5; // a tile's border and padding on each side
const BESIDE = 1; // rows kept above and below the screen

class Wall {
  // `paintTile(canvas, channel, side)` draws, `words(channel)` gives {label, caption}, `act` has hover, select, pin, escape.
  constructor({ paintTile, words, act }) {
    Object.assign(this, { paintTile, words, act, order: [], places: new Map(), tiles: new Map(), spare: [], side: 104, state: { pins: [] } });
    this.space = make("div", { className: "space" });
    this.list = make(
      "div",
      { className: "wall", tabIndex: 0, role: "listbox", "aria-label": "Weighting maps", "aria-multiselectable": "true" },
      this.space,
    );
    this.list.addEventListener("scroll", () => this.later(), { passive: true });
    this.list.onkeydown = (event) => this.onKey(event);
    this.list.onclick = (event) => this.onClick(event);
    this.list.onpointermove = (event) => this.onHover(event);
    this.list.onpointerleave = () => act.hover(null);
    this.resizes = new ResizeObserver(() => this.arrange());
    this.resizes.observe(this.list);
  }

  close() {
    this.resizes.disconnect();
    cancelAnimationFrame(this.frame);
  }

  show(order) {
    this.order = order;
    this.places = new Map(order.map((channel, place) => [channel, place]));
    this.repaint();
  }

  // All tiles that exist are drawn anew.
  repaint() {
    for (const tile of this.tiles.values()) tile.painted = false;
    this.arrange();
  }

  arrange() {
    const room = this.space.clientWidth;
    if (!room) return;
    this.perRow = Math.max(1, Math.floor((room + GAP) / (this.side + GAP)));
    const width = Math.floor((room + GAP) / this.perRow) - GAP;
    if (width !== this.width) for (const tile of this.tiles.values()) tile.painted = false;
    this.width = width;
    this.rowHeight = width + CAPTION + GAP;
    this.space.style.height = `${Math.ceil(this.order.length / this.perRow) * this.rowHeight}px`;
    this.draw();
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.draw();
    });
  }

  draw() {
    const { scrollTop, clientHeight } = this.list;
    const first = Math.max(0, Math.floor(scrollTop / this.rowHeight) - BESIDE) * this.perRow;
    const last = Math.min(this.order.length, (Math.ceil((scrollTop + clientHeight) / this.rowHeight) + BESIDE) * this.perRow);
    const wanted = new Set(this.order.slice(first, last));
    for (const [channel, tile] of this.tiles) {
      if (wanted.has(channel)) continue;
      this.tiles.delete(channel);
      this.spare.push(tile);
    }
    for (let place = first; place < last; place++) this.put(this.order[place], place);
    for (const tile of this.spare) tile.remove();
    this.pointOut();
  }

  put(channel, place) {
    let tile = this.tiles.get(channel);
    if (!tile) {
      tile = this.spare.pop() ?? this.newTile();
      tile.painted = false;
      tile.channel = channel;
      tile.dataset.channel = channel;
      tile.id = `map-${channel}`;
      this.tiles.set(channel, tile);
      if (!tile.isConnected) this.space.append(tile);
    }
    const [row, column] = [Math.floor(place / this.perRow), place % this.perRow];
    tile.style.left = `${column * (this.width + GAP)}px`;
    tile.style.top = `${row * this.rowHeight}px`;
    if (tile.painted) return;
    tile.painted = true;
    tile.style.width = `${this.width}px`;
    tile.canvas.style.height = `${this.width - 2 * FRAME}px`;
    const { label, caption } = this.words(channel);
    tile.setAttribute("aria-label", label);
    tile.setAttribute("aria-posinset", place + 1);
    tile.setAttribute("aria-setsize", this.order.length);
    tile.name.textContent = channel;
    tile.note.textContent = caption;
    this.paintTile(tile.canvas, channel, pixels(this.width - 2 * FRAME));
    this.markTile(channel, tile);
  }

  newTile() {
    const canvas = make("canvas");
    const [name, note] = [make("b"), make("span")];
    const tile = make("div", { className: "tile", role: "option" }, canvas, make("span", { className: "caption" }, name, note));
    return Object.assign(tile, { canvas, name, note });
  }

  // Shows which tiles are active, selected and pinned.
  mark(state) {
    this.state = state;
    for (const [channel, tile] of this.tiles) this.markTile(channel, tile);
    this.pointOut();
  }

  markTile(channel, tile) {
    const { selected, active, pins } = this.state;
    tile.setAttribute("aria-selected", String(channel === selected || pins.includes(channel)));
    tile.classList.toggle("chosen", channel === selected);
    tile.classList.toggle("kept", pins.includes(channel));
    tile.classList.toggle("active", channel === active);
  }

  pointOut() {
    const { active } = this.state;
    if (this.tiles.has(active)) this.list.setAttribute("aria-activedescendant", `map-${active}`);
    else this.list.removeAttribute("aria-activedescendant");
  }

  bringIntoView(channel) {
    const place = this.places.get(channel);
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
    const here = this.places.get(active) ?? -1;
    const last = this.order.length - 1;
    const page = this.perRow * Math.max(1, Math.floor(this.list.clientHeight / this.rowHeight));
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.perRow, ArrowUp: -this.perRow, PageDown: page, PageUp: -page };
    const actions = { Enter: this.act.select, " ": this.act.select, p: this.act.pin };
    if (event.key === "Escape") this.act.escape();
    else if (actions[event.key] && here >= 0) actions[event.key](active);
    else if (event.key === "Home" || event.key === "End" || steps[event.key]) {
      const wanted = { Home: 0, End: last }[event.key] ?? Math.max(0, here) + steps[event.key];
      const stays = Math.abs(steps[event.key]) === this.perRow && (wanted < 0 || wanted > last); // no tile above or below
      if (!stays && last >= 0) this.act.activate(this.order[Math.min(last, Math.max(0, wanted))]);
    } else return;
    event.preventDefault();
  }

  onClick(event) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    this.onHover(event);
    if (event.ctrlKey || event.metaKey || event.shiftKey) this.act.pin(tile.channel);
    else this.act.select(tile.channel);
  }

  onHover(event) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const box = tile.canvas.getBoundingClientRect();
    this.act.hover(tile.channel, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }
}
