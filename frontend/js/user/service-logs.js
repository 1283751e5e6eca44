/** What a service itself writes: the newest page, then live. */

import { get } from "/js/core/api.js";
import { dateTime, t } from "/js/core/i18n.js";
import { logView } from "/js/shared/log.js";
import { follow } from "/js/shared/stream.js";

const NEWEST = 500;

/** While one release takes over from another both write, so each line says whose it is. */
function releaseOf({ release, release_started_at: since }) {
  if (!release) return "";
  const time = since ? dateTime(since) : "";
  return t("service.log_release", { release, time }).replace(/ · $/, "");
}

export async function open(root, { service, signal }) {
  const holder = root.appendChild(document.createElement("div"));
  const log = logView(holder, t("service.log"), releaseOf);
  const page = await get(`/services/${service.id}/log`, { size: NEWEST }, signal);
  log.append(page.lines);
  if (page.truncated) log.note(t("log.truncated"));
  let after = page.next;
  const path = () => `/services/${service.id}/log/stream${after ? `?${new URLSearchParams({ after })}` : ""}`;
  const receive = (event, line) => {
    if (event !== "log" || line.cursor === after) return;
    after = line.cursor;
    log.append([line]);
  };
  // Goes on while the tab is open, so the page must not wait for it.
  follow(path, receive, signal);
}
