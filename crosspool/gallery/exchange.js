// Changes by hand on their way to the server. Each has a revision; with its data the server says, for each part, the newest
// revision that it has heard of. Data of an older one is an echo: it must not undo what the hand has done since.

const REST = 400; // milliseconds after the last change until the server hears of one that can wait

export class Exchange {
  // `send(changes)` sends {part: {revision, value}}, for every part of which the server has not confirmed the last change:
  // it may lose one that is followed by another.
  constructor() {
    Object.assign(this, { send: null, changes: {}, confirmed: {}, isUnsent: false, timer: undefined });
  }

  // Sends a change once it is on the screen: what the page then does may take its time.
  change(part, value) {
    this.note(part, value);
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => this.flush())));
  }

  // Sends a change once the hand rests.
  changeLater(part, value) {
    this.note(part, value);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), REST);
  }

  // Revisions are milliseconds, so that they are newer than those that came from here before this was made.
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

  // The server's data, but with the parts of `mine` that the hand has changed since.
  merge(data, mine) {
    for (const [part, revision] of Object.entries(data.revisions)) {
      if (revision < this.confirmed[part]) delete this.changes[part]; // a new session: it knows of none
      this.confirmed[part] = revision;
    }
    return { ...data, ...Object.fromEntries(Object.entries(mine).filter(([part]) => this.isAhead(part))) };
  }
}
