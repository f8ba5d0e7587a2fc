// dom.js: the little that all views need.

/** A new copy of a template's elements, and a function that finds the first that a selector fits. */
export function instantiate(name) {
  const node = document.getElementById(name).content.cloneNode(true);
  const holder = document.createElement("div");

  holder.className = name;
  holder.append(node);
  return [holder, (selector) => holder.querySelector(selector)];
}

/** Sets an element's text, and only where it changes, so that a reader's selection and place are kept. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows an element with this text, or hides it where there is none. */
export function setOptional(element, text) {
  setText(element, text ?? "");
  element.hidden = !text;
}

/** Says it to a screen reader, once it has finished what it is saying. */
export function speak(text) {
  setText(document.getElementById("spoken"), text);
}

/** Is this how a session is called? */
export function isId(text) {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

/** Shows an update in a progress bar. */
export function setBar(bar, {progress, status}, text) {
  bar.setAttribute("aria-valuenow", progress);
  bar.setAttribute("aria-valuetext", text);
  bar.firstElementChild.style.width = `${progress}%`;
  bar.classList.toggle("failed", status === "failed");
  bar.classList.toggle("done", status === "processed");
}
