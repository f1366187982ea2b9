// Starts everything, shows tips, copies texts, and prepares the page for paper.
"use strict";
(() => {
  Bokeh.set_log_level("warn");

  // Tips: of whatever is pointed at or has the focus, as text.
  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  const show = (target) => {
    tip.textContent = target.dataset.tip;
    tip.hidden = false;
    const at = target.getBoundingClientRect();
    const box = tip.getBoundingClientRect();
    const left = Math.min(window.innerWidth - box.width - 8, Math.max(8, at.left + at.width / 2 - box.width / 2));
    const below = at.bottom + 6;
    tip.style.left = `${left}px`;
    tip.style.top = `${below + box.height > window.innerHeight ? Math.max(4, at.top - box.height - 6) : below}px`;
  };
  const tipped = (event) => event.target instanceof Element && event.target.closest("[data-tip]");
  document.addEventListener("mouseover", (event) => { const target = tipped(event); if (target) show(target); else hide(); });
  document.addEventListener("focusin", (event) => { const target = tipped(event); if (target) show(target); else hide(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  window.addEventListener("scroll", hide, { passive: true });

  for (const place of document.querySelectorAll(".comparison")) Scores.start(place);

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const said = document.getElementById("said");
      try {
        await navigator.clipboard.writeText(source.textContent);
        said.textContent = "Copied";
        button.textContent = "Copied";
      } catch {
        window.getSelection().selectAllChildren(source);
        said.textContent = "Selected: press Ctrl and C to copy";
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // Charts and pictures: drawn when they come near, and the first dozens of them while nobody
  // waits, so that they are there on paper.
  const atlases = new Map();
  const drawAtlas = (root) => {
    if (atlases.has(root)) return atlases.get(root).ready;
    const atlas = new Atlas(root);
    atlases.set(root, atlas);
    atlas.ready = atlas.turn(0);
    return atlas.ready;
  };
  const pictures = [...document.querySelectorAll(".atlas:has(> script)")];
  const charts = [...document.querySelectorAll(".chart")];
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      if (entry.target.matches(".chart")) Charts.draw(entry.target);
      else drawAtlas(entry.target);
    }
  }, { rootMargin: "400px" });
  for (const place of [...charts, ...pictures]) near.observe(place);

  const idle = window.requestIdleCallback ?? ((callback) => setTimeout(callback, 50));
  const waiting = [
    ...document.querySelectorAll(".chart.large"), ...pictures,
    ...[...document.querySelectorAll(".failure .chart"), ...document.querySelectorAll(".run .chart")].slice(0, 48),
  ];
  const next = () => {
    const place = waiting.shift();
    if (!place) { document.documentElement.dataset.ready = ""; return; }
    const done = place.matches(".chart") ? Charts.draw(place) : drawAtlas(place);
    done.then(() => idle(next));
  };
  idle(next);

  // On paper everything is open; afterwards, as it was.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    hide();
    opened = [...document.querySelectorAll("details:not([open])")].filter((each) => !each.querySelector(":scope > .log"));
    for (const each of opened) each.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const each of opened) each.open = false;
    opened = [];
  });
})();
