/**
 * Why something failed, in the language of the page. The API says it in English and gives what it takes to
 * say it otherwise: `detail` or the code itself names the sentence, `because` a second one and `hint` a last one.
 */

import { html } from "/js/core/dom.js";
import { bytes, known, t } from "/js/core/i18n.js";

const HOLE = /\{\w+\}/;

const readable = ([name, value]) => [name, name.endsWith("_bytes") ? bytes(value) : value];

export const reasonOfService = (service) =>
  service.status_reason && {
    code: service.status_reason_code,
    message: service.status_reason,
    parameters: service.status_reason_parameters,
  };

export const reasonOfDeployment = (deployment) =>
  deployment.reason && {
    code: deployment.reason_code,
    message: deployment.reason,
    parameters: deployment.reason_parameters,
  };

/** Its headline: what kind of failure it is. */
export const headline = ({ code }, otherwise) => known(`reason.${code}`, otherwise);

/** `[sentences, the app's last lines]`; the API's own words where there are none of ours. */
function words({ code, message, parameters }) {
  const { detail, because, hint, output, ...rest } = parameters ?? {};
  const values = Object.fromEntries(Object.entries(rest).map(readable));
  const first = known(`why.${detail ?? code}`, "", values);
  const second = because ? known(`why.${because}`, "", values) : "";
  const last = hint ? known(`why.${hint}`, "", values) : "";
  const said = [first, second, last].filter(Boolean).join(" ");
  return first && !HOLE.test(said) ? [said, output] : [message, ""];
}

/** For a row of a list. */
export const inShort = (reason) => words(reason)[0];

/** For a callout. */
export function explained(reason) {
  const [said, output] = words(reason);
  return html`<p class="lines">${said}</p>
    ${output && html`<p>${t("why.last_lines")}</p><pre class="quote">${output}</pre>`}`;
}
