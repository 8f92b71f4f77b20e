// The explorer's own controls. What is chosen is Python's to know: these show what they are told, and say what was clicked.
// Contacts' text goes into the page as text alone (textContent, title, value), never as markup.

const ROW = 28;
const TALLEST = 8_000_000; // pixels: browsers end a page at some 16 to 33 million
const MARKS = { "": "", in: "✓", all: "✓", out: "−" };
const DOES = { "": "let go", in: "include", all: "include", out: "exclude" };
const STATES = { "": "not chosen", in: "included", all: "included", out: "excluded" };

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function later(call, milliseconds) {
  let waiting;
  return (...values) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => call(...values), milliseconds);
  };
}

function isDark() {
  const light = document.body.dataset.jpThemeLight;
  if (light) return light === "false";
  if (document.body.classList.contains("vscode-dark")) return true;
  const found = getComputedStyle(document.body).backgroundColor.match(/\d+(\.\d+)?/g);
  if (!found || (found.length > 3 && Number(found[3]) === 0)) return matchMedia("(prefers-color-scheme: dark)").matches;
  return (Number(found[0]) + Number(found[1]) + Number(found[2])) / 3 < 100;
}

// Redraw without losing the place of whoever is typing or going through with the keyboard.
function redraw(root, build) {
  const held = root.contains(document.activeElement) ? document.activeElement : null;
  const key = held?.dataset.key;
  const selection = held && "selectionStart" in held ? [held.selectionStart, held.selectionEnd] : null;
  const typed = held?.tagName === "INPUT" && held.type === "text" ? held.value : null;
  const open = new Map([...root.querySelectorAll("details[data-fold]")].map((one) => [one.dataset.fold, one.open]));
  const scrolled = new Map([...root.querySelectorAll("[data-scroll]")].map((one) => [one.dataset.scroll, one.scrollTop]));
  root.replaceChildren(...build());
  for (const one of root.querySelectorAll("details[data-fold]")) if (open.has(one.dataset.fold)) one.open = open.get(one.dataset.fold);
  for (const one of root.querySelectorAll("[data-scroll]")) one.scrollTop = scrolled.get(one.dataset.scroll) ?? 0;
  if (!key) return;
  const again = root.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!again) return;
  if (typed !== null) again.value = typed;
  again.focus({ preventScroll: true });
  if (selection && selection[0] !== null) try { again.setSelectionRange(...selection); } catch { /* a date has none */ }
}

function facets(say, root) {
  const typing = later((message) => say(message), 250);
  let dragged = null;

  function values(one) {
    const most = Math.max(1, ...one.values.map((value) => value.count));
    const include = one.all ? (modes.get(one.field) ?? (one.values.some((value) => value.state === "in") ? "in" : "all")) : "in";
    const buttons = one.values.map((value, place) => {
      const next = value.state === "" ? include : value.state === "out" || one.field === "area_codes" ? "" : "out";
      return make("button", {
        type: "button", class: "sb-value", "data-state": value.state, "data-empty": value.count === 0, "data-key": `${one.field} ${value.key}`, title: `${value.label}: click to ${DOES[next]}`,
        style: `--share:${(100 * value.count) / most}%`, tabindex: place ? "-1" : "0",
        "aria-label": `${one.label} ${value.label}: ${value.count.toLocaleString("en")} contacts, ${STATES[value.state]}`,
        onclick: () => say({ type: "choose", field: one.field, key: value.key, state: next }),
      }, text("span", MARKS[value.state], "sb-mark"), text("span", value.label, "sb-name"),
      text("span", value.count.toLocaleString("en"), "sb-count"));
    });
    return make("div", { class: "sb-values", "data-scroll": one.field, role: "group", "aria-label": one.label, onkeydown: move }, ...buttons);
  }

  // One stop of the Tab key a list; the arrow keys go through it.
  function move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...event.currentTarget.querySelectorAll("button")];
    const next = all[all.indexOf(document.activeElement) + step];
    if (next) { next.focus(); event.preventDefault(); }
  }

  const modes = new Map();
  function facet(one, search) {
    const chosen = one.values.filter((value) => value.state).length;
    const parts = [make("input", { type: "text", "data-key": `search ${one.field}`, placeholder: "Find…", "aria-label": `Find in ${one.label}`, value: search,
      oninput: (event) => typing({ type: "search", field: one.field, text: event.target.value }) })];
    if (one.all) parts.push(select("mode", "Has", [["all", "all of these"], ["in", "any of these"]],
      modes.get(one.field) ?? (one.values.some((value) => value.state === "in") ? "in" : "all"), (value) => {
        modes.set(one.field, value);
        for (const held of one.values) if (held.state === "all" || held.state === "in")
          say({ type: "choose", field: one.field, key: held.key, state: value });
      }));
    parts.push(values(one));
    if (one.more) parts.push(text("div", `${one.more.toLocaleString("en")} more: find them by name`, "sb-note"));
    return make("details", { class: "sb-facet", "data-fold": one.field, open: one.open,
      ontoggle: (event) => { if (event.target.open !== one.open) say({ type: "open", field: one.field, open: event.target.open }); } },
      make("summary", {}, one.label, text("span", chosen ? ` (${chosen} chosen)` : "", "sb-count")), ...parts);
  }

  function select(name, label, options, value, chosen) {
    const control = make("select", { "data-key": name, "aria-label": label, onchange: (event) => chosen(event.target.value) },
      ...options.map(([key, words]) => { const one = make("option", { value: key, selected: key === value }); one.textContent = words; return one; }));
    return make("label", {}, label, control);
  }

  function field(name, label, value, type = "text") {
    return make("label", {}, label, make("input", { type, value, "data-key": name, "aria-label": label,
      [type === "text" ? "oninput" : "onchange"]: (event) => (type === "text" ? typing : say)({ type: "set", name, value: event.target.value }) }));
  }

  function months(told) {
    const most = Math.max(1, ...told.months.map((month) => month.count));
    const from = told.days.created_from, before = told.days.created_before;
    const bars = told.months.map((month, place) => make("button", {
      type: "button", class: "sb-month", "data-key": `month ${month.day}`, "data-place": place, tabindex: place ? "-1" : "0",
      title: `From ${month.label}: ${month.count.toLocaleString("en")} contacts`, "aria-label": `Created from ${month.label}: ${month.count.toLocaleString("en")} contacts`,
      "aria-pressed": String(Boolean((from || before) && (!from || month.day >= from) && (!before || month.day < before))),
    }, make("i", { style: `height:${(100 * month.count) / most}%` })));
    const brush = (first, last) => {
      const [low, high] = [Math.min(first, last), Math.max(first, last)];
      say({ type: "days", created_from: told.months[low].day, created_before: told.months[high].next });
    };
    const place = (event) => {
      const hit = document.elementFromPoint(event.clientX, event.clientY)?.closest?.(".sb-month");
      return hit ? Number(hit.dataset.place) : null;
    };
    const mark = (end) => {
      const [low, high] = [Math.min(dragged, end), Math.max(dragged, end)];
      bars.forEach((bar, at) => bar.setAttribute("aria-pressed", String(at >= low && at <= high)));
    };
    const strip = make("div", { class: "sb-months", role: "group", "aria-label": "Created, by month: press a bar, or draw over several",
      onpointerdown: (event) => { dragged = place(event); event.preventDefault(); },
      onpointermove: (event) => { const end = dragged === null ? null : place(event); if (end !== null) mark(end); },
      onpointerup: (event) => { const end = place(event); if (dragged !== null && end !== null) brush(dragged, end); dragged = null; },
      onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { const at = Number(event.target.dataset.place); brush(at, at); event.preventDefault(); } else move(event); },
    }, ...bars);
    return make("details", { class: "sb-facet", "data-fold": "created", open: true }, make("summary", {}, "Created"), strip,
      told.months.length ? make("div", { class: "sb-ends sb-note", "aria-hidden": "true" }, text("span", told.months[0].label), text("span", told.months.at(-1).label)) : null,
      select("created_within", "Within", told.spans.map((one) => [one.value, one.label]), told.within, (value) => say({ type: "set", name: "created_within", value })),
      make("div", { class: "sb-two" }, field("created_from", "From", from, "date"), field("created_before", "Before", before, "date")));
  }

  const outer = make("details", { open: true, "data-wide": "" }, make("summary", {}, "Filters"));
  const body = make("div", { class: "sb-facets" });
  outer.append(body);
  root.append(outer);
  let narrow = null;
  const watch = new ResizeObserver(() => {
    const width = root.closest(".sendblue-explorer")?.clientWidth ?? 1000;
    if (narrow !== width < 900) { narrow = width < 900; outer.open = !narrow; }
  });
  const attached = () => watch.observe(root.closest(".sendblue-explorer") ?? root);

  return {
    show: (told) => redraw(body, () => [
      field("text", "Search name, company, phone or owner", told.text),
      text("div", "Click a value to include it, again to exclude it.", "sb-note"),
      facet(told.facets[0], told.searches[told.facets[0].field] ?? ""),
      make("details", { class: "sb-facet", "data-fold": "state", open: true }, make("summary", {}, "State"),
        make("div", { class: "sb-two" }, ...told.choices.map((one) => select(one.name, one.label, one.options.map((option) => [option, option]), one.value,
          (value) => say({ type: "set", name: one.name, value }))))),
      months(told),
      ...told.facets.slice(1).map((one) => facet(one, told.searches[one.field] ?? "")),
      make("details", { class: "sb-facet", "data-fold": "variable", open: Boolean(told.variable) }, make("summary", {}, "Custom variable"),
        select("variable", "Variable", [["", "any"], ...told.variables.map((one) => [one.value, one.label])], told.variable, (value) => say({ type: "set", name: "variable", value })),
        select("test", "Test", told.tests.map((one) => [one, one]), told.test, (value) => say({ type: "set", name: "test", value })),
        field("value", "Value", told.value)),
    ]),
    attached,
    close: () => watch.disconnect(),
  };
}

function text(name, words, kind) {
  const element = make(name, kind ? { class: kind } : {});
  element.textContent = words;
  return element;
}

function chips(say, root) {
  return {
    show: (told) => redraw(root, () => {
      const pieces = [text("span", told.groups.length ? "Contacts" : "All contacts")];
      for (const group of told.groups) {
        const words = [group.joined, group.words].filter(Boolean).join(" ");
        if (words) pieces.push(text("span", words));
        for (const one of group.chips) pieces.push(make("button", { type: "button", class: "sb-chip", title: one.label, "data-key": JSON.stringify(one.remove),
          "aria-label": `Take out: ${group.words} ${one.label}`, onclick: () => say(one.remove) }, text("span", `${one.label} `), text("span", "×")));
      }
      if (told.groups.length) pieces.push(
        make("button", { type: "button", "data-key": "or", title: "Contacts of these filters, or of others that you choose next", onclick: () => say({ type: "or" }) }, "Or…"),
        make("button", { type: "button", "data-key": "clear", onclick: () => say({ type: "clear" }) }, "Clear all"));
      return [make("div", { class: "sb-sentence", role: "group", "aria-label": "Chosen filters" }, ...pieces)];
    }),
    close: () => {},
  };
}

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

function code(say, root) {
  const shown = make("pre", { tabindex: "0", "aria-label": "Code of the selection" });
  const done = text("span", "", "sb-note");
  done.setAttribute("role", "status");
  const copy = make("button", { type: "button", onclick: async () => {
    try { await navigator.clipboard.writeText(shown.textContent); } catch {
      const range = document.createRange();
      range.selectNodeContents(shown);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
    done.textContent = " Copied.";
  } }, "Copy");
  root.append(shown, copy, done);
  return { show: (told) => { shown.textContent = told.code; done.textContent = ""; }, close: () => {} };
}

const PARTS = { facets, chips, table, code };

export default {
  render({ model, el }) {
    const root = make("div", { class: "sb-part" });
    el.append(root);
    el.style.width = "100%";
    const part = PARTS[model.get("part")]((message) => model.send(message), root);
    const hear = (message) => { if (message.show) part.show(message.show); };
    model.on("msg:custom", hear);
    const theme = () => model.send(model.get("part") === "chips" ? { type: "ready", dark: isDark() } : { type: "ready" });
    const watch = new MutationObserver(theme);
    if (model.get("part") === "chips") watch.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
    // The box around it is in the page only after this returns.
    requestAnimationFrame(() => { part.attached?.(); theme(); });
    return () => { part.close(); watch.disconnect(); model.off("msg:custom", hear); };
  },
};
