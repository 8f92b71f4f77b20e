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
