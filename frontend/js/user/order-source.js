/** What an order is made from when it is no repository: an image of a registry, or an uploaded archive. */

import { post } from "/js/core/api.js";
import { html, icon, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { fieldError, values } from "/js/shared/form.js";
import { checkResult } from "/js/shared/source-access.js";
import { dropzone, send, showUploaded, takeFiles } from "/js/shared/upload.js";

export const KINDS = ["git", "image", "archive"];

let view = null;

export const kindChoice = (chosen, kinds, action) => html`<fieldset class="field"><legend class="label">${t("sources.kind_label")}</legend>
  <div class="choices kinds" data-testid="kinds">${kinds.map(
    (kind) => html`<label class="choice"><input type="radio" name="source.kind" value="${kind}" data-action="${action}" ${kind === chosen && html`checked`}><strong>${t(`sources.by_${kind}`)}</strong></label>`,
  )}</div></fieldset>`;

export const imageFields = ({ image, port } = {}) => html`<div class="pair">
  <div class="field"><label for="source-image">${t("sources.image")}</label>
    <input class="input mono" id="source-image" name="source.image" required maxlength="500" value="${image ?? ""}" placeholder="ghcr.io/you/app:1" autocomplete="off" autocapitalize="off" spellcheck="false" aria-describedby="source-image-hint">
    <p class="hint" id="source-image-hint">${t("sources.image_hint")}</p></div>
  <div class="field"><label for="source-port">${t("sources.port")} <span class="muted">${t("form.optional")}</span></label>
    <input class="input" id="source-port" name="source.port" type="number" inputmode="numeric" min="1" max="65535" value="${port ?? ""}" aria-describedby="source-port-hint">
    <p class="hint" id="source-port-hint">${t("sources.port_hint")}</p></div></div>`;

const login = () => html`<details><summary>${t("sources.login")}</summary><div class="stack tight"><p class="hint">${t("sources.login_hint")}</p><div class="pair">
  <div class="field"><label for="image-username">${t("sources.username")}</label>
    <input class="input" id="image-username" name="image.username" maxlength="200" autocomplete="off" autocapitalize="off" spellcheck="false"></div>
  <div class="field"><label for="image-password">${t("sources.password")}</label>
    <input class="input mono" id="image-password" name="image.password" type="password" maxlength="4000" autocomplete="off"></div></div></div></details>`;

/** Fills `place`; `changed` is called when another kind was chosen. */
export function offerKinds(place, form, kinds, changed) {
  view = { place, form, kind: "git", archive: null, changed };
  render(place, html`${kindChoice("git", kinds, "order.kind")}<div class="stack kind-fields" data-part="other"></div>`);
}

export const kind = () => view?.kind ?? "git";

function draw() {
  const other = view.place.querySelector("[data-part=other]");
  view.archive = null;
  if (view.kind === "image") render(other, html`${imageFields()}${login()}<div class="row"><button class="button" type="button" data-action="order.check" data-testid="check-image">${icon("check")}${t("sources.check")}</button></div><div data-part="result" aria-live="polite"></div>`);
  else render(other, view.kind === "archive" ? dropzone("source-archive") : "");
  if (view.kind === "archive") takeFiles(other, (file) => take(other, file));
}

async function take(place, file) {
  const project = view.form.elements.project_id.value;
  view.archive = await send(place, `/archives${project ? `?project_id=${project}` : ""}`, file);
  if (view.archive) showUploaded(place, view.archive);
}

/** Asks the registry for the image as the form names it. */
export async function checkImage(button) {
  const input = view.form.elements["source.image"];
  fieldError(view.form, input.name, input.value.trim() ? "" : t("form.required"));
  if (!input.value.trim()) return void input.focus();
  if (button.getAttribute("aria-busy") === "true") return;
  const place = view.place.querySelector("[data-part=result]");
  button.setAttribute("aria-busy", "true");
  try {
    render(place, checkResult(await post("/source-checks", otherSource(values(view.form)))));
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    render(place, html`<div class="callout" data-tone="bad" role="status">${Object.values(error.fields)[0] ?? error.message}</div>`);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** Whether nothing is missing; puts the focus on what is. */
export function otherComplete() {
  if (kind() !== "archive" || view.archive) return true;
  fieldError(view.form, "source-archive", t("sources.archive_missing"));
  view.form.elements["source-archive"].focus();
  return false;
}

/** What the order says of it. */
export function otherSource(given) {
  if (view.kind === "archive") return { archive_id: view.archive.id };
  const password = given["image.password"].trim();
  return {
    image: given["source.image"].trim(),
    ...(given["source.port"] && { port: Number(given["source.port"]) }),
    ...(password && { token: password, username: given["image.username"].trim() }),
  };
}

export function choose(chosen) {
  view.kind = chosen;
  draw();
  view.changed(chosen);
}
