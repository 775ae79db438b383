// A slider over the steps 1..steps of a walk, and a button that plays it: the next step follows when the one before is
// shown. Data: step, steps, end (playing stops there), stride (steps played at once), label.

import { paced } from "./pace.js";

const REST = 150; // milliseconds that each step stays

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".walk");
  const [button, slider, label] = ["button", "input", "span"].map((name) => root.querySelector(name));
  const pace = paced(root, data.step, (step) => setTriggerValue("step", step));
  label.textContent = data.label;
  slider.max = data.steps;
  slider.setAttribute("aria-label", data.label);
  slider.value = pace.latest;

  const draw = () => (button.textContent = root.playing ? "❚❚ Pause" : "▶ Play");
  const stop = () => {
    root.playing = false;
    draw();
  };
  const play = (step) => {
    slider.value = step;
    pace.ask(step);
  };
  slider.oninput = () => {
    stop();
    pace.ask(Number(slider.value));
  };
  button.onclick = () => {
    root.playing = !root.playing;
    draw();
    if (root.playing) play(data.step < data.end ? Math.min(data.end, data.step + data.stride) : 1);
  };
  clearTimeout(root.next);
  if (root.playing && !pace.waiting) {
    if (data.step >= data.end) stop();
    else root.next = setTimeout(() => root.playing && play(Math.min(data.end, data.step + data.stride)), REST);
  }
  button.disabled = data.end === 1;
  draw();
}
