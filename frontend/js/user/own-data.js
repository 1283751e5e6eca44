/** Taking one's data along, and deleting the account. */

import { post, profile, signOut } from "/js/core/api.js";
import { html, offer, render } from "/js/core/dom.js";
import { loadTexts, t } from "/js/core/i18n.js";
import { sheet } from "/js/shared/dialog.js";
import { download } from "/js/shared/download.js";
import { complete, submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";

const question = () => html`<form class="stack" data-action="data.confirm" data-testid="deletion-form" novalidate>
  <h2 id="sheet-title">${t("data.deletion_title")}</h2>
  <p>${t("data.deletion_warning")}</p>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div class="callout" data-tone="bad" role="alert" data-part="obstacles" hidden></div>
  <div class="field"><label for="deletion-password">${t("login.password")}</label>
    <input class="input" id="deletion-password" name="password" type="password" autocomplete="current-password" required autofocus></div>
  <div class="row dialog-buttons">
    <button class="button" type="button" data-action="data.keep">${t("dialog.cancel")}</button>
    <button class="button danger primary" type="submit">${t("data.delete")}</button>
  </div></form>`;

const projectName = (id) => (profile()?.projects ?? []).find((project) => project.id === id)?.name ?? id;

function showObstacles(place, errors) {
  const item = ({ loc, code }) => html`<li><strong>${projectName(loc[1])}</strong>: ${t(`data.why.${code}`)}</li>`;
  place.hidden = !errors.length;
  render(place, html`<p>${t("data.obstacles")}</p><ul>${errors.map(item)}</ul>`);
}

/** Whether the account is gone; projects that stand in the way are named. */
async function goes(form) {
  const place = form.querySelector("[data-part=obstacles]");
  showObstacles(place, []);
  try {
    await post("/me/deletion", values(form));
  } catch (error) {
    if (error.code !== "projects_in_the_way") throw error;
    showObstacles(place, error.errors);
    return false;
  }
  return true;
}

export const actions = {
  "data.export": () => download("/me/export", {}, "gavan-account.json"),
  "data.delete": async () => {
    // The words for a wrong password are kept there.
    await loadTexts("security");
    const dialog = sheet(question(), "deletion");
    const open = new AbortController();
    dialog.addEventListener("close", () => open.abort());
    offer(
      {
        "data.keep": () => dialog.close(),
        "data.confirm": (form) =>
          complete(form) &&
          submit(form, async () => {
            if (!(await goes(form))) return;
            dialog.close();
            // From "/" there is no page to come back to.
            history.replaceState({}, "", "/");
            await signOut();
            toast(t("data.deleted"));
          }),
      },
      open.signal,
    );
  },
};
