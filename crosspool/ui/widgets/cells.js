// A grid of cells over a square element: marks placed on a cell, and cells chosen by click, drag or arrow key.

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

const clamp = (value, number) => Math.min(number - 1, Math.max(0, value));

export function placeOn(box, [row, column], { rows, columns }) {
  const [left, top] = [(column + 0.5) / columns, (row + 0.5) / rows].map((part) => `${100 * part}%`);
  Object.assign(box.style, { left, top, width: `${100 / columns}%`, height: `${100 / rows}%` });
}

// Calls choose([row, column], isFinal): a click and Enter are final, a drag and arrow keys may go on. A mouse drags from
// anywhere; a finger from the handle alone, and elsewhere it scrolls the page or taps. `current` returns the cell from which
// arrow keys start.
export function listenForCells(frame, handle, { rows, columns }, current, choose) {
  const chooseAt = ({ clientX, clientY }, isFinal) => {
    const { left, top, width, height } = frame.getBoundingClientRect();
    const [row, column] = [Math.floor(((clientY - top) / height) * rows), Math.floor(((clientX - left) / width) * columns)];
    choose([clamp(row, rows), clamp(column, columns)], isFinal);
  };
  frame.onclick = (event) => chooseAt(event, true);
  frame.onpointerdown = (event) => {
    const drags = event.pointerType === "mouse" || event.target === handle;
    if (drags && event.isPrimary && event.button === 0) frame.setPointerCapture(event.pointerId);
  };
  frame.onpointermove = (event) => {
    if (frame.hasPointerCapture(event.pointerId)) chooseAt(event, false);
  };
  frame.onkeydown = (event) => {
    const isFinal = event.key === "Enter";
    if (!STEPS[event.key] && !isFinal) return;
    event.preventDefault();
    const [[down, across], [row, column]] = [STEPS[event.key] ?? [0, 0], current()];
    choose([clamp(row + down, rows), clamp(column + across, columns)], isFinal);
  };
}
