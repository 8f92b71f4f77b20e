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

const PART = code, TELLS_THEME = false;
