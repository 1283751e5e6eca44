/** What a form can say of a repository's address before it is sent; the server says the same and more. */

import { t } from "/js/core/i18n.js";

const SSH = /^(?:ssh:\/\/|[\w.-]+@[\w.-]+:(?!\/\/))/i;

function detail(address) {
  if (/[\s\\]/.test(address)) return "address_signs";
  if (SSH.test(address)) return "address_ssh";
  if (!/^https?:\/\//i.test(address)) return "address_scheme";
  if (!URL.canParse(address)) return "address_invalid";
  const { username, password } = new URL(address);
  if (username || password) return "address_credentials";
  if (/[?#]/.test(address)) return "address_query";
  return null;
}

/** The problem in words, or an empty text. */
export function repositoryProblem(address) {
  const found = address && detail(address);
  return found ? t(`why.${found}`) : "";
}

/** For a form's own field: said by `complete` and while typing. */
export function checkRepository(input) {
  input.setCustomValidity(repositoryProblem(input.value.trim()));
  return input.validationMessage;
}
