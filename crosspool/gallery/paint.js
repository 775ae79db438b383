// A map over a photo on a canvas.

export const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

// A colour bar's stops, as CSS.
export const coloursOf = (table) =>
  [0, 32, 64, 96, 128, 160, 192, 224, 255].map((step) => `rgb(${table.subarray(3 * step, 3 * step + 3).join(" ")})`).join();

const scratch = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

// How many pixels wide a canvas must be that is `width` CSS pixels wide. (Measuring the canvas would cost a layout of the page.)
export const pixels = (width) => Math.round(width * (window.devicePixelRatio || 1)) || 112;

// Paints on the whole canvas: `cells` are steps 0..255 in the colours of `table` (256 x RGB), `photo` an image or a canvas.
export function paint(canvas, photo, cells, look, table) {
  const side = pixels(canvas.clientWidth);
  if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
  paintAt(canvas, 0, side, photo, cells, look, table);
}

// Paints on a square part of the canvas, `side` pixels wide, at its upper edge.
export function paintAt(canvas, left, side, photo, cells, { rows, columns, opacity, smooth }, table) {
  const image = new ImageData(columns, rows);
  for (let i = 0; i < cells.length; i++) {
    const colour = 3 * cells[i];
    image.data[4 * i] = table[colour];
    image.data[4 * i + 1] = table[colour + 1];
    image.data[4 * i + 2] = table[colour + 2];
    image.data[4 * i + 3] = 255;
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
