// Keeps the overview up to date without moving the reader: the fragment is replaced only when it changed.
"use strict";
(() => {
  const place = document.getElementById("fresh");
  const stale = document.getElementById("stale");
  const pause = document.getElementById("pause");
  const every = 2000;
  let tag = null;
  let paused = false;

  const marking = () => {
    const marked = window.getSelection();
    return marked !== null && !marked.isCollapsed && place.contains(marked.anchorNode);
  };

  const links = (address) => [...place.querySelectorAll("a[href]")].filter((link) => link.getAttribute("href") === address);

  const replace = (html) => {
    const held = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const which = held === null ? -1 : links(held).indexOf(document.activeElement);
    const top = window.scrollY;
    place.innerHTML = html;
    const again = held === null ? undefined : links(held)[which];
    if (again) again.focus({ preventScroll: true });
    window.scrollTo(0, top);
    const standing = document.getElementById("standing");
    if (standing) document.title = standing.textContent.trim() + " – " + place.dataset.site;
  };

  const look = async () => {
    try {
      const answer = await fetch(place.dataset.address, {
        cache: "no-store",
        headers: tag ? { "If-None-Match": tag } : {},
        signal: AbortSignal.timeout(10000),
      });
      if (answer.status === 200) {
        const html = await answer.text();
        // Who is marking a command to copy it must not lose it; the next look replaces the text.
        if (!marking()) {
          replace(html);
          tag = answer.headers.get("ETag");
        }
      }
      stale.hidden = answer.status === 200 || answer.status === 304;
    } catch {
      stale.hidden = false;
    }
  };

  const run = async () => {
    if (!paused && !document.hidden) await look();
    window.setTimeout(run, every);
  };

  const words = pause.textContent;
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? pause.dataset.resume : words;
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !paused) look();
  });
  window.setTimeout(run, every);
})();
