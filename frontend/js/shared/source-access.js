/** What a repository is read with: a deploy key with the words where it belongs, and whether it can be read. */

import { html, icon } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { copy } from "/js/shared/copy.js";
import { explained } from "/js/shared/reasons.js";
import { toast } from "/js/shared/toast.js";

const FORGES = ["github", "gitlab", "gitea", "bitbucket"];

export const keyBox = ({ public_key: key, fingerprint }) => html`<div class="field" role="group" aria-labelledby="deploy-key-label">
  <span class="label" id="deploy-key-label">${t("sources.public_key")}</span>
  <div class="once"><code class="secret" data-testid="public-key">${key}</code>
    <button class="button" type="button" data-action="sources.copy" data-value="${key}" data-testid="copy-key">${icon("copy")}${t("sources.copy")}</button></div>
  <p class="hint">${t("sources.fingerprint")} <code class="secret">${fingerprint}</code></p>
  <details><summary>${t("sources.where")}</summary><ul class="stack tight">${FORGES.map(
    (forge) => html`<li>${t(`sources.where.${forge}`)}</li>`,
  )}</ul></details></div>`;

function found({ kind, commit, digest, host_key: key }) {
  const what = t(`sources.kind.${kind}`);
  if (kind === "image") return html`<strong>${t("sources.readable_source")}</strong><p><code class="secret">${digest}</code></p>`;
  return html`<strong>${t("sources.readable")}</strong>
    <p>${commit ? html`${what} <code>${commit.slice(0, 10)}</code>` : what}</p>
    ${key && html`<p>${t("sources.new_host_key")} <code class="secret">${key}</code></p>`}`;
}

export function checkResult(result) {
  const reason = { code: result.reason_code, message: result.reason, parameters: result.reason_parameters };
  return html`<div class="callout" data-tone="${result.readable ? "ok" : "bad"}" role="status" data-testid="check-result">
    ${result.readable ? found(result) : html`<strong>${t("sources.unreadable")}</strong>${explained(reason)}`}</div>`;
}

export const copyKey = {
  "sources.copy": async (button) => {
    await copy(button.dataset.value);
    toast(t("sources.copied"));
  },
};
