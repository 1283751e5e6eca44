/** A backup's state and why it is so, in words. */

import { html } from "/js/core/dom.js";
import { bytes, known, t } from "/js/core/i18n.js";

export const STATES = ["queued", "running", "stored", "verified", "unverifiable", "failed", "cancelled"];
const TONES = { queued: "queued", running: "job-running", stored: "queued", verified: "succeeded", unverifiable: "failed", failed: "failed", cancelled: "cancelled", succeeded: "succeeded", preparing: "job-running", swapping: "job-running", returning: "job-running" };

export const stateBadge = (state) => html`<span class="badge" data-state="${TONES[state]}" data-backup-state="${state}">${t(`backups.state.${state}`)}</span>`;

export const why = ({ reason, reason_code: code }) => reason && known(`backups.why.${code}`, reason);

export const sizes = (backup) => backup.stored_bytes !== null && t("backups.size", { stored: bytes(backup.stored_bytes), content: bytes(backup.content_bytes) });
