/** Sends a file as the body of a request, and says how far it is; and the place that takes one. */

import { ApiError, bearer } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { bytes, number, t } from "/js/core/i18n.js";

/** `progress(part)` is called with a number from 0 to 1; gives the answer's JSON. */
export async function upload(path, file, progress, signal) {
  const token = await bearer();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/v1${path}${path.includes("?") ? "&" : "?"}${new URLSearchParams({ name: file.name })}`);
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
    request.onload = () => {
      const body = request.response ?? {};
      if (request.status < 300) return resolve(body);
      const { code, detail, errors } = body;
      reject(new ApiError({ status: request.status, code: code ?? `http_${request.status}`, detail, errors }));
    };
    request.onerror = () => reject(new ApiError({ status: 0, code: "offline" }));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

export const dropzone = (name) => html`<div class="field" data-dropzone>
  <label for="${name}">${t("sources.drop")}</label>
  <input class="input" id="${name}" name="${name}" type="file" accept=".zip,.tar,.tar.gz,.tgz,application/zip,application/gzip,application/x-tar" aria-describedby="${name}-hint" data-testid="archive">
  <p class="hint" id="${name}-hint">${t("sources.drop_hint")}</p>
  <div data-part="progress" aria-live="polite"></div></div>`;

/** Has `place` take files by its input and by dropping; `taken(file)` sends one. */
export function takeFiles(place, taken) {
  const zone = place.querySelector("[data-dropzone]");
  const input = zone.querySelector("input");
  input.addEventListener("change", () => input.files[0] && taken(input.files[0]));
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.dataset.over = "";
  });
  zone.addEventListener("dragleave", () => delete zone.dataset.over);
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    delete zone.dataset.over;
    const [file] = event.dataTransfer.files;
    if (file) taken(file);
  });
}

const show = (place, markup) => render(place.querySelector("[data-part=progress]"), markup);

/** Sends the file and shows how far that is; gives the answer, or null for what is refused and said. */
export async function send(place, path, file, signal) {
  show(place, html`<p class="hint">${t("sources.uploading", { name: file.name })} <span data-percent></span></p>
    <progress class="progress" max="1" value="0" data-state="running" aria-label="${t("sources.uploading", { name: file.name })}"></progress>`);
  const bar = place.querySelector("progress");
  const percent = place.querySelector("[data-percent]");
  try {
    return await upload(
      path,
      file,
      (part) => {
        bar.value = part;
        percent.textContent = number(part, { style: "percent" });
      },
      signal,
    );
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    show(place, html`<div class="callout" data-tone="bad" role="alert">${Object.values(error.fields ?? {})[0] ?? error.message}</div>`);
    return null;
  }
}

export const uploaded = ({ name, size_bytes: size, files }) => html`<p data-testid="uploaded">${t("sources.uploaded", { name, size: bytes(size), files: number(files) })}</p>`;

export const showUploaded = (place, archive) => show(place, uploaded(archive));
