// Put into a page before its own scripts: notes when a press on a sample goes through the page, in milliseconds of the
// system's clock. A frame counts as shown when the next one begins, which is late by up to a frame.

(() => {
  const roots = [];
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (options) {
    const root = attach.call(this, options);
    roots.push(root);
    return root;
  };
  const now = () => performance.timeOrigin + performance.now();
  const frame = () => new Promise(requestAnimationFrame);
  const gallery = () => roots.map((root) => root.isConnected && root.querySelector(".gallery")?.gallery).find(Boolean);

  let press = { bytes: 0 }; // the moments of the last one, and the bytes received since
  const note = (moment) => (press[moment] ??= now());

  const Socket = globalThis.WebSocket;
  globalThis.WebSocket = class extends Socket {
    constructor(...rest) {
      super(...rest);
      this.addEventListener("message", ({ data }) => (press.bytes += data.byteLength ?? data.size));
    }
    send(data) {
      note("sent");
      super.send(data);
    }
  };

  // The sets of maps as mapset.js keeps them, with a note when one comes and when it has been read.
  const present = new (class extends Map {
    set(id, entry) {
      if (!entry.users) {
        note("received");
        entry.ready.then(() => note("read"));
      }
      return super.set(id, entry);
    }
  })();
  globalThis.crosspoolMaps = { present, waiting: new Map() };

  async function watch(before) {
    do await frame(); while (gallery()?.set === before || !gallery()?.wall.tiles.size);
    note("drawn");
    await frame();
    note("painted");
  }

  addEventListener("click", (event) => {
    const tile = event.composedPath().find((element) => element.matches?.(".strip .tile[data-id]"));
    if (!tile) return;
    press = { pressed: performance.timeOrigin + event.timeStamp, bytes: 0 };
    watch(gallery()?.set);
  }, { capture: true });

  globalThis.lastPress = () => press;
  globalThis.shownMaps = () => ({ channels: gallery()?.set?.channels ?? 0, tiles: gallery()?.wall.tiles.size ?? 0 });
})();
