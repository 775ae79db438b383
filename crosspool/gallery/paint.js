// A map over a photo on a canvas; put before the scripts that show such maps.

const bytes = (base64) => Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
const scratch = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

// `cells` are steps 0..255 in the colours of `table` (256 x RGB); `photo` is an image or a canvas.
function paint(canvas, photo, cells, { rows, columns, opacity, smooth }, table) {
  const pixels = new ImageData(columns, rows);
  for (let i = 0; i < cells.length; i++) {
    const colour = 3 * cells[i];
    pixels.data[4 * i] = table[colour];
    pixels.data[4 * i + 1] = table[colour + 1];
    pixels.data[4 * i + 2] = table[colour + 2];
    pixels.data[4 * i + 3] = 255;
  }
  if (scratch.canvas.width !== columns || scratch.canvas.height !== rows) {
    Object.assign(scratch.canvas, { width: columns, height: rows });
  }
  scratch.putImageData(pixels, 0, 0);
  const side = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)) || 112;
  if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  context.globalAlpha = 1;
  context.imageSmoothingEnabled = true;
  context.drawImage(photo, 0, 0, side, side);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = smooth;
  context.drawImage(scratch.canvas, 0, 0, side, side);
}
