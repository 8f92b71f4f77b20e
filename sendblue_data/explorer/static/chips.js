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

const PART = chips, TELLS_THEME = true;
