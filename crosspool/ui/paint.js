// A map over a photo on a canvas; put before the scripts of the components that show such maps.

const bytes = (base64) => Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));

function paint(canvas, photo, cells, data, table) {
  const { rows, columns, opacity, smooth } = data;
  const pixels = new ImageData(columns, rows);
  for (let i = 0; i < cells.length; i++) {
    const colour = 3 * cells[i];
    pixels.data.set([table[colour], table[colour + 1], table[colour + 2], 255], 4 * i);
  }
  const map = new OffscreenCanvas(columns, rows);
  map.getContext("2d").putImageData(pixels, 0, 0);
  const side = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)) || 112;
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  context.drawImage(photo, 0, 0, side, side);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = smooth;
  context.drawImage(map, 0, 0, side, side);
}
