/** A service's storage: volumes that outlive its releases, and secret files that each release is given. */

import { get, patch, post, remove, replace } from "/js/core/api.js";
import { html, icon, render, repeat, scene } from "/js/core/dom.js";
import { bytes, loadTexts, t } from "/js/core/i18n.js";
import { askForm } from "/js/shared/ask-form.js";
import { ask, sheet } from "/js/shared/dialog.js";
import { money } from "/js/shared/money.js";
import { toast } from "/js/shared/toast.js";

const SECONDS = 10;
const NEARLY_FULL = 0.9;
const LARGEST_FILE = 256 * 1024;
let view = null;

const costs = (gib) => {
  const { price } = view.volumes;
  return price ? t("storage.costs", { amount: money(price.month_minor * gib, price.currency) }) : "";
};

const share = ({ used_bytes: used, capacity_bytes: capacity }) => (capacity ? Math.min(used / capacity, 1) : 0);

const fullness = (volume) =>
  volume.measured_at
    ? html`<progress class="progress" max="100" value="${Math.round(share(volume) * 100)}" data-state="${share(volume) >= NEARLY_FULL ? "failed" : "running"}" aria-label="${t("storage.used_of", { name: volume.name })}"></progress>
      <p class="muted">${t("storage.used", { used: bytes(volume.used_bytes), all: bytes(volume.capacity_bytes) })}</p>`
    : html`<p class="muted">${t("storage.not_measured")}</p>`;

const notes = (volume) => [
  volume.removal_requested_at && html`<div class="callout" data-tone="warn"><p>${t(volume.mounted ? "storage.leaves_later" : "storage.leaves")}</p>
    <div><button class="button" type="button" data-action="storage.keep">${t("storage.keep")}</button></div></div>`,
  !volume.removal_requested_at && !volume.mounted && html`<p class="hint">${t("storage.not_mounted")}</p>`,
  !volume.grown && html`<p class="hint">${t("storage.not_grown")}</p>`,
  volume.bounded === false && html`<p class="hint">${t("storage.unbounded")}</p>`,
  share(volume) >= NEARLY_FULL && html`<div class="callout" data-tone="${share(volume) >= 1 ? "bad" : "warn"}" role="status"><p>${t(share(volume) >= 1 ? "storage.full" : "storage.nearly_full")}</p></div>`,
];

const volumeCard = (volume) => html`<article class="card stack tight" data-volume="${volume.id}" data-testid="volume">
  <div class="row between"><h3>${volume.name}</h3><span class="muted">${t("storage.size", { gib: volume.size_gib })}</span></div>
  <p class="address"><code>${volume.path}</code></p>
  ${fullness(volume)}${notes(volume)}
  ${!volume.removal_requested_at && html`<div class="row">
    <button class="button" type="button" data-action="storage.grow" ${volume.size_gib >= view.volumes.most_gib && html`disabled`}>${icon("plus")}${t("storage.grow")}</button>
    <button class="button danger" type="button" data-action="storage.remove">${icon("trash")}${t("storage.remove")}</button></div>`}
</article>`;

const noVolumes = () => html`<div class="card state">${scene("calm")}<h3>${t("storage.none")}</h3><p>${t("storage.none_text")}</p></div>`;

function volumesPart({ items, supported, most }) {
  if (!supported) return html`<div class="callout"><p>${t("storage.not_here")}</p></div>`;
  const room = items.length < most;
  return html`<div class="row between"><h2>${t("storage.volumes")}</h2>
      <button class="button ${!items.length && "primary"}" type="button" data-action="storage.add" data-testid="add-volume" ${!room && html`disabled`}>${icon("plus")}${t("storage.add")}</button></div>
    ${items.length ? html`<p class="hint">${t("storage.about")}</p>${items.map(volumeCard)}` : noVolumes()}`;
}

const fileRow = ({ id, path, size_bytes: size }) => html`<li class="row between" data-file="${id}" data-testid="secret-file">
  <span class="address"><code>${path}</code> <span class="muted">${bytes(size)}</span></span>
  <span class="row"><button class="icon-button" type="button" data-action="storage.reveal" aria-label="${t("storage.file_show_of", { path })}">${icon("eye")}</button>
    <button class="icon-button" type="button" data-action="storage.file_remove" aria-label="${t("storage.file_remove_of", { path })}">${icon("trash")}</button></span></li>`;

const filesPart = ({ items, most }) => html`<section class="card stack">
  <div class="row between"><h2>${t("storage.files")}</h2>
    <button class="button" type="button" data-action="storage.file_add" data-testid="add-file" ${items.length >= most && html`disabled`}>${icon("plus")}${t("storage.file_add")}</button></div>
  <p class="hint">${t("storage.files_about")}</p>
  ${items.length > 0 && html`<ul class="plain stack tight">${items.map(fileRow)}</ul>`}</section>`;

async function refresh() {
  const { id, signal, root } = view;
  [view.volumes, view.files] = await Promise.all([
    get(`/services/${id}/volumes`, {}, signal),
    get(`/services/${id}/files`, {}, signal),
  ]);
  const seen = JSON.stringify([view.volumes, view.files]);
  // What nothing changed in keeps the focus.
  if (seen === view.seen) return;
  view.seen = seen;
  render(root.querySelector("[data-part=volumes]"), volumesPart(view.volumes));
  render(root.querySelector("[data-part=files]"), filesPart(view.files));
}

export async function open(root, { service, signal }) {
  await loadTexts("storage");
  view = { id: service.id, root, signal, volumes: null, files: null, seen: "" };
  render(root, html`<section class="stack" data-part="volumes" data-testid="volumes"></section><div data-part="files"></div>`);
  await refresh();
  repeat(() => refresh().catch(() => {}), SECONDS, signal);
}

const volumeOf = (element) => view.volumes.items.find(({ id }) => id === element.closest("[data-volume]").dataset.volume);
const fileOf = (element) => view.files.items.find(({ id }) => id === element.closest("[data-file]").dataset.file);
const at = ({ id }) => `/services/${view.id}/volumes/${id}`;

const sizeField = (least, value) => html`<div class="field"><label for="volume-size">${t("storage.size_label")}</label>
  <input class="input" id="volume-size" name="size_gib" type="number" inputmode="numeric" min="${least}" max="${view.volumes.most_gib}" step="1" required value="${value}" aria-describedby="volume-size-hint">
  <p class="hint" id="volume-size-hint">${t("storage.size_hint")} ${costs(1)}</p></div>`;

const addFields = () => html`<div class="field"><label for="volume-name">${t("storage.name")}</label>
    <input class="input mono" id="volume-name" name="name" required maxlength="40" pattern="[a-z][a-z0-9]*(-[a-z0-9]+)*" value="data" autocapitalize="off" autocomplete="off" spellcheck="false" aria-describedby="volume-name-hint">
    <p class="hint" id="volume-name-hint">${t("storage.name_hint")}</p></div>
  <div class="field"><label for="volume-path">${t("storage.path")}</label>
    <input class="input mono" id="volume-path" name="path" required maxlength="500" pattern="/.+" value="/data" autocapitalize="off" autocomplete="off" spellcheck="false" aria-describedby="volume-path-hint">
    <p class="hint" id="volume-path-hint">${t("storage.path_hint")}</p></div>
  ${sizeField(1, 1)}
  <div class="callout"><p>${t("storage.one_writer")}</p></div>`;

const fileFields = () => html`<div class="field"><label for="file-path">${t("storage.path")}</label>
    <input class="input mono" id="file-path" name="path" required maxlength="500" pattern="/.+" placeholder="/etc/app/key.pem" autocapitalize="off" autocomplete="off" spellcheck="false"></div>
  <div class="field"><label for="file-text">${t("storage.file_text")}</label>
    <textarea class="input mono" id="file-text" name="text" rows="6" autocomplete="off" spellcheck="false" aria-describedby="file-hint"></textarea></div>
  <div class="field"><label for="file-upload">${t("storage.file_upload")}</label>
    <input class="input" id="file-upload" name="upload" type="file"><p class="hint" id="file-hint">${t("storage.file_hint")}</p></div>`;

const encoded = (content) => btoa(Array.from(content, (byte) => String.fromCharCode(byte)).join(""));
const decoded = (content) => Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));

async function contentOf({ text, upload }) {
  return upload?.size ? new Uint8Array(await upload.arrayBuffer()) : new TextEncoder().encode(text);
}

function tooLarge(form) {
  const { upload } = form.elements;
  upload.setCustomValidity((upload.files[0]?.size ?? 0) > LARGEST_FILE ? t("storage.file_too_large") : "");
}

/** As text, or for want of it in base64. */
function readable(content) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(decoded(content));
  } catch {
    return content;
  }
}

export const actions = {
  "storage.add": async () => {
    const sent = await askForm(
      { title: t("storage.add_title"), text: t("storage.none_text"), fields: addFields(), confirm: t("storage.add"), cancel: t("dialog.cancel"), testid: "volume-form" },
      ({ name, path, size_gib: size }) => post(`/services/${view.id}/volumes`, { name, path: path.trim(), size_gib: Number(size) }),
    );
    if (!sent) return;
    await refresh();
    toast(t("storage.added"));
  },
  "storage.grow": async (button) => {
    const volume = volumeOf(button);
    const least = volume.size_gib + 1;
    const sent = await askForm(
      { title: t("storage.grow_title", { name: volume.name }), text: t("storage.grow_text"), fields: sizeField(least, least), confirm: t("storage.grow"), cancel: t("dialog.cancel"), testid: "grow-form" },
      ({ size_gib: size }) => patch(at(volume), { size_gib: Number(size) }),
    );
    if (sent) await refresh();
  },
  "storage.remove": async (button) => {
    const volume = volumeOf(button);
    const sure = await ask({
      title: t("storage.remove_title", { name: volume.name }),
      text: t(volume.mounted ? "storage.remove_text_mounted" : "storage.remove_text"),
      confirm: t("storage.remove"),
      type: volume.name,
    });
    if (!sure) return;
    await post(`${at(volume)}/removal`, { name: volume.name });
    await refresh();
  },
  "storage.keep": async (button) => {
    await remove(`${at(volumeOf(button))}/removal`);
    await refresh();
  },
  "storage.file_add": async () => {
    const sent = await askForm(
      { title: t("storage.file_add"), text: t("storage.files_about"), fields: fileFields(), confirm: t("form.save"), cancel: t("dialog.cancel"), testid: "file-form", check: tooLarge },
      async (given) => {
        const upload = document.getElementById("file-upload").files[0];
        const content = await contentOf({ text: given.text ?? "", upload });
        await replace(`/services/${view.id}/files`, { path: given.path.trim(), content: encoded(content) });
      },
    );
    if (!sent) return;
    await refresh();
    toast(t("storage.file_saved"));
  },
  "storage.reveal": async (button) => {
    const { path, content } = await post(`/services/${view.id}/files/${fileOf(button).id}/reveal`);
    sheet(
      html`<form class="stack" method="dialog"><h2 id="sheet-title">${path}</h2>
        <div class="field"><label class="unseen" for="file-shown">${path}</label>
          <textarea class="input mono" id="file-shown" rows="10" readonly spellcheck="false">${`\n${readable(content)}`}</textarea></div>
        <div class="row dialog-buttons"><button class="button primary" type="submit">${t("storage.close")}</button></div></form>`,
      "file-shown",
    );
  },
  "storage.file_remove": async (button) => {
    const { id, path } = fileOf(button);
    const sure = await ask({ title: t("storage.file_remove_of", { path }), text: t("storage.file_remove_text"), confirm: t("storage.remove") });
    if (!sure) return;
    await remove(`/services/${view.id}/files/${id}`);
    await refresh();
  },
};
