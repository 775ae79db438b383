// The pinned maps, side by side.

import { make, numberText, pointOver } from "./elements.js";
import { pixels } from "./paint.js";

const SIDE = 104;

export class PinnedMaps {
  constructor(gallery) {
    this.gallery = gallery;
    this.root = make("div", { className: "pins", role: "group", ariaLabel: "Pinned maps" });
  }

  show(channels, set, view) {
    this.root.replaceChildren(...channels.map((channel) => this.figure(channel, set.top(channel, view), set.signed)));
    channels.forEach((channel, index) => {
      const canvas = this.root.children[index].querySelector("canvas");
      canvas.style.width = canvas.style.height = `${SIDE}px`;
      canvas.width = canvas.height = pixels(SIDE);
      this.gallery.paintTile(canvas, 0, canvas.width, channel);
    });
  }

  figure(channel, top, isSigned) {
    const { gallery } = this;
    const canvas = make("canvas");
    const open = make("button", { type: "button", className: "open", onclick: () => gallery.select(channel) }, canvas);
    open.ariaLabel = `Pinned ${gallery.describe(channel).label}`;
    open.onpointermove = (event) => gallery.hover(channel, ...pointOver(canvas, event));
    const unpin = make("button", { type: "button", className: "unpin", textContent: "×", onclick: () => gallery.pin(channel) });
    unpin.ariaLabel = `Unpin map ${channel}`;
    const range = ` ${isSigned ? numberText(-top) : "0"} to ${numberText(top)}`;
    return make("figure", {}, open, make("figcaption", {}, make("b", { textContent: channel }), range, unpin));
  }
}
