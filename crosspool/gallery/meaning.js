// What a channel means: the classes that it speaks for and against, and the image that it looks for. The panel has always
// the same height. Data: classes as `packed_classes` packs them, sprite {url, tile, columns}; each null where there is none.

import { make } from "./elements.js";
import { bytes } from "./paint.js";

const NONE = 0xffff; // in place of a class
const SIDE = 64; // pixels of the image
const IDLE = 2500; // milliseconds after which the sprite is loaded even without a pointer: not before the first maps are drawn

export class Meaning {
  constructor() {
    this.image = make("canvas", { className: "looks-for", width: SIDE, height: SIDE, role: "img" });
    this.speaksFor = make("span");
    this.speaksAgainst = make("span");
    const words = make("p", {}, make("b", { textContent: "For " }), this.speaksFor, make("br"), make("b", { textContent: "Against " }), this.speaksAgainst);
    this.words = words;
    this.root = make("div", { className: "meaning", hidden: true }, this.image, words);
  }

  // `data` is {classes, sprite}, or undefined.
  use(data) {
    const { classes = null, sprite = null } = data ?? {};
    this.root.hidden = !classes && !sprite;
    this.words.hidden = !classes;
    this.image.hidden = !sprite;
    if (classes !== this.classes) {
      this.classes = classes;
      this.numbers = classes && Object.fromEntries(["for", "against"].map((kind) => [kind, new Uint16Array(bytes(classes[kind]).buffer)]));
    }
    if (sprite?.url === this.sprite?.url) return;
    this.sprite = sprite;
    this.tiles = null;
    clearTimeout(this.waiting);
    if (sprite) this.waiting = setTimeout(() => this.load(), IDLE);
  }

  load() {
    if (!this.sprite || this.tiles) return;
    const tiles = Object.assign(new Image(), { src: this.sprite.url });
    this.tiles = tiles;
    tiles.decode().then(() => this.tiles === tiles && this.show(this.channel), () => {}); // offline: the classes stay
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
    if (!this.tiles?.complete || !this.tiles.naturalWidth) return;
    const { tile, columns } = this.sprite;
    const [row, column] = [Math.floor(channel / columns), channel % columns];
    context.drawImage(this.tiles, column * tile, row * tile, tile, tile, 0, 0, SIDE, SIDE);
  }
}
