// The few words in which this page speaks to the DOM; text always enters through textContent.

/** The element that the HTML of this page promises; a missing one is our mistake, so it throws. */
export function need<E extends HTMLElement>(id: string, kind: new () => E): E {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page lacks #${id}`);
  return element;
}

/** A new element with a class and, where given, a text. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  text?: string,
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Sets a text only when it changed, so that live regions do not repeat themselves. */
export function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows a message, or hides its element when there is none. */
export function note(element: HTMLElement, text: string | null): void {
  element.hidden = text === null;
  say(element, text ?? '');
}
