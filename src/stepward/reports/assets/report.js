"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const numbers = JSON.parse($("numbers").textContent);

  // Theme: as the system has it, or as chosen here. A page from disk may have no storage.
  const themes = ["auto", "light", "dark"];
  const stored = () => { try { return localStorage.getItem("stepward-theme"); } catch { return null; } };
  const setTheme = (name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    $("theme").textContent = "Theme: " + name;
    try { localStorage.setItem("stepward-theme", name); } catch { /* not kept */ }
  };
  $("theme").hidden = false;
  if (themes.includes(stored())) setTheme(stored());
  $("theme").addEventListener("click", () => {
    const now = document.documentElement.dataset.theme || "auto";
    setTheme(themes[(themes.indexOf(now) + 1) % themes.length]);
  });

  // Tables sort by the number behind a cell, else by its text; cells without a number come last.
  const compare = (a, b, up) => {
    const [x, y] = [a, b].map((cell) => (cell.dataset.v === undefined ? null : Number(cell.dataset.v)));
    if (x !== null && y !== null) return up ? x - y : y - x;
    if (x !== null || y !== null) return x === null ? 1 : -1;
    return a.textContent.localeCompare(b.textContent) * (up ? 1 : -1);
  };
  const sortBy = (table, head, column) => {
    const up = head.getAttribute("aria-sort") === "descending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => compare(a.cells[column], b.cells[column], up)));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    if (table.tBodies[0].rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sortBy(table, head, column));
    });
  }

  // Following a link to a trace opens it.
  const openTarget = () => {
    const target = /^#trace-\d+$/.test(location.hash) && $(location.hash.slice(1));
    if (!target) return;
    if (target.hidden) { $("filters").reset(); apply(); }
    target.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", openTarget);

  // Traces: filter, search, order.
  const rows = [...document.querySelectorAll("#trace-list > details")];
  const about = (row) => numbers.traces[Number(row.dataset.i)];
  const words = new Map();
  const text = (row) => {
    if (!words.has(row)) words.set(row, row.textContent.toLowerCase());
    return words.get(row);
  };
  const fits = (row, wanted) => {
    const it = about(row);
    return (!wanted.verdict || it.verdict === wanted.verdict)
      && (!wanted.detection || it.detection === wanted.detection)
      && (!wanted.tag || it.tags.includes(wanted.tag))
      && wanted.words.every((word) => text(row).includes(word));
  };
  function apply() {
    const wanted = {
      verdict: $("by-verdict").value, detection: $("by-detection").value, tag: $("by-tag").value,
      words: $("search").value.toLowerCase().split(/\s+/).filter(Boolean),
    };
    let shown = 0;
    for (const row of rows) { row.hidden = !fits(row, wanted); shown += !row.hidden; }
    $("found").textContent = shown === rows.length ? `${rows.length} traces` : `${shown} of ${rows.length} traces`;
  }
  const orders = {
    "": (a, b) => a.dataset.i - b.dataset.i,
    lowest: (a, b) => (about(a).lowest ?? 9) - (about(b).lowest ?? 9) || a.dataset.i - b.dataset.i,
    outcome: (a, b) => (about(b).outcome_score ?? -9) - (about(a).outcome_score ?? -9) || a.dataset.i - b.dataset.i,
    steps: (a, b) => about(b).steps - about(a).steps || a.dataset.i - b.dataset.i,
  };
  const fill = (id, values) => {
    const unique = [...new Set(values)].sort();
    for (const value of unique) {
      const option = document.createElement("option");
      option.value = option.textContent = value;
      $(id).append(option);
    }
    $(id).parentNode.hidden = unique.length < 2;
  };
  if (rows.length) {
    fill("by-verdict", numbers.traces.map((it) => it.verdict));
    fill("by-detection", numbers.traces.map((it) => it.detection));
    fill("by-tag", numbers.traces.flatMap((it) => it.tags));
    $("filters").hidden = false;
    $("filters").addEventListener("input", apply);
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    $("order").addEventListener("change", () => $("trace-list").append(...rows.sort(orders[$("order").value])));
    $("fold").addEventListener("click", () => {
      const shown = rows.filter((row) => !row.hidden);
      const open = shown.some((row) => !row.open);
      for (const row of shown) row.open = open;
      $("fold").textContent = open ? "Close shown" : "Open shown";
    });
    apply();
  }
  openTarget();

  // Keys: / searches, j and k go from trace to trace.
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "/" && rows.length) { event.preventDefault(); $("search").focus(); }
    if (event.key !== "j" && event.key !== "k") return;
    const shown = rows.filter((row) => !row.hidden);
    const at = shown.indexOf(document.activeElement.closest("#trace-list > details"));
    const next = shown[event.key === "j" ? at + 1 : Math.max(0, at - 1)];
    if (next) next.querySelector("summary").focus();
  });

  $("save").hidden = false;
  $("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([$("numbers").textContent], { type: "application/json" }));
    link.download = "report.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
})();
