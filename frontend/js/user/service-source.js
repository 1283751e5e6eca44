/** A service's source: which repository, ref and folder, and what it is read with. */

import { get, patch, post, remove, replace } from "/js/core/api.js";
import { html, icon, render } from "/js/core/dom.js";
import { dateTime, loadTexts, t } from "/js/core/i18n.js";
import { ask } from "/js/shared/dialog.js";
import { complete, submit, values } from "/js/shared/form.js";
import { checkResult, copyKey, keyBox } from "/js/shared/source-access.js";
import { checkRepository, isSsh } from "/js/shared/source.js";
import { toast } from "/js/shared/toast.js";
import { KINDS, kindChoice } from "/js/user/order-source.js";
import { archivePlace, containerActions, containerParts, imagePlace, mountContainers } from "/js/user/service-image.js";

let view = null;

const place = ({ repo_url: url, ref, root }) => html`<form class="card stack" data-action="source.save" data-testid="source-form" novalidate>
  <h2>${t("service.tab_source")}</h2>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div class="field"><label for="repo_url">${t("order.repository")}</label>
    <input class="input" id="repo_url" name="source.repo_url" inputmode="url" required value="${url ?? ""}" autocapitalize="off" spellcheck="false" aria-describedby="repo-hint">
    <p class="hint" id="repo-hint">${t("sources.repository_hint")}</p></div>
  <div class="pair">
    <div class="field"><label for="ref">${t("order.ref")} <span class="muted">${t("form.optional")}</span></label>
      <input class="input mono" id="ref" name="source.ref" maxlength="200" value="${ref ?? ""}" placeholder="${t("order.default_branch")}" autocapitalize="off" spellcheck="false"></div>
    <div class="field"><label for="root">${t("sources.root")} <span class="muted">${t("form.optional")}</span></label>
      <input class="input mono" id="root" name="source.root" maxlength="500" value="${root}" placeholder="apps/web" autocapitalize="off" spellcheck="false" aria-describedby="root-hint">
      <p class="hint" id="root-hint">${t("sources.root_hint")}</p></div>
  </div>
  <p class="hint">${t("sources.effect")}</p>
  <div class="row"><button class="button primary" type="submit">${t("form.save")}</button>
    <button class="button" type="button" data-action="source.redeploy" data-testid="save-and-redeploy">${t("variables.save_and_redeploy")}</button>
    <button class="button" type="button" data-action="source.check" data-testid="check-access">${icon("check")}${t("sources.check_saved")}</button></div>
  <div data-part="result" aria-live="polite"></div></form>`;

const tokenState = ({ token }) =>
  token
    ? html`<div class="factor"><div><strong data-testid="token-state">${t("sources.token_set", { host: token.host })}</strong>
        <p class="hint">${t("sources.token_since")} ${dateTime(token.updated_at)}${token.username && html`, <code>${token.username}</code>`}</p></div>
        <button class="button danger" type="button" data-action="source.remove_token" data-testid="remove-token">${icon("trash")}${t("sources.remove_token")}</button></div>`
    : html`<p data-testid="token-state">${t("sources.token_none")}</p>`;

const byToken = (source) => html`<form class="card stack" data-action="source.set_token" data-testid="token-form" novalidate>
  <h2>${t("sources.access")}</h2>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  ${tokenState(source)}
  <div class="pair">
    <div class="field"><label for="source-token">${t(source.token ? "sources.token_new" : "sources.token")}</label>
      <input class="input mono" id="source-token" name="token" type="password" required autocomplete="off" maxlength="4000" aria-describedby="source-token-hint">
      <p class="hint" id="source-token-hint">${t("sources.token_hint")}</p></div>
    <div class="field"><label for="source-username">${t("sources.username")} <span class="muted">${t("form.optional")}</span></label>
      <input class="input" id="source-username" name="username" value="${source.token?.username ?? ""}" autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="200" aria-describedby="source-username-hint">
      <p class="hint" id="source-username-hint">${t("sources.username_hint")}</p></div>
  </div>
  <div><button class="button" type="submit" data-testid="save-token">${t("sources.save_token")}</button></div></form>`;

const hostKey = ({ host, fingerprint, published }) => html`<h3>${t("sources.host_key")}</h3>
  ${published
    ? html`<p data-testid="host-key">${t("sources.host_published", { host })}</p>`
    : html`<div class="factor"><div data-testid="host-key">${fingerprint ? html`<code class="secret">${fingerprint}</code>` : t("sources.host_unknown", { host })}
        <p class="hint">${t("sources.host_key_hint")}</p></div>
        ${fingerprint && html`<button class="button" type="button" data-action="source.forget_host" data-testid="forget-host">${icon("trash")}${t("sources.forget_host")}</button>`}</div>`}`;

const byKey = (source) => html`<section class="card stack" aria-labelledby="access-title">
  <h2 id="access-title">${t("sources.access")}</h2>
  ${source.deploy_key ? keyBox(source.deploy_key) : html`<p>${t("sources.key_none")}</p>`}
  <div><button class="button" type="button" data-action="source.renew_key" data-testid="renew-key">${icon("key")}${t(source.deploy_key ? "sources.renew_key" : "sources.make_key")}</button></div>
  ${source.host_key && hostKey(source.host_key)}</section>`;

function drawAccess(source) {
  view.source = source;
  render(view.access, isSsh(source.repo_url) ? byKey(source) : byToken(source));
}

const read = () => get(`/services/${view.id}/source`);
const path = (rest) => `/services/${view.id}/source/${rest}`;

export async function open(root, { service, signal, asked }) {
  const [source, { abilities }] = await Promise.all([get(`/services/${service.id}/source`, {}, signal), get("/templates", {}, signal), loadTexts("sources")]);
  const kinds = KINDS.filter((kind) => kind !== "image" || abilities.includes("images"));
  view = { id: service.id, root, asked, signal, source, kinds, containers: abilities.includes("images") };
  draw(source.kind);
}

/** The page for a kind of source, which is the service's own once something is saved or uploaded. */
function draw(kind) {
  const { root, id, source, asked, signal } = view;
  const places = { git: place, image: imagePlace, archive: archivePlace };
  render(root, html`<form>${kindChoice(kind, view.kinds, "source.kind")}</form>${places[kind](source)}<div class="stack" data-access></div>${view.containers && containerParts({ ...source, kind })}`);
  Object.assign(view, { form: root.querySelector("form.card"), access: root.querySelector("[data-access]") });
  if (kind === "git" && source.repo_url) drawAccess(source);
  mountContainers(root, { id, kind, asked, signal, reload: async () => {
    view.source = await read();
    draw(view.source.kind);
  } });
}

const result = (markup) => render(view.form.querySelector("[data-part=result]"), markup);

async function save() {
  const given = values(view.form);
  const { token, deploy_key: key } = view.source;
  await patch(`/services/${view.id}`, {
    source: {
      repo_url: given["source.repo_url"].trim(),
      ref: given["source.ref"].trim() || null,
      root: given["source.root"].trim(),
    },
  });
  result("");
  drawAccess(await read());
  if (token && !view.source.token) toast(t("sources.token_dropped", { host: token.host }));
  else if (key && view.source.deploy_key && key.id !== view.source.deploy_key.id) toast(t("sources.key_replaced"));
  else toast(t("sources.saved"));
}

function saveThen(form, then) {
  checkRepository(form.elements["source.repo_url"]);
  if (!complete(form)) return null;
  return submit(form, async () => {
    await save();
    await then();
  });
}

const sure = (what) => ask({ title: t(`sources.${what}_title`), text: t(`sources.${what}_text`), confirm: t(`sources.${what}`) });

export const actions = {
  ...copyKey,
  ...containerActions,
  "source.kind": (input) => {
    draw(input.value);
    view.root.querySelector("[name='source.kind']:checked").focus();
  },
  "source.save": (form) => saveThen(form, view.asked),
  "source.redeploy": () =>
    saveThen(view.form, async () => {
      await post(`/services/${view.id}/deployments`);
      await view.asked();
    }),
  "source.check": async (button) => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      result(checkResult(await post(path("check"))));
    } finally {
      button.removeAttribute("aria-busy");
    }
  },
  "source.set_token": (form) =>
    complete(form) &&
    submit(form, async () => {
      const { token, username } = values(form);
      const source = await replace(path("token"), { token: token.trim(), username: username.trim() });
      form.elements.token.value = "";
      drawAccess(source);
      toast(t("sources.token_saved"));
    }),
  "source.remove_token": async () => {
    if (!(await sure("remove_token"))) return;
    await remove(path("token"));
    drawAccess(await read());
  },
  "source.renew_key": async () => {
    if (view.source.deploy_key && !(await sure("renew_key"))) return;
    await post(path("deploy-key"));
    drawAccess(await read());
  },
  "source.forget_host": async () => {
    if (!(await sure("forget_host"))) return;
    await remove(path("host-key"));
    drawAccess(await read());
  },
};
