// A slider over the steps 1..steps of a walk, and a button that plays it: each step is asked for once the previous one is
// shown. Data: step, steps, end (playing stops there), stride (steps played at once), label.

import { paced } from "./pace.js";

const PAUSE = 150; // milliseconds that each step stays

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".walk");
  const [button, slider, label] = ["button", "input", "span"].map((name) => root.querySelector(name));
  const pace = paced(root, data.step, (step) => setTriggerValue("step", step));
  label.textContent = data.label;
  Object.assign(slider, { max: data.steps, value: pace.latest, ariaLabel: data.label });

  const nextStep = Math.min(data.end, data.step + data.stride);
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
    if (root.playing) play(data.step < data.end ? nextStep : 1);
  };
  clearTimeout(root.timer);
  if (root.playing && !pace.isWaiting) {
    if (data.step >= data.end) stop();
    else root.timer = setTimeout(() => root.playing && play(nextStep), PAUSE);
  }
  button.disabled = data.end === 1;
  draw();
}
