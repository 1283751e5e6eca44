/** Putting text into the clipboard. */

export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Clipboard access needs a secure context; a panel on a plain http LAN address has this way only.
  const area = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
  // What is outside an open dialog cannot be selected.
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
