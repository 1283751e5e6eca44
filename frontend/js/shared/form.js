/** Forms: one submission at a time, and every problem said beside the field that it is about. */

import { number, t } from "/js/core/i18n.js";

export const values = (form) => Object.fromEntries(new FormData(form));

function describe(input, message) {
  const field = input.closest(".field") ?? input.parentElement;
  let place = field.querySelector(".field-error");
  if (!place) {
    place = Object.assign(document.createElement("p"), { className: "field-error", id: `${input.id}-error` });
    field.append(place);
  }
  place.textContent = message;
  input.setAttribute("aria-invalid", message ? "true" : "false");
  const described = (input.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== place.id);
  if (message) described.push(place.id);
  input.setAttribute("aria-describedby", described.join(" "));
}

/** Shows or, with an empty message, clears what is wrong with one field. */
export function fieldError(form, name, message) {
  const input = form.elements[name];
  if (input instanceof HTMLElement) describe(input, message);
  return input instanceof HTMLElement;
}

function formError(form, message) {
  const place = form.querySelector("[data-form-error]");
  place.hidden = !message;
  place.textContent = message;
}

const complaint = (input) => {
  if (input.validity.valueMissing) return t("form.required");
  // A form's own check knows more than HTML's patterns.
  if (input.validity.customError) return input.validationMessage;
  if (input.validity.typeMismatch && input.type === "email") return t("form.email");
  if (input.validity.tooShort) return t("form.too_short", { count: input.minLength });
  if (!input.validity.valid) return t("form.invalid");
  return "";
};

/** Checks the fields as HTML declares them; puts the focus on the first that is wrong. */
export function complete(form) {
  formError(form, "");
  const inputs = [...form.elements].filter((input) => input.name && input.willValidate && input.type !== "radio");
  for (const input of inputs) describe(input, complaint(input));
  const wrong = inputs.find((input) => complaint(input));
  wrong?.focus();
  return !wrong;
}

/** Puts an ApiError into the form; what belongs to no field goes above it. Other errors are thrown on. */
function explain(form, error) {
  if (error.name !== "ApiError" || error.status === 401) throw error;
  const left = Object.entries(error.fields).filter(([name, message]) => !fieldError(form, name, message));
  if (error.status === 429 && error.retryAfter) {
    formError(form, t("problem.wait", { seconds: number(error.retryAfter) }));
  } else if (left.length) formError(form, left.map(([name, message]) => `${name}: ${message}`).join("; "));
  else if (!Object.keys(error.fields).length) formError(form, error.message);
  form.querySelector("[aria-invalid=true]")?.focus();
}

/** Runs `send` with the form's button busy; a second submission meanwhile does nothing. */
export async function submit(form, send) {
  const button = form.querySelector("[type=submit]");
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await send();
  } catch (error) {
    explain(form, error);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** Shows or hides what is typed into the password field beside the button. */
export function reveal(button) {
  const input = button.parentElement.querySelector("input");
  const shown = input.type === "password";
  input.type = shown ? "text" : "password";
  button.setAttribute("aria-pressed", String(shown));
}
