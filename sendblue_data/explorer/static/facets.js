const MARKS = { "": "", in: "✓", all: "✓", out: "−" };
const DOES = { "": "let go", in: "include", all: "include", out: "exclude" };
const STATES = { "": "not chosen", in: "included", all: "included", out: "excluded" };

function later(call, milliseconds) {
  let waiting;
  return (...values) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => call(...values), milliseconds);
  };
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
      make("div", { class: "sb-two sb-dates" }, field("created_from", "From", from, "date"), field("created_before", "Before", before, "date")));
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

const PART = facets, TELLS_THEME = false;
