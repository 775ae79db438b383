// What a quick hand asks for reaches the server at most ten times a second, and never while it still works on the request
// before; only the last request counts.

const GAP = 100; // milliseconds between two questions
const PATIENCE = 2000; // and how long to wait for an answer that does not come

// `shown` is what the server shows by now, `send(wish)` asks it for something else. Both are renewed with each answer.
export function paced(element, shown, send) {
  const pace = (element.pace ??= { wish: null, sent: null, asked: -Infinity, timer: 0 });
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const next = () => {
    clearTimeout(pace.timer);
    if (pace.wish === null || !element.isConnected) return;
    const wait = pace.asked + (pace.sent === null ? GAP : PATIENCE) - performance.now();
    if (wait > 0) {
      pace.timer = setTimeout(next, wait);
      return;
    }
    [pace.sent, pace.wish, pace.asked] = [pace.wish, null, performance.now()];
    pace.send(pace.sent);
  };
  pace.send = send;
  if (same(shown, pace.sent)) pace.sent = null; // answered
  next();
  return {
    // What will be shown when the server has caught up.
    get latest() {
      if (pace.wish !== null) return pace.wish;
      return pace.sent !== null && performance.now() < pace.asked + PATIENCE ? pace.sent : shown;
    },
    get waiting() {
      return !same(this.latest, shown);
    },
    ask(wish) {
      if (same(wish, this.latest)) return;
      pace.wish = wish;
      next();
    },
  };
}

