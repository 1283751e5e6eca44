/** One job, live. */

import { html, render, since } from "/js/core/dom.js";
import { duration, number, t } from "/js/core/i18n.js";
import { explained, headline } from "/js/shared/reasons.js";
import { cancelAction, followJob, kindName } from "/js/shared/voyage.js";

const fact = (name, value) => html`<div><dt>${t(name)}</dt><dd>${value}</dd></div>`;

const facts = (job) => html`<div class="stack">
  ${job.error && html`<div class="callout" data-tone="bad" role="alert" data-testid="reason"><strong>${headline(job.error, t("job.failed"))}</strong>${explained(job.error)}</div>`}
  <div class="card"><dl class="facts">
    ${job.service && fact("job.service", html`<a href="/services/${job.service.id}">${job.service.name}</a>`)}
    ${job.deployment_id && fact("job.deployment", html`<a href="/deployments/${job.deployment_id}">${t("job.open_deployment")}</a>`)}
    ${fact("job.asked", since(job.created_at))}
    ${job.started_at && fact("job.took", duration(job.started_at, job.finished_at))}
    ${fact("job.attempts", number(job.attempts))}
    ${fact("job.id", html`<code>${job.id}</code>`)}</dl></div></div>`;

export async function mount(root, { params, signal, name }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  await new Promise((shown, failed) => {
    const changed = (job) => {
      const title = job.service ? `${kindName(job.kind)} · ${job.service.name}` : kindName(job.kind);
      part("title").textContent = title;
      name(title);
      render(part("facts"), facts(job));
      shown();
    };
    followJob(part("job"), params.id, { signal, changed }).catch(failed);
  });
}

export const actions = cancelAction;
