/** A service's image, its archive, how it is built, and logins to registries of images. */

import { patch, post, remove, replace } from "/js/core/api.js";
import { html, icon } from "/js/core/dom.js";
import { dateTime, t } from "/js/core/i18n.js";
import { ask } from "/js/shared/dialog.js";
import { complete, fieldError, submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";
import { dropzone, send, takeFiles, uploaded } from "/js/shared/upload.js";
import { imageFields } from "/js/user/order-source.js";

let view = null;

export const imagePlace = (source) => html`<form class="card stack" data-action="image.save" data-testid="image-form" novalidate>
  <h2>${t("sources.by_image")}</h2>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  ${imageFields(source)}
  <p class="hint">${t("sources.effect")}</p>
  <div class="row"><button class="button primary" type="submit">${t("form.save")}</button>
    <button class="button" type="button" data-action="image.redeploy" data-testid="save-and-redeploy">${t("variables.save_and_redeploy")}</button>
    ${source.kind === "image" && html`<button class="button" type="button" data-action="source.check" data-testid="check-access">${icon("check")}${t("sources.check_saved")}</button>`}</div>
  <div data-part="result" aria-live="polite"></div></form>`;

export const archivePlace = ({ archive }) => html`<section class="card stack" data-testid="archive-form">
  <h2>${t("sources.by_archive")}</h2>
  ${archive && html`<div><strong>${t("sources.archive_now")}</strong>${uploaded(archive)}<p class="hint"><code class="secret">${archive.digest}</code> · ${dateTime(archive.created_at)}</p></div>`}
  ${dropzone("source-archive")}<p class="hint">${t("sources.upload_deploys")}</p></section>`;

const asLines = (values) => Object.entries(values).map(([name, value]) => `${name}=${value}`).join("\n");

const build = ({ build: { dockerfile, target, arguments: given } }) => html`<form class="card stack" data-action="image.build" data-testid="build-form" novalidate>
  <h2>${t("sources.build")}</h2><p class="hint">${t("sources.build_hint")}</p>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div class="pair">
    <div class="field"><label for="dockerfile">${t("sources.dockerfile")} <span class="muted">${t("form.optional")}</span></label>
      <input class="input mono" id="dockerfile" name="source.build.dockerfile" maxlength="500" value="${dockerfile}" placeholder="Dockerfile" autocapitalize="off" spellcheck="false"></div>
    <div class="field"><label for="build-target">${t("sources.target")} <span class="muted">${t("form.optional")}</span></label>
      <input class="input mono" id="build-target" name="source.build.target" maxlength="100" value="${target}" autocapitalize="off" spellcheck="false"></div></div>
  <div class="field"><label for="build-arguments">${t("sources.arguments")} <span class="muted">${t("form.optional")}</span></label>
    <textarea class="input mono" id="build-arguments" name="source.build.arguments" rows="3" spellcheck="false" aria-describedby="build-arguments-hint">${asLines(given)}</textarea>
    <p class="hint" id="build-arguments-hint">${t("sources.arguments_hint")}</p></div>
  <div class="row"><button class="button" type="submit">${t("form.save")}</button>
    <button class="button" type="button" data-action="image.rebuild" data-testid="rebuild">${t("sources.rebuild")}</button></div></form>`;

const registries = ({ registries: logins }) => html`<form class="card stack" data-action="image.login" data-testid="registry-form" novalidate>
  <h2>${t("sources.registries")}</h2><p class="hint">${t("sources.registries_hint")}</p>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  ${logins.length === 0 && html`<p>${t("sources.registry_none")}</p>`}
  ${logins.map(
    ({ registry, username, updated_at: at }) => html`<div class="factor"><div><strong>${registry}</strong><p class="hint"><code>${username}</code> · ${dateTime(at)}</p></div>
      <button class="button danger" type="button" data-action="image.logout" data-registry="${registry}">${icon("trash")}${t("sources.registry_remove")}</button></div>`,
  )}
  <div class="field"><label for="registry">${t("sources.registry")}</label>
    <input class="input mono" id="registry" name="registry" required maxlength="300" placeholder="ghcr.io" autocomplete="off" autocapitalize="off" spellcheck="false"></div>
  <div class="pair">
    <div class="field"><label for="registry-username">${t("sources.username")}</label>
      <input class="input" id="registry-username" name="username" required maxlength="200" autocomplete="off" autocapitalize="off" spellcheck="false"></div>
    <div class="field"><label for="registry-password">${t("sources.password")}</label>
      <input class="input mono" id="registry-password" name="password" type="password" required maxlength="4000" autocomplete="off"></div></div>
  <div><button class="button" type="submit">${t("sources.registry_add")}</button></div></form>`;

/** What is beside the source itself, where services run in containers. */
export const containerParts = (source) => html`${source.kind !== "image" && build(source)}${registries(source)}`;

/** `reload` draws the page anew; `asked` follows a deployment. */
export function mountContainers(root, { id, kind, asked, reload, signal }) {
  view = { root, id, asked, reload };
  if (kind !== "archive") return;
  const place = root.querySelector("[data-testid=archive-form]");
  takeFiles(place, async (file) => {
    if (await send(place, `/services/${id}/archive`, file, signal)) await asked();
  });
}

const form = (which) => view.root.querySelector(`[data-testid=${which}-form]`);

const save = async () => {
  const given = values(form("image"));
  const port = given["source.port"];
  await patch(`/services/${view.id}`, { source: { image: given["source.image"].trim(), port: port ? Number(port) : null } });
  toast(t("sources.saved"));
};

const deploy = async (body) => {
  await post(`/services/${view.id}/deployments`, body);
  await view.asked();
};

/** `null` where a line is no NAME=value. */
function readArguments(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return lines.every((line) => line.indexOf("=") > 0) ? Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)])) : null;
}

export const containerActions = {
  "image.save": (place) =>
    complete(place) &&
    submit(place, async () => {
      await save();
      await view.reload();
    }),
  "image.redeploy": () =>
    complete(form("image")) &&
    submit(form("image"), async () => {
      await save();
      await deploy({});
    }),
  "image.rebuild": () => submit(form("build"), () => deploy({ rebuild: true })),
  "image.build": (place) => {
    const given = values(place);
    const read = readArguments(given["source.build.arguments"]);
    fieldError(place, "source.build.arguments", read ? "" : t("sources.arguments_wrong"));
    if (!read || !complete(place)) return null;
    return submit(place, async () => {
      const wanted = { dockerfile: given["source.build.dockerfile"].trim(), target: given["source.build.target"].trim(), arguments: read };
      await patch(`/services/${view.id}`, { source: { build: wanted } });
      toast(t("sources.saved"));
    });
  },
  "image.login": (place) =>
    complete(place) &&
    submit(place, async () => {
      const { registry, username, password } = values(place);
      await replace(`/services/${view.id}/source/registries/${encodeURIComponent(registry.trim())}`, { username: username.trim(), password: password.trim() });
      toast(t("sources.registry_saved"));
      await view.reload();
    }),
  "image.logout": async ({ dataset: { registry } }) => {
    if (!(await ask({ title: t("sources.registry_remove_title"), text: t("sources.registry_remove_text"), confirm: t("sources.registry_remove") }))) return;
    await remove(`/services/${view.id}/source/registries/${encodeURIComponent(registry)}`);
    await view.reload();
  },
};
