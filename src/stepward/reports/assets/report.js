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

  // Search trees: lines are made when their parent is opened, so that thousands of prefixes stay quick.
  const shown = (value) => (value === null ? "\u2013" : value.toFixed(2));
  const plant = (box) => {
    const nodes = numbers.trees[Number(box.dataset.tree)].map(
      ([parent, text, score, level, state, reason, visits, value, copies, tokens, chosen], id) =>
        ({ id, parent, text, score, level, state, reason, visits, value, copies, tokens, chosen, below: [] }));
    for (const node of nodes) if (node.parent !== null) nodes[node.parent].below.push(node);
    const lines = new Map();
    const part = (name, text, line) => {
      const made = document.createElement("span");
      made.className = name;
      made.textContent = text;
      line.append(made);
    };
    const about = (node) => [
      node.state === "open" || node.id === 0 ? "" : node.state,
      node.below.length ? `${node.below.length} below` : "",
      node.copies > 1 ? `${node.copies} draws` : "",
      node.visits ? `${node.visits} visits, value ${shown(node.value)}` : "",
      node.tokens ? `${node.tokens} tokens` : "",
      node.reason,
    ].filter(Boolean).join(" \u00b7 ");
    const make = (node, depth) => {
      const item = document.createElement("div");
      item.setAttribute("role", "treeitem");
      item.setAttribute("aria-level", depth + 1);
      if (node.below.length) item.setAttribute("aria-expanded", "false");
      item.tabIndex = -1;
      item.className = `prefix ${node.state}${node.chosen ? " chosen" : ""}`;
      const line = document.createElement("div");
      line.className = "line";
      part("twist", "", line);
      part(`chip${node.level === null ? "" : " s" + node.level}`, shown(node.score), line);
      part("step", node.id === 0 ? "(start)" : node.text.replace(/^\n+|\n+$/g, "") || "(end)", line);
      part("facts", about(node), line);
      item.append(line);
      lines.set(item, { node, depth });
      return item;
    };
    const toggle = (item, open) => {
      const { node, depth } = lines.get(item);
      if (!node.below.length) return;
      item.setAttribute("aria-expanded", String(open));
      let group = item.querySelector(":scope > [role=group]");
      if (open && !group) {
        group = document.createElement("div");
        group.setAttribute("role", "group");
        group.append(...node.below.map((child) => make(child, depth + 1)));
        item.append(group);
      }
      if (group) group.hidden = !open;
    };
    const openAll = (item) => {
      const waiting = [item];
      while (waiting.length) {
        const at = waiting.pop();
        toggle(at, true);
        waiting.push(...at.querySelectorAll(":scope > [role=group] > [role=treeitem]"));
      }
    };
    const tree = box.querySelector(".tree");
    const root = make(nodes[0], 0);
    tree.append(root);
    for (let at = root; at; at = [...at.querySelectorAll(":scope > [role=group] > .chosen")].pop()) toggle(at, true);
    root.tabIndex = 0;
    let held = root;
    const focus = (item) => {
      if (!item) return;
      held.tabIndex = -1;
      held = item;
      item.tabIndex = 0;
      item.focus();
    };
    const isOpen = (item) => item.getAttribute("aria-expanded") === "true";
    const up = (item) => item.parentNode.closest("[role=treeitem]");
    const below = (item) => item.querySelector(":scope > [role=group]");
    const last = (item) => { while (isOpen(item)) item = below(item).lastElementChild; return item; };
    const next = (item) => {
      if (isOpen(item)) return below(item).firstElementChild;
      while (item && !item.nextElementSibling) item = up(item);
      return item && item.nextElementSibling;
    };
    const before = (item) => (item.previousElementSibling ? last(item.previousElementSibling) : up(item));
    const moves = {
      ArrowDown: (item) => focus(next(item)),
      ArrowUp: (item) => focus(before(item)),
      ArrowRight: (item) => (isOpen(item) ? focus(below(item).firstElementChild) : toggle(item, true)),
      ArrowLeft: (item) => (isOpen(item) ? toggle(item, false) : focus(up(item))),
      Home: () => focus(root),
      End: () => focus(last(root)),
      Enter: (item) => { item.classList.toggle("whole"); toggle(item, !isOpen(item)); },
      "*": openAll,
    };
    tree.addEventListener("keydown", (event) => {
      const item = event.target.closest("[role=treeitem]");
      if (!item || !moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      moves[event.key](item);
    });
    tree.addEventListener("click", (event) => {
      const item = event.target.closest("[role=treeitem]");
      if (!item || String(getSelection())) return;
      item.classList.toggle("whole");
      if (!event.target.closest(".step")) toggle(item, !isOpen(item));
      focus(item);
    });
  };
  for (const box of document.querySelectorAll(".tree-box")) {
    const once = () => { if (box.open && !box.dataset.planted) { box.dataset.planted = "1"; plant(box); } };
    box.addEventListener("toggle", once);
    once();
  }

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
