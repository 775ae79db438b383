// What a channel means: the classes that it speaks for and against, and the image that it looks for. The panel has always
// the same height. Data: classes as `packed_classes` packs them, sprite {url of its rows, tile, columns}; each null where there is none.

import { make } from "./elements.js";
import { bytes } from "./paint.js";

const NONE = 0xffff; // in place of a class
const SIDE = 64; // pixels of the image

// Meanings on this page by their ids, and those that wait for one. The scripts of all components share them.
const meanings = (globalThis.crosspoolMeanings ??= { present: new Map(), waiting: new Map() });

export function addMeaning(meaning) {
  meanings.present.set(meaning.id, meaning);
  for (const resolve of meanings.waiting.get(meaning.id) ?? []) resolve(meaning);
  meanings.waiting.delete(meaning.id);
}

// A promise of the meaning of that id.
export const meaningOf = (id) =>
  new Promise((resolve) => {
    if (meanings.present.has(id)) resolve(meanings.present.get(id));
    else meanings.waiting.set(id, [...(meanings.waiting.get(id) ?? []), resolve]);
  });

export class Meaning {
  constructor() {
    this.image = make("canvas", { className: "looks-for", width: SIDE, height: SIDE, role: "img" });
    this.speaksFor = make("span");
    this.speaksAgainst = make("span");
    const words = make("p", {}, make("b", { textContent: "For " }), this.speaksFor, make("br"), make("b", { textContent: "Against " }), this.speaksAgainst);
    this.words = words;
    this.root = make("div", { className: "meaning", hidden: true }, this.image, words);
  }

  use({ classes, sprite }) {
    this.root.hidden = !classes && !sprite;
    this.words.hidden = !classes;
    this.image.hidden = !sprite;
    if (classes !== this.classes) {
      this.classes = classes;
      this.numbers = classes && Object.fromEntries(["for", "against"].map((kind) => [kind, new Uint16Array(bytes(classes[kind]).buffer)]));
    }
    if (sprite?.url === this.sprite?.url) return;
    this.sprite = sprite;
    this.rows = new Map();
  }

  // A row of tiles, loaded when one of them is first shown.
  rowOf(number) {
    if (!this.rows.has(number)) {
      const tiles = Object.assign(new Image(), { src: `${this.sprite.url}${number}.webp` });
      this.rows.set(number, tiles);
      tiles.decode().then(() => this.show(this.channel), () => {}); // offline: the classes stay
    }
    return this.rows.get(number);
  }

  show(channel) {
    this.channel = channel;
    if (this.root.hidden) return;
    if (this.classes) {
      this.speaksFor.textContent = this.listed("for", channel);
      this.speaksAgainst.textContent = this.listed("against", channel);
      this.words.title = `Map ${channel} speaks for ${this.listed("for", channel)}, and against ${this.listed("against", channel)}: the largest and smallest weights of the last layer.`;
    }
    if (this.sprite) this.drawTile(channel);
  }

  listed(kind, channel) {
    const { listed, classes } = this.classes;
    const numbers = this.numbers[kind].subarray(channel * listed, (channel + 1) * listed);
    return [...numbers].filter((number) => number !== NONE).map((number) => classes[number]).join(", ") || "no class";
  }

  drawTile(channel) {
    const context = this.image.getContext("2d");
    context.clearRect(0, 0, SIDE, SIDE);
    this.image.ariaLabel = `What channel ${channel} looks for: an image optimised for it.`;
    this.image.title = "What this channel looks for: an image optimised from noise";
    const { tile, columns } = this.sprite;
    const tiles = this.rowOf(Math.floor(channel / columns));
    if (tiles.complete && tiles.naturalWidth) context.drawImage(tiles, (channel % columns) * tile, 0, tile, tile, 0, 0, SIDE, SIDE);
  }
}
