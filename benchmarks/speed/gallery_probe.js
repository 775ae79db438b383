// Put into a page before its own scripts: notes what the server sends and when the gallery has drawn it, and acts on the
// gallery while a clock runs. Times are milliseconds. A frame counts as shown when the next one begins, which is late by
// up to a frame.

(() => {
  const roots = [];
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (options) {
    const root = attach.call(this, options);
    roots.push(root);
    return root;
  };
  const Socket = globalThis.WebSocket;
  globalThis.WebSocket = class extends Socket {
    constructor(...rest) {
      super(...rest);
      this.addEventListener("message", ({ data }) => hear(data.byteLength ?? data.size));
    }
  };

  const gallery = () => roots.map((root) => root.isConnected && root.querySelector(".gallery")?.gallery).find(Boolean);
  const frame = () => new Promise(requestAnimationFrame);
  const rest = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

  const heard = []; // bytes of each message
  const arrivals = []; // of maps: bytes, and the time until they were on the screen
  const long = []; // tasks of more than 50 ms
  new PerformanceObserver((list) => long.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask" });

  async function hear(bytes) {
    const start = performance.now();
    heard.push(bytes);
    if (bytes < globalThis.leastBytes) return; // no maps
    const before = gallery()?.set;
    const drawn = () => gallery()?.set && gallery().set !== before && gallery().wall.tiles.size > 0;
    do await frame(); while (!drawn());
    await frame();
    arrivals.push({ bytes, shown: performance.now() - start });
  }

  // Intervals between frames while a box is scrolled up and down at so many pixels a second. `bare` counts those frames in
  // which a row of the wall in sight had no tiles.
  async function scroll(box, speed, seconds, isBare = () => false) {
    box.scrollTop = 0;
    await frame();
    const [start, top] = [await frame(), box.scrollHeight - box.clientHeight];
    const intervals = [];
    let bare = 0;
    for (let now = start, before; now - start < 1000 * seconds; intervals.push(now - before)) {
      const way = (speed * (now - start)) / 1000;
      box.scrollTop = Math.floor(way / top) % 2 ? top - (way % top) : way % top;
      before = now;
      now = await frame();
      bare += isBare();
    }
    const share = (least) => intervals.filter((interval) => interval > least).length / intervals.length;
    return {
      rate: (1000 * intervals.length) / intervals.reduce((sum, interval) => sum + interval, 0),
      interval: median(intervals), over20: share(20), over33: share(33), bare: bare / intervals.length,
    };
  }

  function scrollWall(speed, seconds) {
    const { wall } = gallery();
    const bare = () => {
      const first = Math.floor(wall.list.scrollTop / wall.rowHeight) * wall.perRow;
      const last = Math.min(wall.order.length, Math.ceil((wall.list.scrollTop + wall.list.clientHeight) / wall.rowHeight) * wall.perRow);
      return wall.order.slice(first, last).some((channel) => !wall.tiles.has(channel));
    };
    return scroll(wall.list, speed, seconds, bare);
  }

  // The same on an empty box of that size in that place: what the machine can do at all.
  async function scrollNothing(speed, seconds) {
    const { list, space } = gallery().wall;
    const { left, top, width, height } = list.getBoundingClientRect();
    const box = document.createElement("div");
    box.style = `position: fixed; z-index: 9; left: ${left}px; top: ${top}px; width: ${width}px; height: ${height}px; overflow-y: scroll; contain: strict; background: #fff`;
    box.append(document.createElement("div"));
    box.firstChild.style.height = space.style.height;
    document.body.append(box);
    list.style.display = "none"; // else its canvases cost the empty box their layers
    const result = await scroll(box, speed, seconds);
    list.style.display = "";
    box.remove();
    return result;
  }

  const turn = (values, i) => values[i % values.length];
  function give(control, value, event) {
    control[control.type === "checkbox" ? "checked" : "value"] = value;
    control.dispatchEvent(new Event(event, { bubbles: true, composed: true }));
  }
  const press = (element, key) => element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true, cancelable: true }));
  function mouse(element, kind, across, down) {
    const box = element.getBoundingClientRect();
    const place = { clientX: box.left + across * box.width, clientY: box.top + down * box.height };
    const Kind = kind === "click" ? MouseEvent : PointerEvent;
    element.dispatchEvent(new Kind(kind, { ...place, pointerId: 1, isPrimary: true, bubbles: true, composed: true }));
  }
  const tileAt = (wall, i) => wall.tiles.get(wall.order[i % Math.min(wall.order.length, 2 * wall.perRow)]);

  // What a visitor can do, the i-th time.
  const acts = {
    nothing: () => {},
    sort: ({ toolbar }, i) => give(toolbar.sort, turn(["peak", "mean", "sparsity", "channel", "energy_share"], i), "change"),
    show: ({ toolbar }, i) => give(toolbar.filter, turn(["most", "all"], i), "change"),
    search: ({ toolbar }, i) => give(toolbar.search, turn(["1", "12", "123", "12", ""], i), "input"),
    colours: ({ toolbar }, i) => give(toolbar.colours, toolbar.colours.options[(i + 1) % toolbar.colours.options.length].value, "change"),
    opacity: ({ toolbar }, i) => give(toolbar.opacity, turn([0.3, 0.5, 0.9, 0.65], i), "input"),
    scale: ({ toolbar }, i) => give(toolbar.scale, turn(["layer", "fixed", "map"], i), "change"),
    top: ({ toolbar }, i) => give(toolbar.top, turn([0.5, 2, 1], i), "change"),
    smooth: ({ toolbar }, i) => give(toolbar.smooth, i % 2 === 1, "change"),
    tiles: ({ toolbar }, i) => give(toolbar.tile, turn([64, 120, 176, 240, 104], i), "input"),
    hover: ({ wall }, i) => mouse(tileAt(wall, i).image, "pointermove", 0.1 + 0.08 * (i % 10), 0.5),
    click: ({ wall }, i) => mouse(tileAt(wall, i + 1).image, "click", 0.5, 0.5),
    pin: ({ wall }, i) => {
      if (i % 2 === 0) wall.list.focus();
      press(wall.list, "p");
    },
    begin: ({ lens }, i) => mouse(lens.photo, "pointerdown", 0.2 + 0.05 * (i % 4), 0.3),
    drag: ({ lens }, i) => mouse(lens.photo, "pointermove", 0.5 + 0.04 * (i % 9), 0.8),
    end: ({ lens }) => {
      mouse(lens.photo, "pointerup", 0.5, 0.5);
      press(lens.photo, "Escape");
    },
    arrow: ({ wall }, i) => press(wall.list, turn(["ArrowDown", "ArrowRight", "ArrowDown", "ArrowLeft"], i)),
    ends: ({ wall }, i) => press(wall.list, turn(["End", "Home"], i)),
  };

  // The time of the scripts that answer, and that until the answer is on the screen.
  async function time(name, i) {
    await frame();
    await rest(16 * Math.random()); // people press at any time between two frames
    const start = performance.now();
    acts[name](gallery(), i);
    const scripts = performance.now() - start;
    await frame();
    await frame();
    return { scripts, shown: performance.now() - start };
  }

  globalThis.probe = {
    arrivals, heard, long, scrollWall, scrollNothing, time,
    tiles: () => gallery()?.wall.tiles.size ?? 0,
    settled: () => ({ bytes: heard.splice(0).reduce((sum, bytes) => sum + bytes, 0), longest: Math.max(0, ...long.splice(0)) }),
  };
})();
