// Runs before Streamlit's scripts, in every page. Streamlit adds an entry to the browser's history whenever the server
// writes the address, and for each page. One step of the visitor shall be one entry: the first address that follows a
// step makes it, and any other, such as a page and then its settings, or the other way round, replaces it. QUIET are
// settings that follow a slider, and never make an entry.

(() => {
  const QUIET = ["opacity", "top"];
  const push = history.pushState.bind(history);
  let hasStepped = false; // whether the visitor has done anything since the last entry was made

  const onStep = (event) => (hasStepped = event.isTrusted && !event.repeat ? true : hasStepped);
  for (const type of ["pointerdown", "keydown", "paste", "drop"]) addEventListener(type, onStep, true);
  addEventListener("popstate", () => (hasStepped = false), true);

  function settings(url) {
    const params = new URL(url, location.href).searchParams;
    for (const name of QUIET) params.delete(name);
    return String(params);
  }

  history.pushState = (state, unused, url) => {
    const isPage = new URL(url, location.href).pathname !== location.pathname;
    const isEntry = hasStepped && (isPage || settings(url) !== settings(location.href));
    hasStepped = false;
    if (isEntry) push(state, unused, url);
    else history.replaceState(state, unused, url);
  };

  // Names this tab to the server for the seconds in which it connects: a reload takes up the tab's visit even where the
  // server has not noticed that the connection before it is lost. Another tab's visit stays where it is.
  const isReload = performance.getEntriesByType("navigation")[0]?.type === "reload";
  try {
    const tab = (isReload && sessionStorage.getItem("crosspool_tab")) || Math.random().toString(36).slice(2);
    sessionStorage.setItem("crosspool_tab", tab);
    document.cookie = `crosspool_tab=${tab}; path=/; max-age=10; samesite=lax`;
  } catch {
    // A browser that keeps nothing: each reload begins a new visit.
  }

  // Else Streamlit would look for its server below the page's address first, and get a 404 there.
  Object.assign(window, { __streamlit: { BACKEND_BASE_URL: new URL(".", location.href).href } });
})();
