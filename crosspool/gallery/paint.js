// A map over a photo on a canvas.

export const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

// How opaque each of 256 steps is, 0 to 1: an overlay that grows lets the photo through where the weight is 0.
function opacities({ overlay, signed }) {
  if (overlay === "even") return new Float64Array(256).fill(1);
  return Float64Array.from({ length: 256 }, (_, step) => (signed ? Math.abs(step / 127.5 - 1) : step / 255));
}

// A colour bar's stops, as CSS.
export function coloursOf(table, look) {
  const opaque = opacities(look);
  const stop = (step) => `rgb(${table.subarray(3 * step, 3 * step + 3).join(" ")} / ${opaque[step].toFixed(3)})`;
  return [0, 32, 64, 96, 128, 160, 192, 224, 255].map(stop).join();
}

const scratch = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

// How many pixels wide a canvas must be that is `width` CSS pixels wide. (Measuring the canvas would cost a layout of the page.)
export const pixels = (width) => Math.round(width * (window.devicePixelRatio || 1)) || 112;

// Paints on the whole canvas: `cells` are steps 0..255 in the colours of `table` (256 x RGB), `photo` an image or a canvas.
// `look` is {rows, columns, opacity, overlay, smooth, signed}; `signed` maps have their zero in the middle of the colours.
export function paint(canvas, photo, cells, look, table) {
  const side = pixels(canvas.clientWidth);
  if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
  paintAt(canvas, 0, side, photo, cells, look, table);
}

// Paints on a square part of the canvas, `side` pixels wide, at its upper edge.
export function paintAt(canvas, left, side, photo, cells, look, table) {
  const { rows, columns, opacity, smooth } = look;
  const [image, opaque] = [new ImageData(columns, rows), opacities(look)];
  for (let i = 0; i < cells.length; i++) {
    const colour = 3 * cells[i];
    image.data[4 * i] = table[colour];
    image.data[4 * i + 1] = table[colour + 1];
    image.data[4 * i + 2] = table[colour + 2];
    image.data[4 * i + 3] = Math.round(255 * opaque[cells[i]]);
  }
  if (scratch.canvas.width !== columns || scratch.canvas.height !== rows) {
    Object.assign(scratch.canvas, { width: columns, height: rows });
  }
  scratch.putImageData(image, 0, 0);
  const context = canvas.getContext("2d");
  context.globalAlpha = 1;
  context.imageSmoothingEnabled = true;
  context.drawImage(photo, left, 0, side, side);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = smooth;
  context.drawImage(scratch.canvas, left, 0, side, side);
}
