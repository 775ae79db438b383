// Runs before Streamlit's scripts. Where the server takes no further page it refuses the connection, which looks like a
// lost one: the page would stay empty. So where none ever came, the server is asked, and its page that says so is shown.

(() => {
  const REFUSED = "crosspool_refused"; // tells the server that a connection of this browser was refused
  const Connection = window.WebSocket;
  let hasOpened = false;
  let isAsking = false;

  async function ask() {
    isAsking = true;
    document.cookie = `${REFUSED}=1; path=/; max-age=20; samesite=lax`;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" }).catch(() => undefined);
    if (answer?.status === 503) location.reload();
    isAsking = false;
  }

  window.WebSocket = class extends Connection {
    constructor(...details) {
      super(...details);
      this.addEventListener("open", () => (hasOpened = true));
      this.addEventListener("close", () => hasOpened || isAsking || ask());
    }
  };
})();
