// A block of P built up position by position: the photo and the map with the current position, and bars that grow.
// Data: photo, map (URLs), alts [2], rows, columns, weights (base64, float32, one for each position), features (base64,
// float32, positions x entries), names [entries], outside [positions that are not pooled], cell [row, column],
// order ("rows" or "strongest"), channel, channels, length (of a patch), note, signature (changes with the maps).

import { constructionOf } from "./construction.js";
import { drawStep, prepare } from "./growing.js";
import { listenForCells } from "../widgets/cells.js";
import { paced } from "../widgets/pace.js";

const POSITION_MILLISECONDS = 245; // 49 positions in 12 s
const LONGEST_MILLISECONDS = 20_000; // however many there are
const LEAST_ROOM = 420; // pixels

// Leaves as much room as there is between the player's upper edge, unscrolled, and the lower edge of the window.
function fitIn(root) {
  const scrolled = root.getRootNode().host.closest("[data-testid=stMain]")?.scrollTop ?? 0;
  const room = innerHeight - root.getBoundingClientRect().top - scrolled - 12;
  root.style.setProperty("--room", `${Math.max(LEAST_ROOM, Math.floor(room))}px`);
}

// Goes from step to step by the clock, as long as `isOnPage()`. `draw()` shows the state, `report()` says where it stopped.
class Walk {
  step = 1;
  speed = 1;
  isPlaying = false;

  goTo(step) {
    this.step = Math.min(this.built.count, Math.max(1, step));
    this.stop();
  }

  stop() {
    this.isPlaying = false;
    this.draw();
    this.report();
  }

  toggle() {
    if (this.isPlaying) {
      this.stop();
      return;
    }
    if (this.step >= this.built.end) this.step = 1;
    Object.assign(this, { isPlaying: true, rest: 0, drawnAt: performance.now() });
    this.draw();
    requestAnimationFrame((now) => this.goOn(now));
  }

  goOn(now) {
    if (!this.isPlaying || !this.isOnPage()) return;
    const pause = Math.min(POSITION_MILLISECONDS, LONGEST_MILLISECONDS / this.built.count) / this.speed;
    const steps = this.rest + Math.max(0, now - this.drawnAt) / pause;
    Object.assign(this, { drawnAt: Math.max(now, this.drawnAt), rest: steps % 1 });
    if (steps >= 1) {
      this.step = Math.min(this.built.end, this.step + Math.floor(steps));
      this.draw();
    }
    if (this.step < this.built.end) requestAnimationFrame((next) => this.goOn(next));
    else this.stop();
  }
}

function listen(root, walk, data, send) {
  const find = (selector) => root.querySelector(selector);
  for (const frame of root.querySelectorAll(".frame")) {
    const [handle, choose] = [frame.querySelector(".handle"), (cell) => walk.goTo(walk.built.stepAt(cell))];
    frame.ariaLabel = frame.querySelector("img").alt;
    listenForCells(frame, handle, data, () => walk.built.cellAt(walk.step), choose);
  }
  find(".play").onclick = () => walk.toggle();
  find(".restart").onclick = () => walk.goTo(1);
  find(".onward").onclick = () => walk.goTo(walk.step + 1);
  find("[type=range]").oninput = ({ target }) => walk.goTo(Number(target.value));
  find(".speed select").onchange = ({ target }) => (walk.speed = Number(target.value));
  find(".order select").onchange = ({ target }) => send("order", target.value);
  find("[type=number]").onchange = ({ target }) => target.reportValidity() && send("channel", Number(target.value));
}

function updateControls(root, walk) {
  root.querySelector("[type=range]").value = walk.step;
  const [play, restart, onward] = [".play", ".restart", ".onward"].map((name) => root.querySelector(name));
  play.textContent = walk.isPlaying ? "❚❚ Pause" : "▶ Play";
  play.disabled = walk.built.end === 1;
  restart.disabled = walk.step === 1;
  onward.disabled = walk.step === walk.built.count;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".player");
  const walk = (root.walk ??= new Walk());
  const pace = paced(root, data.cell, (cell) => setTriggerValue("cell", cell));
  fitIn(root);
  root.observer ??= new ResizeObserver(() => fitIn(root));
  root.observer.observe(document.documentElement);
  if (root.signature !== data.signature) {
    root.signature = data.signature;
    Object.assign(walk, { built: constructionOf(data), isPlaying: false });
    prepare(root, data, walk.built);
    root.querySelector("[type=range]").max = walk.built.count;
    root.querySelector(".order select").value = data.order;
    Object.assign(root.querySelector("[type=number]"), { max: data.channels - 1, value: data.channel });
  }
  walk.draw = () => {
    drawStep(root, data, walk.built, walk.step);
    updateControls(root, walk);
  };
  walk.isOnPage = () => root.isConnected;
  walk.report = () => pace.ask(walk.built.cellAt(walk.step));
  if (!walk.isPlaying) walk.step = walk.built.stepAt(pace.latest) ?? 1;
  listen(root, walk, data, setTriggerValue);
  walk.draw();
}
