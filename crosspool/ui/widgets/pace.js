// Requests made in quick succession reach the server at most ten times a second, and never while it still works on the
// previous one; only the last request counts.

const INTERVAL = 100; // milliseconds between two requests
const TIMEOUT = 2000; // milliseconds to wait for an answer

// `answer` is what the server shows now; `send(request)` asks it for something else. A component's script calls this with
// each answer; the state is kept on `element`.
export function paced(element, answer, send) {
  const pace = (element.pace ??= { request: null, sent: null, sentAt: -Infinity, timer: 0 });
  const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const sendWhenDue = () => {
    clearTimeout(pace.timer);
    if (pace.request === null || !element.isConnected) return;
    const wait = pace.sentAt + (pace.sent === null ? INTERVAL : TIMEOUT) - performance.now();
    if (wait > 0) {
      pace.timer = setTimeout(sendWhenDue, wait);
      return;
    }
    [pace.sent, pace.request, pace.sentAt] = [pace.request, null, performance.now()];
    pace.send(pace.sent);
  };
  pace.send = send;
  if (isSame(answer, pace.sent)) pace.sent = null;
  sendWhenDue();
  return {
    // What will be shown once the server has caught up.
    get latest() {
      if (pace.request !== null) return pace.request;
      return pace.sent !== null && performance.now() < pace.sentAt + TIMEOUT ? pace.sent : answer;
    },
    get isWaiting() {
      return !isSame(this.latest, answer);
    },
    ask(request) {
      if (isSame(request, this.latest)) return;
      pace.request = request;
      sendWhenDue();
    },
  };
}
