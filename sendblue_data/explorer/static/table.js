const ROW = 28;
const TALLEST = 8_000_000; // pixels: browsers end a page at some 16 to 33 million

function table(say, root) {
  let told = null, asked = 0, rows = new Map(), pending = null;
  const words = text("span", "", "sb-note");
  words.setAttribute("role", "status");
  const whole = make("input", { type: "checkbox", onchange: (event) => say({ type: "whole", value: event.target.checked }) });
  const head = make("tr"), body = make("tbody");
  const columns = make("colgroup");
  const grid = make("div", { class: "sb-grid", tabindex: "0", role: "region", "aria-label": "Contacts" },
    make("table", {}, columns, make("thead", {}, head), body));
  root.append(make("div", { class: "sb-bar" }, words, make("label", {}, whole, "Show phones, names and addresses whole")), grid);

  const scale = () => Math.max(1, (told.total * ROW) / TALLEST);
  const visible = () => {
    const first = Math.floor((grid.scrollTop * scale()) / ROW);
    return [Math.max(0, Math.min(first, told.total - Math.ceil(grid.clientHeight / ROW))), Math.ceil(grid.clientHeight / ROW) + 2];
  };

  function draw() {
    if (!told) return;
    const [first, count] = visible();
    const last = Math.min(told.total, first + count);
    const lines = [];
    let missing = false;
    for (let place = first; place < last; place += 1) {
      const row = rows.get(place);
      if (!row) missing = true;
      lines.push(make("tr", { "aria-rowindex": place + 2 }, ...told.columns.map((_, at) => {
        const cell = text("td", row ? row[at].slice(0, told.columns[at].shown ?? undefined) : "…");
        if (row) cell.title = row[at];
        return cell;
      })));
    }
    const tall = Math.min(TALLEST, told.total * ROW);
    const above = Math.min(grid.scrollTop, Math.max(0, tall - lines.length * ROW));
    const pad = (height) => make("tr", { class: "sb-pad", "aria-hidden": "true" }, make("td", { colspan: told.columns.length, style: `height:${Math.max(0, height)}px` }));
    body.replaceChildren(pad(above), ...lines, pad(tall - above - lines.length * ROW));
    const seen = Math.min(told.total, first + Math.max(1, Math.floor((grid.clientHeight - 30) / ROW)));
    words.textContent = told.total ? `Rows ${(first + 1).toLocaleString("en")} to ${seen.toLocaleString("en")} of ${told.total.toLocaleString("en")}` : "No contact is selected.";
    if (missing && pending !== first) {
      pending = first;
      asked += 1;
      say({ type: "rows", first: Math.max(0, first - 40), count: count + 80, asked });
    }
  }

  grid.addEventListener("scroll", () => requestAnimationFrame(draw));
  const watch = new ResizeObserver(() => draw());
  watch.observe(grid);

  return {
    show: (next) => {
      const fresh = !told || next.generation !== told.generation;
      told = next;
      if (fresh) { rows = new Map(); pending = null; grid.scrollTop = 0; }
      for (const [place, row] of next.rows.map((row, at) => [next.first + at, row])) rows.set(place, row);
      pending = null;
      whole.checked = next.whole;
      grid.firstChild.setAttribute("aria-rowcount", next.total + 1);
      const focused = head.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      columns.replaceChildren(...next.columns.map((one) => make("col", { style: `width:${one.width}px` })));
      head.replaceChildren(...next.columns.map((one) => {
        const sorted = one.name === next.by ? (next.descending ? "descending" : "ascending") : "none";
        const arrow = { ascending: "↑ ", descending: "↓ ", none: "" }[sorted];
        const inner = one.sortable
          ? make("button", { type: "button", "data-key": one.name, title: `Sort by ${one.label}`, onclick: () => say({ type: "sort", by: one.name }) }, arrow + one.label)
          : text("span", one.label);
        return make("th", { scope: "col", "aria-sort": one.sortable ? sorted : null }, inner);
      }));
      if (focused) head.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
      draw();
    },
    close: () => watch.disconnect(),
  };
}

const PART = table, TELLS_THEME = false;
