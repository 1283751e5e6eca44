/** A cron expression in words, as far as it is one of the usual kinds. */

import { currentLanguage, t } from "/js/core/i18n.js";

const WHOLE = /^\d+$/;
// A Sunday: the days of the week are counted from it.
const SUNDAY = Date.UTC(2023, 0, 1);
const DAY_MS = 86_400_000;

const two = (value) => value.padStart(2, "0");

const dayOfWeek = (day) =>
  new Intl.DateTimeFormat(currentLanguage(), { weekday: "long", timeZone: "UTC" }).format(new Date(SUNDAY + (Number(day) % 7) * DAY_MS));

/** What people mean most often; the rest is written as it is. */
export const PRESETS = ["*/15 * * * *", "0 * * * *", "30 3 * * *", "30 3 * * 1", "30 3 1 * *"];

/** Null where only the next times can tell. */
export function inWords(expression) {
  const [minute, hour, day, month, weekday] = expression.trim().split(/\s+/);
  const rest = [hour, day, month, weekday].join(" ");
  if (minute === "*" && rest === "* * * *") return t("cron.every_minute");
  const step = /^\*\/(\d+)$/.exec(minute ?? "");
  if (step && rest === "* * * *") return t("cron.every_minutes", { count: Number(step[1]) });
  if (!WHOLE.test(minute ?? "")) return null;
  if (rest === "* * * *") return t("cron.hourly", { minute: two(minute) });
  if (!WHOLE.test(hour ?? "") || month !== "*") return null;
  const time = `${two(hour)}:${two(minute)}`;
  if (day === "*" && weekday === "*") return t("cron.daily", { time });
  if (day === "*" && WHOLE.test(weekday)) return t("cron.weekly", { time, day: dayOfWeek(weekday) });
  if (WHOLE.test(day) && weekday === "*") return t("cron.monthly", { time, day: Number(day) });
  return null;
}
