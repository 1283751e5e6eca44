/** What an administrator decides about money that runs out: the rules, and exceptions from them. */

import { html } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { askForm } from "/js/shared/ask-form.js";

const field = (name, label, { hint, ...rest }) => html`<div class="field"><label for="dunning-${name}">${label}</label>
  <input class="input" id="dunning-${name}" name="${name}" value="${rest.value ?? ""}" type="${rest.type ?? "text"}" autocomplete="off"
    ${rest.type === "number" && html`min="${rest.min}" max="365" inputmode="numeric"`} ${rest.pattern && html`pattern="${rest.pattern}"`} ${rest.required && html`required`}
    ${hint && html`aria-describedby="dunning-${name}-hint"`}>
  ${hint && html`<p class="hint" id="dunning-${name}-hint">${hint}</p>`}</div>`;

const days = (typed) => (typed === "" ? null : Number(typed));
const list = (typed) => typed.split(/[\s,;]+/).filter(Boolean).map(Number);
const DAYS = "[0-9]{1,3}([,; ]+[0-9]{1,3})*";

export const askRules = (rules, send) =>
  askForm(
    {
      title: t("billing.rules_change"),
      text: t("billing.rules_text"),
      fields: [
        field("warn_days", t("billing.warn_days"), { value: rules.warn_days.join(", "), pattern: DAYS, hint: t("billing.days_hint") }),
        field("grace_days", t("billing.grace_days"), { value: rules.grace_days, type: "number", min: 0, required: true }),
        field("terminate_days", t("billing.terminate_days"), { value: rules.terminate_days, type: "number", min: 1, hint: t("billing.terminate_hint") }),
        field("notice_days", t("billing.notice_days"), { value: rules.notice_days.join(", "), pattern: DAYS, hint: t("billing.days_hint") }),
      ],
      confirm: t("form.save"),
      cancel: t("dialog.cancel"),
      testid: "rules-form",
    },
    (values) =>
      send({
        warn_days: list(values.warn_days),
        grace_days: Number(values.grace_days),
        terminate_days: days(values.terminate_days),
        notice_days: list(values.notice_days),
      }),
  );

const box = (name, label, checked) =>
  html`<label class="check"><input type="checkbox" name="${name}" ${checked && html`checked`}><span>${label}</span></label>`;

/** @param send `(body | null) => Promise`: null lets the rules hold again */
export const askOverride = ({ project_name: name, override }, send) =>
  askForm(
    {
      title: name ? t("billing.decide_title", { name }) : t("billing.decide"),
      text: t("billing.decide_text"),
      fields: [
        box("never_suspend", t("billing.never_suspend"), override?.never_suspend),
        box("never_terminate", t("billing.never_terminate"), override?.never_terminate),
        field("grace_days", t("billing.grace_days"), { value: override?.grace_days, type: "number", min: 0, hint: t("billing.as_rules") }),
        field("terminate_days", t("billing.terminate_days"), { value: override?.terminate_days, type: "number", min: 1, hint: t("billing.as_rules") }),
        field("until", t("billing.until"), { value: override?.until?.slice(0, 10), type: "date", hint: t("billing.until_hint") }),
        html`<div class="field"><label for="dunning-reason">${t("billing.reason")}</label>
          <textarea class="input" id="dunning-reason" name="reason" rows="2" minlength="3" maxlength="500" required>${override?.reason}</textarea></div>`,
        override && box("lift", t("billing.lift"), false),
      ],
      confirm: t("form.save"),
      cancel: t("dialog.cancel"),
      testid: "override-form",
    },
    (values) =>
      send(
        values.lift
          ? null
          : {
              never_suspend: values.never_suspend === "on",
              never_terminate: values.never_terminate === "on",
              grace_days: days(values.grace_days),
              terminate_days: days(values.terminate_days),
              until: values.until ? new Date(`${values.until}T00:00`).toISOString() : null,
              reason: values.reason.trim(),
            },
      ),
  );
