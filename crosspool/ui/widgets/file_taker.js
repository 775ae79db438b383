// Takes files that are chosen, dropped anywhere on the page, or pasted, and hands them to an uploader of the page, which
// sends them. Of files that it would refuse the first are reported instead, as [name, reason, bytes], and their number.

import { make } from "../../gallery/elements.js";

const UPLOADER = '[data-testid="stFileUploader"], [data-testid="stCameraInput"]';
const ACCEPTED = "image/*,.heic,.heif,.hif,.avif,.jfif,.jpe"; // on a phone this offers its camera, too
const TYPED_INTO = "input, textarea, [contenteditable='']";

const REASONS = ["folder", "large", "many", "together"];
const MOST_NAMED = 4; // refused files, of each reason
const LONGEST_NAME = 255; // characters

const isOver = (event, selector) => event.composedPath().some((element) => element.matches?.(selector));
const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");

// The files of a drop or a paste, and the names of the folders among them.
function contents({ items, files }) {
  const entries = [...items].filter(({ kind }) => kind === "file").map((item) => item.webkitGetAsEntry?.());
  const folders = entries.filter((entry) => entry?.isDirectory).map(({ name }) => name);
  return [[...files].filter(({ name }) => !folders.includes(name)), folders];
}

// Of each reason the first few files, and how many there are.
function report(refused) {
  const byReason = REASONS.map((reason) => refused.filter(([, other]) => other === reason));
  const files = byReason.flatMap((alike) => alike.slice(0, MOST_NAMED));
  return {
    files: files.map(([name, ...facts]) => [name.slice(0, LONGEST_NAME).toWellFormed(), ...facts]),
    counts: Object.fromEntries(REASONS.map((reason, index) => [reason, byReason[index].length])),
  };
}

export class FileTaker {
  constructor(root) {
    this.input = make("input", { type: "file", className: "added-files", multiple: true, accept: ACCEPTED, hidden: true });
    this.input.onchange = () => {
      this.take([...this.input.files]);
      this.input.value = ""; // so that the same file can be chosen again
    };
    this.veil = make("div", { className: "veil", popover: "manual" }, make("p", { textContent: "Drop images to add them" }));
    root.append(this.input, this.veil);
  }

  // `adding` is { uploader (a container's key), button (the key of another one that does what the tile does), largest
  // (bytes), together (bytes of all files at once), room (files), complaints (whether some are shown), refusals (how often
  // some were reported) }.
  listen(adding, send) {
    const answered = this.waiting && adding.refusals !== this.adding.refusals;
    Object.assign(this, { adding, send });
    if (answered) this.handOver();
    if (this.listening) return;
    this.listening = new AbortController();
    const options = { signal: this.listening.signal };
    addEventListener("dragover", (event) => this.onDrag(event), options);
    addEventListener("dragleave", ({ relatedTarget }) => relatedTarget ?? this.veil.hidePopover(), options);
    addEventListener("drop", (event) => this.onDrop(event), options);
    addEventListener("paste", (event) => this.onPaste(event), options);
    addEventListener("click", (event) => isOver(event, `.st-key-${this.adding.button} button`) && this.choose(), options);
  }

  stop() {
    this.listening?.abort();
    this.listening = undefined;
  }

  choose() {
    this.input.click();
  }

  onDrag(event) {
    const wanted = hasFiles(event) && !isOver(event, UPLOADER);
    if (wanted) event.preventDefault(); // which allows to drop here
    if (wanted !== this.veil.matches(":popover-open")) this.veil.togglePopover(wanted);
  }

  onDrop(event) {
    this.veil.hidePopover();
    if (!hasFiles(event) || isOver(event, UPLOADER)) return;
    event.preventDefault();
    this.take(...contents(event.dataTransfer));
  }

  onPaste(event) {
    if (!event.clipboardData?.files.length || isOver(event, TYPED_INTO)) return;
    event.preventDefault();
    this.take(...contents(event.clipboardData));
  }

  take(files, folders = []) {
    const { largest, together, room, complaints } = this.adding;
    const fitting = files.filter(({ size }) => size <= largest);
    let sum = 0;
    const count = fitting.slice(0, room).filter(({ size }) => (sum += size) <= together).length;
    const refused = [
      ...folders.map((name) => [name, "folder", 0]),
      ...files.filter(({ size }) => size > largest).map(({ name, size }) => [name, "large", size]),
      ...fitting.slice(count, room).map(({ name, size }) => [name, "together", size]),
      ...fitting.slice(room).map(({ name, size }) => [name, "many", size]),
    ];
    this.waiting = fitting.slice(0, count);
    if (refused.length || complaints) this.send("refused", report(refused)); // the page's answer comes by `listen`
    else this.handOver();
  }

  handOver() {
    const input = document.querySelector(`.st-key-${this.adding.uploader} input[type="file"]`);
    const transfer = new DataTransfer();
    for (const file of this.waiting) transfer.items.add(file);
    this.waiting = undefined;
    if (!input || !transfer.files.length) return;
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
}
