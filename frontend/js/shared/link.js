/** Where links of letters lead: confirming an address, taking one back; and the page that says to look for them. */

import { ApiError, openly, profile, signOut } from "/js/core/api.js";
import { refreshAccount } from "/js/core/app.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";

let taken = { path: "", token: "" };
let view = null;

/**
 * The token of the address, which then leaves the address: it would stay in the history and be seen on
 * screenshots. It is remembered for its page, which is built again when another language is chosen, and
 * which people come back to after signing in.
 */
export function takeToken() {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (token !== null) {
    taken = { path: url.pathname, token };
    url.searchParams.delete("token");
    history.replaceState(history.state, "", url);
  }
  return taken.path === url.pathname ? taken.token : "";
}

const button = (path, label) => html`<div><a class="button primary" href="${path}">${label}</a></div>`;

function say(title, text, further) {
  render(view.body, html`<h1 tabindex="-1">${title}</h1><p>${text}</p>${further}`);
  view.body.querySelector("h1").focus();
}

function explain(error) {
  if (error.name !== "ApiError") throw error;
  const further = profile() ? button("/profile", t("link.to_profile")) : button("/login", t("login.submit"));
  say(t("link.failed"), error.message, further);
}

async function confirm() {
  // A link that lost its token on the way is as good as one that is spent.
  if (!view.token) throw new ApiError({ status: 400, code: "link_invalid" });
  // Built again in another language, the page tells what came out.
  view.outcome ??= openly("/users/verify", { token: view.token });
  const { email } = await view.outcome;
  if (profile()) await refreshAccount();
  const further = profile() ? button("/services", t("link.go_on")) : button("/login", t("login.submit"));
  say(t("link.confirmed"), t("link.confirmed_text", { email }), further);
}

function offerReturn() {
  say(
    t("restore.title"),
    t("restore.text"),
    html`<div><button class="button primary" type="button" data-action="link.restore">${t("restore.submit")}</button></div>`,
  );
}

const PAGES = {
  "/verify-email": () => confirm().catch(explain),
  "/restore-email": offerReturn,
  "/check-mail": () => say(t("check_mail.title"), t("check_mail.text"), button("/login", t("login.submit"))),
};

export async function mount(root) {
  const token = takeToken();
  const outcome = view?.token === token ? view.outcome : undefined;
  view = { body: root.querySelector("[data-part=body]"), token, outcome };
  await PAGES[location.pathname.replace(/\/$/, "")]();
}

export const actions = {
  "link.restore": async () => {
    try {
      const { email } = await openly("/users/email-restore", { token: view.token });
      if (profile()) await signOut();
      say(t("restore.done"), t("restore.done_text", { email }), button("/forgot", t("forgot.title")));
    } catch (error) {
      explain(error);
    }
  },
};
