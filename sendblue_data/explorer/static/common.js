// The explorer's own controls. What is chosen is Python's to know: these show what they are told, and say what was clicked.
// Contacts' text goes into the page as text alone (textContent, title, value), never as markup.

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

function text(name, words, kind) {
  const element = make(name, kind ? { class: kind } : {});
  element.textContent = words;
  return element;
}
