// A picture under a grid of rows x columns cells: a click, or the arrow keys, choose a cell. With a colour bar.
// Data: picture (URL), alt, rows, columns, cell [row, column], bar {colours [css], ticks [text], label} or null.

export default function ({ data, parentElement, setTriggerValue }) {
  const frame = parentElement.querySelector(".frame");
  const image = frame.querySelector("img");
  if (image.src !== data.picture) image.src = data.picture;
  image.alt = data.alt;
  frame.setAttribute("aria-label", data.alt);
  const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));
  let cell = data.cell; // moves at once, so that quick key presses add up before the server has answered
  const choose = (row, column) => {
    cell = [clamp(row, data.rows), clamp(column, data.columns)];
    setTriggerValue("cell", cell);
  };
  frame.onclick = (event) => {
    const box = image.getBoundingClientRect();
    choose(
      Math.floor(((event.clientY - box.top) / box.height) * data.rows),
      Math.floor(((event.clientX - box.left) / box.width) * data.columns),
    );
  };
  frame.onkeydown = (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(cell[0] + step[0], cell[1] + step[1]);
  };
  const bar = parentElement.querySelector(".bar");
  bar.hidden = !data.bar;
  if (!data.bar) return;
  bar.querySelector(".colours").style.background = `linear-gradient(to right, ${data.bar.colours.join(",")})`;
  bar.querySelector(".numbers").replaceChildren(
    ...data.bar.ticks.map((text) => Object.assign(document.createElement("span"), { textContent: text })),
  );
  bar.querySelector(".label").textContent = data.bar.label;
}
