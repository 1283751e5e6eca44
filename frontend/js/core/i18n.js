/**
 * Language of the page: texts from `locales/<lang>.json` and, for pages that few open, from
 * `locales/<lang>/<area>.json`; numbers, dates and durations from Intl.
 * A text is a string, or an object of plural forms keyed by Intl.PluralRules categories.
 */

const LANGUAGES = ["en", "ru"];
const BINARY = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
const SPANS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

let language = "en";
let texts = {};
let plurals = new Intl.PluralRules(language);
let timeZone;
const formats = new Map();
const areas = new Map();

export const currentLanguage = () => language;

/** The language chosen earlier in this browser, else the account's, else the browser's first that we speak. */
export function preferredLanguage(account) {
  const wishes = [localStorage.getItem("gavan.language"), account, ...navigator.languages];
  return wishes.map((wish) => wish?.slice(0, 2)).find((wish) => LANGUAGES.includes(wish)) ?? "en";
}

async function read(name) {
  const answer = await fetch(`/locales/${name}.json`);
  if (!answer.ok) throw new Error(`locale ${name}: ${answer.status}`);
  return answer.json();
}

/** Adds the texts of an area of the panel; the language chosen later brings them along. */
export function loadTexts(area) {
  if (!areas.has(area)) {
    const wanted = language;
    const coming = read(`${wanted}/${area}`).then(
      (found) => wanted === language && Object.assign(texts, found),
      (error) => {
        areas.delete(area);
        throw error;
      },
    );
    areas.set(area, coming);
  }
  return areas.get(area);
}

export async function loadLanguage(next) {
  const parts = await Promise.all([read(next), ...[...areas.keys()].map((area) => read(`${next}/${area}`))]);
  texts = Object.assign({}, ...parts);
  language = next;
  plurals = new Intl.PluralRules(next);
  formats.clear();
  document.documentElement.lang = next;
}

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (hole, name) => values[name] ?? hole);

/** Text of `key`; `values.count` picks the plural form. An unknown key is returned itself, so that it is seen. */
export function t(key, values = {}) {
  let text = texts[key];
  if (text === undefined) return key;
  if (typeof text === "object") text = text[plurals.select(values.count)] ?? text.other;
  return fill(text, typeof values.count === "number" ? { ...values, count: number(values.count) } : values);
}

/** Text of a key that depends on data from the API (a state, an error's code), or `fallback`. */
export const known = (key, fallback, values) => (key in texts ? t(key, values) : fallback);

/** The keys that begin so: where the texts are the list of all that there is. */
export const keysOf = (prefix) => Object.keys(texts).filter((key) => key.startsWith(prefix));

/** A text that the API gives in every language, as `{en, ru}`. */
export const localised = (text) => (typeof text === "string" ? text : (text?.[language] ?? text?.en ?? ""));

/** Times are told as they are there; without a name, or in a browser that does not know it, as they are here. */
export function showTimesIn(zone) {
  timeZone = undefined;
  try {
    if (zone && format("DateTimeFormat", { timeZone: zone })) timeZone = zone;
  } catch {}
}

function format(kind, options) {
  const key = kind + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl[kind](language, options));
  return formats.get(key);
}

export const number = (value, options = {}) => format("NumberFormat", options).format(value);

export function bytes(value) {
  const step = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), BINARY.length - 1);
  return number(value / 1024 ** step, { style: "unit", unit: BINARY[step], maximumFractionDigits: 1 });
}

export const dateTime = (iso) =>
  format("DateTimeFormat", { dateStyle: "medium", timeStyle: "short", timeZone }).format(new Date(iso));

export const clock = (iso) => format("DateTimeFormat", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone }).format(new Date(iso));

/** "5 minutes ago"; below a minute "now", because seconds that jump every tick distract. */
export function ago(iso) {
  const seconds = (Date.now() - new Date(iso)) / 1000;
  const [unit, size] = SPANS.find(([, span]) => Math.abs(seconds) >= span) ?? ["second", 0];
  const past = size ? -Math.trunc(seconds / size) : 0;
  return format("RelativeTimeFormat", { numeric: size ? "always" : "auto" }).format(past, unit);
}

export function duration(fromIso, toIso) {
  const seconds = Math.max(0, (new Date(toIso ?? Date.now()) - new Date(fromIso)) / 1000);
  const unit = (value, name) =>
    number(value, { style: "unit", unit: name, unitDisplay: "narrow", maximumFractionDigits: 1 });
  if (seconds < 60) return unit(seconds < 10 ? seconds : Math.round(seconds), "second");
  const whole = Math.round(seconds);
  if (whole < 3600) return `${unit(Math.floor(whole / 60), "minute")} ${unit(whole % 60, "second")}`;
  return `${unit(Math.floor(whole / 3600), "hour")} ${unit(Math.floor((whole % 3600) / 60), "minute")}`;
}

/**
 * Puts texts into static markup: `data-t="key"` is the element's text,
 * `data-t-attr="placeholder:key,aria-label:key"` its attributes.
 */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-attr]")) {
    for (const pair of element.dataset.tAttr.split(",")) {
      const [attribute, key] = pair.split(":");
      element.setAttribute(attribute, t(key));
    }
  }
}
