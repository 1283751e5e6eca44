/** The account: name, time zone, language and theme, how to reach its person, and their data. */

import { get, patch, profile } from "/js/core/api.js";
import { accountChanged, setLanguage, setTheme } from "/js/core/app.js";
import { clock, t } from "/js/core/i18n.js";
import { accountTabs } from "/js/shared/account-tabs.js";
import { complete, submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";
import { actions as contactActions, showContacts } from "/js/user/contacts.js";
import { actions as dataActions } from "/js/user/own-data.js";

const CLOCK_MS = 1_000;
// What has no place's name are abbreviations, whose meaning is not the same everywhere; the API refuses them.
const PLACE = /^(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)\//;

function zones(chosen) {
  const device = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = new Set(["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => PLACE.test(zone))]);
  if (chosen) known.add(chosen);
  const places = [...known].sort().map((zone) => new Option(zone.replaceAll("_", " "), zone));
  return [new Option(t("profile.time_zone_device", { zone: device.replaceAll("_", " ") }), ""), ...places];
}

export async function mount(root, { signal }) {
  accountTabs(root);
  const form = root.querySelector("form");
  const me = await get("/me", {}, signal);
  accountChanged(me);
  form.elements.name.value = me.name;
  form.elements.time_zone.replaceChildren(...zones(me.time_zone));
  form.elements.time_zone.value = me.time_zone ?? "";
  const time = root.querySelector("[data-part=time]");
  const tell = () => (time.textContent = t("profile.time_now", { time: clock(new Date()) }));
  tell();
  const ticking = setInterval(tell, CLOCK_MS);
  signal.addEventListener("abort", () => clearInterval(ticking));
  showContacts(root, me);
}

export const actions = {
  ...contactActions,
  ...dataActions,
  "profile.save": (form) =>
    complete(form) &&
    submit(form, async () => {
      const { name, time_zone: zone } = values(form);
      accountChanged(await patch("/me", { name: name.trim(), time_zone: zone || null }));
      toast(t("profile.saved"));
    }),
  "profile.language": async (input) => {
    // The account remembers it too: letters and other devices speak the chosen language.
    if (profile().locale !== input.value) accountChanged(await patch("/me", { locale: input.value }));
    await setLanguage(input.value);
  },
  "profile.theme": (input) => setTheme(input.value),
};
