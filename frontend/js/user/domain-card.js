/** One domain as its card: what proves it, where it leads, its certificate, and what is wrong with any of them. */

import { html, icon, since } from "/js/core/dom.js";
import { dateTime, known, t } from "/js/core/i18n.js";

// How badges are coloured; the words are the domain's own.
export const TONES = { pending: "pending", verified: "up", secured: "succeeded", failing: "failed" };

const copyable = (label, value) => html`<div class="field"><span class="label">${label}</span>
  <div class="once"><code class="secret" data-testid="copyable">${value}</code>
    <button class="button small" type="button" data-action="domains.copy" data-value="${value}" aria-label="${t("domains.copy_named", { name: label })}">${icon("copy")}${t("domains.copy")}</button></div></div>`;

const list = (entries) => entries.map((entry, at) => html`${at > 0 && ", "}<code>${entry}</code>`);

const stateBadge = ({ state }) => html`<span class="badge" data-state="${TONES[state]}" data-testid="domain-state">${t(`domains.state.${state}`)}</span>`;

const proof = (domain) => html`<div class="stack tight" data-testid="proof">
  <h4>${t("domains.prove")}</h4><p class="hint">${t(domain.wildcard ? "domains.prove_wildcard" : "domains.prove_hint")}</p>
  <div class="pair">${copyable(t("domains.record_name"), domain.record.name)}${copyable(t("domains.record_value"), domain.record.value)}</div></div>`;

const target = (domain, setup) => html`<div class="stack tight" data-testid="target">
  <h4>${t("domains.point")}</h4><p class="hint">${t("domains.point_hint")}</p>
  <div class="pair">${copyable("CNAME", domain.target)}
    ${setup.addresses.length > 0 && html`<div class="stack tight">${setup.addresses.map((address) => copyable(address.includes(":") ? "AAAA" : "A", address))}</div>`}</div></div>`;

/** What DNS says, beside what it should say. */
function seen({ dns, record, verified_at: verified }) {
  const lacking = !verified && dns.checked_at && !dns.txt.includes(record.value);
  return html`<div class="stack tight" data-testid="seen" data-look="${dns.look}">
    <p>${t(`domains.look.${dns.look}`)}</p>
    ${dns.addresses.length > 0 && html`<p>${t("domains.we_see")} ${list([...dns.aliases.map((name) => `CNAME ${name}`), ...dns.addresses])}</p>`}
    ${dns.expected.length > 0 && dns.look !== "here" && html`<p>${t("domains.we_expect")} ${list(dns.expected)}</p>`}
    ${lacking && html`<p>${dns.txt.length ? html`${t("domains.txt_other")} ${list(dns.txt)}` : t(dns.txt_answered ? "domains.txt_none" : "domains.txt_unanswered")}</p>`}
    <p class="hint">${dns.checked_at ? html`${t("domains.checked")} ${since(dns.checked_at)}.` : t("domains.not_checked")}</p></div>`;
}

function problem({ problem: found, verified_at: verified, next_attempt_at: again, failures }) {
  if (!found) return null;
  const words = found.parameters?.words;
  return html`<div class="callout" data-tone="${verified ? "bad" : "warn"}" role="status" data-testid="domain-problem" data-code="${found.code}">
    <p>${known(`why.${found.code}`, found.code)}</p>
    ${words && html`<p class="hint">${t("domains.their_words")} <q>${words}</q></p>`}
    ${verified && failures > 0 && again && html`<p class="hint">${t("domains.again_at", { at: dateTime(again) })}</p>`}</div>`;
}

const certificate = ({ certificate: own, state }) =>
  own &&
  html`<p data-testid="certificate">${t(state === "secured" ? "domains.good_until" : "domains.ended", { at: dateTime(own.not_after) })}
    <span class="hint">${own.issuer && t("domains.issuer", { name: own.issuer })} ${own.renew_at && t("domains.renewed_at", { at: dateTime(own.renew_at) })}</span></p>`;

const choices = ({ https_redirect: redirect, hsts }) => html`<div class="stack tight">
  <label class="check"><input type="checkbox" role="switch" name="https_redirect" data-action="domains.set" ${redirect && html`checked`}>
    <span>${t("domains.redirect")}<br><span class="hint">${t("domains.redirect_hint")}</span></span></label>
  <label class="check"><input type="checkbox" role="switch" name="hsts" data-action="domains.set" ${hsts && html`checked`} ${!redirect && html`disabled`}>
    <span>HSTS<br><span class="hint">${t("domains.hsts_hint")}</span></span></label></div>`;

const secretField = (id, name, label) => html`<div class="field"><label for="${id}">${label}</label>
  <input class="input mono" id="${id}" name="${name}" type="password" required maxlength="4000" autocomplete="off"></div>`;

const textField = (id, name, label, placeholder) => html`<div class="field"><label for="${id}">${label}</label>
  <input class="input mono" id="${id}" name="${name}" required maxlength="253" placeholder="${placeholder}" autocomplete="off" autocapitalize="off" spellcheck="false"></div>`;

const save = () => html`<div><button class="button" type="submit">${t("form.save")}</button></div>`;

const cloudflare = (id) => html`<form class="stack tight" data-action="domains.provide" data-provider="cloudflare" novalidate>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <p class="hint">${t("domains.cloudflare_hint")}</p>${secretField(`token-${id}`, "token", t("domains.token"))}${save()}</form>`;

const rfc2136 = (id) => html`<form class="stack tight" data-action="domains.provide" data-provider="rfc2136" novalidate>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <p class="hint">${t("domains.rfc2136_hint")}</p>
  <div class="pair">${textField(`server-${id}`, "server", t("domains.server"), "ns1.example.org")}${textField(`key-name-${id}`, "key_name", t("domains.key_name"), "gavan")}</div>
  <div class="pair">${secretField(`key-${id}`, "key", t("domains.key"))}
    <div class="field"><label for="algorithm-${id}">${t("domains.algorithm")}</label>
      <select class="input" id="algorithm-${id}" name="algorithm"><option>hmac-sha256</option><option>hmac-sha384</option><option>hmac-sha512</option></select></div></div>${save()}</form>`;

const provider = ({ id, provider: own, wildcard }) => html`<details data-key="provider-${id}" ${wildcard && !own && html`open`}><summary>${t("domains.provider")}</summary>
  <div class="stack tight"><p class="hint">${t(wildcard ? "domains.provider_wildcard" : "domains.provider_hint")}</p>
  ${own && html`<div class="factor"><div><strong data-testid="provider">${t(`domains.provider.${own.provider}`)}</strong>${own.server && html` <code>${own.server}</code>`}</div>
    <button class="button danger" type="button" data-action="domains.forget_provider">${icon("trash")}${t("domains.provider_forget")}</button></div>`}
  <details data-key="cloudflare-${id}"><summary>${t("domains.provider.cloudflare")}</summary>${cloudflare(id)}</details>
  <details data-key="rfc2136-${id}"><summary>${t("domains.provider.rfc2136")}</summary>${rfc2136(id)}</details></div></details>`;

const verbs = (busy) => html`<div class="row">
  <button class="button small" type="button" data-action="domains.check" data-testid="check-domain" ${busy && html`disabled`}>${icon("again")}${t("domains.check")}</button>
  <button class="button small danger" type="button" data-action="domains.remove" data-testid="remove-domain">${icon("trash")}${t("domains.remove")}</button></div>`;

/** What there is to do in DNS: all of it until the domain is proved, afterwards on request. */
function guide(domain, setup) {
  const both = html`${!domain.verified_at && proof(domain)}${(!domain.verified_at || domain.dns.look !== "here") && target(domain, setup)}`;
  const leadsHere = domain.verified_at && domain.dns.look === "here";
  return html`${!leadsHere && both}${leadsHere ? html`<details data-key="seen-${domain.id}"><summary>${t("domains.dns")}</summary>${seen(domain)}</details>` : seen(domain)}`;
}

/** @param setup what the installation is reached at; without `may` there are no buttons. */
export const domainCard = (domain, setup, may) => html`<article class="card stack domain" data-key="${domain.id}" data-domain="${domain.id}" data-testid="domain" data-domain-state="${domain.state}">
  <div class="page-head"><div class="stack tight"><div class="row"><h3 class="secret">${domain.display_name}</h3>${stateBadge(domain)}</div>
    ${domain.display_name !== domain.name && html`<code class="hint">${domain.name}</code>`}</div>${may && verbs(domain.active_job_id)}</div>
  <div data-part="job" data-keep></div>
  ${problem(domain)}${certificate(domain)}${guide(domain, setup)}
  ${may && domain.verified_at && choices(domain)}${may && setup.https && provider(domain)}</article>`;
