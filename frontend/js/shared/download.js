/** A file of the API, kept by the browser: a link could not carry the access token. */

import { authorised } from "/js/core/api.js";

export async function download(path, query, name) {
  const asked = Object.entries(query).filter(([, value]) => value);
  const answer = await authorised(`${path}?${new URLSearchParams(asked)}`);
  const address = URL.createObjectURL(await answer.blob());
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
