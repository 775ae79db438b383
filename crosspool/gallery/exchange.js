// The user's changes on their way to the server. Each has a revision; with its data the server sends, for each part, the
// newest revision that it has received. Older data is an echo and must not undo what the user has done since.

const DELAY = 400; // milliseconds after the last change until changes that can wait are sent

export class Exchange {
  // `send(changes)` sends {part: {revision, value}} for every part whose last change the server has not confirmed: a
  // change that is soon followed by another may get lost.
  constructor() {
    Object.assign(this, { send: null, changes: {}, confirmed: {}, isUnsent: false, timer: undefined });
  }

  // Sends a change once it is on the screen, as the page's answer may take long.
  change(part, value) {
    this.note(part, value);
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => this.flush())));
  }

  // Sends a change once no other follows for a while.
  changeLater(part, value) {
    this.note(part, value);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), DELAY);
  }

  // Revisions are milliseconds, so that they are newer than those of any earlier exchange on this page.
  note(part, value) {
    const last = Math.max(this.changes[part]?.revision ?? 0, this.confirmed[part] ?? 0);
    this.changes[part] = { revision: Math.max(Date.now(), last + 1), value };
    this.isUnsent = true;
  }

  isAhead(part) {
    return (this.changes[part]?.revision ?? 0) > (this.confirmed[part] ?? 0);
  }

  flush() {
    clearTimeout(this.timer);
    if (!this.isUnsent) return;
    this.isUnsent = false;
    this.send(Object.fromEntries(Object.entries(this.changes).filter(([part]) => this.isAhead(part))));
  }

  // The server's data, but with the parts of `mine` that the user has changed since.
  merge(data, mine) {
    for (const [part, revision] of Object.entries(data.revisions)) {
      if (revision < this.confirmed[part]) delete this.changes[part]; // a new session, which has received none
      this.confirmed[part] = revision;
    }
    return { ...data, ...Object.fromEntries(Object.entries(mine).filter(([part]) => this.isAhead(part))) };
  }
}
