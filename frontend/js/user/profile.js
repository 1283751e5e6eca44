/** The account: name, language and theme. */

import { get, patch } from "/js/core/api.js";
import { accountChanged, setLanguage, setTheme } from "/js/core/app.js";
import { t } from "/js/core/i18n.js";
import { complete, submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";

export async function mount(root, { signal }) {
  const form = root.querySelector("form");
  const me = await get("/me", {}, signal);
  form.elements.name.value = me.name ?? "";
  root.querySelector("#profile-email").value = me.email;
  accountChanged(me);
}

export const actions = {
  "profile.save": (form) =>
    complete(form) &&
    submit(form, async () => {
      accountChanged(await patch("/me", { name: values(form).name.trim() }));
      toast(t("profile.saved"));
    }),
  "profile.language": async (input) => {
    // The account remembers it too: letters and other devices speak the chosen language.
    accountChanged(await patch("/me", { locale: input.value }));
    await setLanguage(input.value);
  },
  "profile.theme": (input) => setTheme(input.value),
};
