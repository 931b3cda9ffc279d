"use strict";
(() => {
  const plots = [...document.querySelectorAll("[data-chart]")];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const nonce = document.currentScript.nonce;
  let printing = false;

  const NIGHT = JSON.parse(document.getElementById("night").textContent);

  function themed(figure) {
    const night = dark.matches && !printing;
    const made = JSON.parse(JSON.stringify(figure), (key, value) => (night && typeof value === "string" && NIGHT[value]) || value);
    made.layout.font = { ...(made.layout.font || {}), color: night ? "#c3ccd6" : "#48525d" };
    made.layout.hoverlabel = { bgcolor: night ? "#1d232a" : "#fff", font: { color: night ? "#e5e9ee" : "#1c2430" } };
    delete made.layout.width;
    made.layout.autosize = true;
    return made;
  }

  function draw(plot) {
    const figure = themed(JSON.parse(document.getElementById("chart-" + plot.dataset.chart).textContent));
    const off = plot.querySelector(".off");
    if (off) off.remove();
    return Plotly.react(plot, figure.data, figure.layout, { responsive: true, displayModeBar: false, showTips: false });
  }

  async function unpack() {
    const bytes = Uint8Array.from(atob(document.getElementById("library").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.nonce = nonce;
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  async function drawAll() {
    if (!plots.length || !("DecompressionStream" in window)) return;
    await unpack();
    for (const plot of plots) {
      await draw(plot);
      await new Promise((done) => setTimeout(done, 0));
    }
    document.documentElement.dataset.drawn = String(plots.length);
  }

  function again() { if (window.Plotly) plots.forEach(draw); }

  function widths(width) {
    if (!window.Plotly) return;
    for (const plot of plots) Plotly.relayout(plot, width ? { width } : { width: null, autosize: true });
  }

  function key(row, column) {
    const cell = row.cells[column];
    if (cell.dataset.sort) return parseFloat(cell.dataset.sort);
    const value = cell.textContent.trim();
    const figure = parseFloat(value.replaceAll(signs.group || ",", "").replace(signs.point || ".", "."));
    return Number.isNaN(figure) ? String(value).toLowerCase() : figure;
  }

  const signs = document.documentElement.dataset;

  function sort(table, column, head) {
    const up = head.getAttribute("aria-sort") !== "ascending";
    table.querySelectorAll("th").forEach((th) => th.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => { const x = key(a, column), y = key(b, column); return (typeof x === typeof y ? (x > y) - (x < y) : typeof x === "number" ? -1 : 1) * (up ? 1 : -1); });
    table.tBodies[0].append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("th").forEach((head, column) => {
      const button = document.createElement("button");
      button.textContent = head.textContent;
      button.title = document.body.dataset.sortWord;
      head.replaceChildren(button);
      button.addEventListener("click", () => sort(table, column, head));
    });
  }

  for (const box of document.querySelectorAll(".ib")) {
    const rows = [...box.querySelectorAll("tr.q")].map((row) => [row, row.textContent.toLowerCase()]);
    const search = document.createElement("input");
    search.type = "search";
    search.placeholder = document.body.dataset.searchWord;
    search.setAttribute("aria-label", document.body.dataset.searchWord);
    box.prepend(search);
    search.addEventListener("input", () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const [row, text] of rows) row.hidden = !words.every((word) => text.includes(word));
    });
  }

  dark.addEventListener("change", again);
  addEventListener("beforeprint", () => { printing = true; document.querySelectorAll("main > section > details").forEach((d) => (d.open = true)); again(); widths(640); });
  addEventListener("afterprint", () => { printing = false; again(); widths(0); });
  drawAll();
})();
