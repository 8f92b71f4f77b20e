function isDark() {
  const light = document.body.dataset.jpThemeLight;
  if (light) return light === "false";
  if (document.body.classList.contains("vscode-dark")) return true;
  const found = getComputedStyle(document.body).backgroundColor.match(/\d+(\.\d+)?/g);
  if (!found || (found.length > 3 && Number(found[3]) === 0)) return matchMedia("(prefers-color-scheme: dark)").matches;
  return (Number(found[0]) + Number(found[1]) + Number(found[2])) / 3 < 100;
}

export default {
  render({ model, el }) {
    const root = make("div", { class: "sb-part" });
    el.append(root);
    el.style.width = "100%";
    const part = PART((message) => model.send(message), root);
    const hear = (message) => { if (message.show) part.show(message.show); };
    model.on("msg:custom", hear);
    const theme = () => model.send(TELLS_THEME ? { type: "ready", dark: isDark() } : { type: "ready" });
    const watch = new MutationObserver(theme);
    if (TELLS_THEME) watch.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
    // The box around it is in the page only after this returns.
    requestAnimationFrame(() => { part.attached?.(); theme(); });
    return () => { part.close(); watch.disconnect(); model.off("msg:custom", hear); };
  },
};
