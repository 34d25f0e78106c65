// Live updates, copy buttons, how far a run is, and one guard. Every page works without this file.
"use strict";

(() => {
  // A list: rows that are shown change in place, new ones wait behind a link. One exchange: a link says so.
  const live = document.querySelector("[data-live]");
  const news = document.getElementById("news");
  const rows = document.getElementById("rows");
  const fresh = new Set();

  const showLink = (text) => {
    const link = document.createElement("a");
    link.href = live.dataset.show;
    link.textContent = text;
    news.replaceChildren(link);
  };

  const rowOf = (key) => rows && rows.querySelector(`tr[data-key="${CSS.escape(key)}"]`);

  const replaceRows = async (keys) => {
    const query = new URLSearchParams(keys.map((key) => ["key", key]));
    const answer = await fetch(`${live.dataset.rows}?${query}`);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const row of page.querySelectorAll("tr[data-key]")) {
      const old = rowOf(row.dataset.key);
      if (!old || old.isEqualNode(row)) continue;
      const focused = old.contains(document.activeElement);
      old.replaceWith(row);
      row.classList.add("changed");
      setTimeout(() => row.classList.remove("changed"), 1500);
      if (focused) row.querySelector("a").focus({ preventScroll: true });
    }
  };

  const countNew = (keys) => {
    if (live.dataset.first !== "yes") return;
    // Keys sort by time of making: what is older than the last row belongs on another page.
    keys.filter((key) => key > live.dataset.last).forEach((key) => fresh.add(key));
    if (fresh.size === 0) return;
    const text = fresh.size === 1 ? live.dataset.one : live.dataset.other;
    showLink(text.replace("{n}", fresh.size));
  };

  const listChanged = ({ changed, listed }) => {
    const shown = changed.filter(rowOf);
    if (shown.length) replaceRows(shown.slice(0, 100));
    countNew(listed.filter((key) => !rowOf(key)));
  };

  // The number at the menu: its place is always there, so that nothing moves. A page about it says that it is old.
  const waiting = document.getElementById("waiting");
  const setWaiting = (n) => {
    if (!waiting || Number(waiting.dataset.n) === n) return;
    const { one, other, most } = waiting.dataset;
    const shown = n >= Number(most) ? `${Number(most) - 1}+` : String(n);
    waiting.dataset.n = n;
    waiting.firstElementChild.textContent = shown;
    waiting.lastElementChild.textContent = n === 0 ? "" : n === 1 ? one : other.replace("{n}", shown);
    if (live.dataset.waiting) showLink(live.dataset.waiting);
  };

  const setPulse = (on) => {
    const pulse = live.querySelector(".pulse");
    pulse.hidden = false;
    pulse.classList.toggle("on", on);
    pulse.textContent = on ? live.dataset.on : live.dataset.off;
  };

  if (live && live.dataset.live && window.EventSource) {
    const source = new EventSource(live.dataset.live);
    source.addEventListener("open", () => setPulse(true));
    source.addEventListener("error", () => setPulse(false));
    source.addEventListener("waiting", (event) => setWaiting(Number(event.data)));
    source.addEventListener("changed", (event) => {
      if (live.dataset.note) showLink(live.dataset.note);
      else listChanged(JSON.parse(event.data));
    });
    window.addEventListener("pagehide", () => source.close());
    window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  }

  // Copy an id.
  if (navigator.clipboard) {
    const { copy, copied } = document.body.dataset;
    for (const code of document.querySelectorAll(".facts dd > code")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = copy;
      button.setAttribute("aria-label", `${copy} ${code.closest("div").querySelector("dt").textContent}`);
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = copied;
        setTimeout(() => (button.textContent = copy), 1500);
      });
      // The two stay together: on a narrow page the button does not fall to a line of its own.
      const pair = document.createElement("span");
      pair.className = "id";
      code.replaceWith(pair);
      pair.append(code, button);
    }
  }

  // How far a run is: its panel is asked for again until it has ended, then the page as a whole.
  const run = document.querySelector("[data-poll]");
  const poll = async () => {
    const answer = await fetch(run.dataset.poll).catch(() => null);
    if (answer && answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.getElementById("run");
      if (now && !now.dataset.poll) return location.reload();
      if (now && now.innerHTML !== run.innerHTML) run.innerHTML = now.innerHTML;
    }
    setTimeout(poll, 1500);
  };
  if (run) setTimeout(poll, 1000);

  // A number that may be a BSN never leaves this page: the server refuses it too.
  const search = document.getElementById("q");
  const maybeBsn = (text) =>
    (text.match(/(?<![\w@])(?:\d{9}|\d{3}[ .-]\d{3}[ .-]\d{3}|\d{4}[ .-]\d{2}[ .-]\d{3})(?![\w@])/g) || [])
      .map((found) => found.replace(/\D/g, ""))
      .some((digits) => [9, 8, 7, 6, 5, 4, 3, 2, -1].reduce((sum, w, i) => sum + w * digits[i], 0) % 11 === 0);
  if (search) {
    search.addEventListener("input", () => search.setCustomValidity(maybeBsn(search.value) ? search.dataset.bsn : ""));
  }
})();
