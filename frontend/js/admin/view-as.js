/** Looking at an account as its user sees it: the token in memory, and a banner on every page. */

import { loadProfile, post, remove, viewAs } from "/js/core/api.js";
import { accountChanged, navigate } from "/js/core/app.js";
import { html, icon, offer, render } from "/js/core/dom.js";
import { clock, loadTexts, t } from "/js/core/i18n.js";
import { toast } from "/js/shared/toast.js";

const LEFT_OPEN = "gavan.viewing";

/** The token does not outlive the page: after a reload people must hear whose account they are in. */
export async function sayOver() {
  sessionStorage.removeItem(LEFT_OPEN);
  await loadTexts("staff");
  toast(t("staff.viewing_over"), "warn");
}

function banner(user, until) {
  const bar = Object.assign(document.createElement("aside"), { className: "viewing" });
  bar.dataset.testid = "viewing";
  const say = () => {
    bar.setAttribute("aria-label", t("staff.viewing_label"));
    render(
      bar,
      html`${icon("eye")}<p>${t("staff.viewing", { name: user.email, time: clock(until).slice(0, 5) })}</p>
        <button class="button" type="button" data-action="viewing.leave" data-testid="leave-viewing">${t("staff.leave")}</button>`,
    );
  };
  say();
  // The banner outlives the pages, so it follows a change of the language by itself.
  const language = new MutationObserver(say);
  language.observe(document.documentElement, { attributeFilter: ["lang"] });
  document.getElementById("column").append(bar);
  // Toasts and the end of the page stay above it, however many lines it has.
  const size = new ResizeObserver(() => document.body.style.setProperty("--viewing", `${bar.offsetHeight}px`));
  size.observe(bar);
  return () => {
    language.disconnect();
    size.disconnect();
    bar.remove();
  };
}

/**
 * Asks for the token; gives a function that enters the account with it.
 * @param {{id:string, email:string}} user
 * @param {{reason:string, letter:boolean}} wish
 */
export async function lookAs(user, wish) {
  const place = `/admin/users/${user.id}`;
  const started = await post(`${place}/view-as`, wish);
  return async () => {
    const over = new AbortController();
    const back = async (message) => {
      over.abort();
      viewAs(null);
      accountChanged(await loadProfile());
      if (message) toast(message, "warn");
      await navigate(place);
    };
    // Nobody waits for this one: what fails on the way back is said by the page that it leads to.
    const end = () => back(t("staff.viewing_over")).catch(() => {});
    viewAs({ token: started.access_token, ended: (signedOut) => (signedOut ? over.abort() : end()) });
    sessionStorage.setItem(LEFT_OPEN, user.id);
    const takeAway = banner(user, started.expires_at);
    const timer = setTimeout(end, started.expires_in * 1000);
    over.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      sessionStorage.removeItem(LEFT_OPEN);
      takeAway();
    });
    offer(
      {
        "viewing.leave": async () => {
          await back();
          await remove(`${place}/view-as`);
        },
      },
      over.signal,
    );
    accountChanged(await loadProfile());
    await navigate("/services");
  };
}
