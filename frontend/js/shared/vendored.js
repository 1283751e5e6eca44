/** Scripts of others, under `/vendor/`: their sheets are put into the page when they are needed. */

const sheets = new Map();

/** Puts a sheet of `/vendor/` into the page, once. */
export function sheet(path) {
  if (!sheets.has(path)) {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `/vendor/${path}` });
    document.head.append(link);
    sheets.set(path, new Promise((loaded, failed) => Object.assign(link, { onload: loaded, onerror: failed })));
  }
  return sheets.get(path);
}
