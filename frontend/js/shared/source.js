/** What a form can say of a repository's address before it is sent; the server says the same and more. */

import { t } from "/js/core/i18n.js";

const SCP = /^([\w.-]+)@([^\s/:@[\]]+|\[[0-9a-f:.]+\]):(?!\/\/)(.*)$/i;
const SSH = /^ssh:\/\//i;

export const isSsh = (address) => SSH.test(address) || SCP.test(address);

function detail(address) {
  if (/[\s\\]/.test(address)) return "address_signs";
  const [, , , path] = SCP.exec(address) ?? [];
  if (path !== undefined && (!path || path.startsWith("-"))) return "address_ssh";
  if (path === undefined) {
    if (!SSH.test(address) && !/^https?:\/\//i.test(address)) return "address_scheme";
    if (!URL.canParse(address)) return "address_invalid";
    const { username, password, pathname } = new URL(address);
    if (password || (username && !SSH.test(address))) return "address_credentials";
    if (SSH.test(address) && pathname.length < 2) return "address_ssh";
  }
  return /[?#]/.test(address) ? "address_query" : null;
}

/** The problem in words, or an empty text. */
function repositoryProblem(address) {
  const found = address && detail(address);
  return found ? t(`why.${found}`) : "";
}

/** For a form's own field: said by `complete` and while typing. */
export function checkRepository(input) {
  input.setCustomValidity(repositoryProblem(input.value.trim()));
  return input.validationMessage;
}
