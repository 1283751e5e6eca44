/**
 * Start of the panel and its router: a path finds its page in the route table, the page's partial and
 * module come in parallel at the first visit, and loading, failure and focus are handled here for all.
 */

import { chosenProject, keepProfile, loadProfile, profile, signOut, whenConnectionChanges, whenSignedOut } from "/js/core/api.js";
import { html, icon, listen, offer, offerLazily, partial, render, style, tickTimes } from "/js/core/dom.js";
import { currentLanguage, loadLanguage, loadTexts, preferredLanguage, showTimesIn, t, translate } from "/js/core/i18n.js";

// role: "guest" pages are for people who are not signed in, "open" ones for everybody; else the permission
// without which there is no page.
// style: the sheet, and the area of `locales/` of the same name, that the page needs beside the common ones.
// texts: one more area.
// A `?` part may be missing; moving between such paths updates the page instead of mounting it anew.
const routes = [
  { path: "/login", partial: "shared/login", module: "shared/login", role: "guest", title: "login.title" },
  { path: "/register", partial: "shared/register", module: "shared/login", role: "guest", title: "register.title" },
  { path: "/forgot", partial: "shared/forgot", module: "shared/password-reset", role: "open", title: "forgot.title", texts: "account" },
  { path: "/reset", partial: "shared/reset", module: "shared/password-reset", role: "open", title: "reset.title", texts: "account" },
  { path: "/verify-email", partial: "shared/link", module: "shared/link", role: "open", title: "link.title", texts: "account" },
  { path: "/restore-email", partial: "shared/link", module: "shared/link", role: "open", title: "restore.title", texts: "account" },
  { path: "/check-mail", partial: "shared/link", module: "shared/link", role: "open", title: "check_mail.title", texts: "account" },
  { path: "/services", partial: "shared/services", module: "shared/services", title: "nav.services" },
  { path: "/services/new", partial: "user/order", module: "user/order", title: "order.title", style: "work", texts: "reasons" },
  { path: "/services/:id/:tab?", partial: "user/service", module: "user/service", title: "service.title", style: "work", texts: "reasons" },
  { path: "/catalogue", partial: "user/catalogue", module: "user/catalogue", title: "stacks.catalogue", style: "work", texts: "stacks" },
  { path: "/stacks/:id", partial: "user/stack", module: "user/stack", title: "stacks.catalogue", style: "work", texts: "stacks" },
  { path: "/deployments/:id", partial: "user/deployment", module: "user/deployment", title: "deployment.title", style: "work", texts: "reasons" },
  { path: "/jobs", partial: "shared/jobs", module: "shared/jobs", title: "nav.jobs", style: "work", texts: "reasons" },
  { path: "/jobs/:id", partial: "shared/job", module: "shared/job", title: "job.title", style: "work", texts: "reasons" },
  { path: "/billing", partial: "user/billing", module: "user/billing", title: "nav.billing", style: "work", texts: "billing" },
  { path: "/billing/statement", partial: "user/statement", module: "user/statement", title: "nav.billing", style: "work", texts: "billing" },
  { path: "/billing/usage", partial: "user/usage", module: "user/usage", title: "nav.billing", style: "work", texts: "billing" },
  { path: "/billing/payments", partial: "user/payments", module: "user/payments", title: "nav.billing", style: "work", texts: "billing" },
  { path: "/billing/invoices", partial: "shared/invoices", module: "shared/invoices", title: "nav.billing", style: "work", texts: "billing" },
  { path: "/billing/invoices/:id", partial: "shared/invoice", module: "shared/invoice", title: "nav.billing", style: "work", texts: "billing" },
  { path: "/projects", partial: "user/projects", module: "user/projects", title: "nav.projects", style: "work", texts: "people" },
  { path: "/projects/:id", partial: "user/project", module: "user/project", title: "nav.projects", style: "work", texts: "people" },
  { path: "/invitation", partial: "user/invitation", module: "user/invitation", title: "invitation.title", style: "work", texts: "people" },
  { path: "/profile", partial: "user/profile", module: "user/profile", title: "nav.profile", style: "work", texts: "account" },
  { path: "/security", partial: "user/security", module: "user/security", title: "nav.security", style: "work", texts: "security" },
  { path: "/applications", partial: "user/applications", module: "user/applications", title: "nav.applications", style: "work", texts: "applications" },
  { path: "/consent", partial: "user/consent", module: "user/consent", title: "consent.page", style: "work", texts: "applications" },
  { path: "/activity", partial: "shared/audit", module: "shared/audit", title: "nav.activity", style: "work", texts: "audit" },
  { path: "/admin", partial: "admin/overview", module: "admin/overview", role: "admin:overview", title: "nav.admin_overview", style: "work", texts: "reasons" },
  { path: "/admin/users", partial: "admin/users", module: "admin/users", role: "admin:users", title: "nav.admin_users", style: "work", texts: "staff" },
  { path: "/admin/users/:id", partial: "admin/user", module: "admin/user", role: "admin:users", title: "nav.admin_users", style: "work", texts: "staff" },
  { path: "/admin/roles", partial: "admin/roles", module: "admin/roles", role: "admin:roles", title: "nav.admin_roles", style: "work", texts: "staff" },
  { path: "/admin/services", partial: "shared/services", module: "shared/services", role: "admin:services", title: "nav.admin_services" },
  { path: "/admin/domains", partial: "admin/domains", module: "admin/domains", role: "admin:services", title: "domains.all", style: "work", texts: "domains" },
  { path: "/admin/backups", partial: "admin/backups", module: "admin/backups", role: "admin:services", title: "backups.all", style: "work", texts: "backups" },
  { path: "/admin/nodes", partial: "admin/nodes", module: "admin/nodes", role: "admin:nodes", title: "nodes.title", style: "work", texts: "nodes" },
  { path: "/admin/nodes/:id?", partial: "admin/node", module: "admin/node", role: "admin:nodes", title: "nodes.title", style: "work", texts: "nodes" },
  { path: "/admin/jobs", partial: "shared/jobs", module: "shared/jobs", role: "admin:jobs", title: "nav.admin_jobs", style: "work", texts: "reasons" },
  { path: "/admin/billing/ledger", partial: "admin/ledger", module: "admin/ledger", role: "admin:billing", title: "nav.admin_billing", style: "work", texts: "billing" },
  { path: "/admin/billing", partial: "admin/billing", module: "admin/billing", role: "admin:billing", title: "nav.admin_billing", style: "work", texts: "billing" },
  { path: "/admin/billing/payments", partial: "admin/payments", module: "admin/payments", role: "admin:billing", title: "nav.admin_billing", style: "work", texts: "billing" },
  { path: "/admin/billing/invoices", partial: "shared/invoices", module: "shared/invoices", role: "admin:billing", title: "nav.admin_billing", style: "work", texts: "billing" },
  { path: "/admin/billing/invoices/:id", partial: "shared/invoice", module: "shared/invoice", role: "admin:billing", title: "nav.admin_billing", style: "work", texts: "billing" },
  { path: "/admin/billing/runs", partial: "admin/billing-runs", module: "admin/billing-runs", role: "admin:billing", title: "nav.admin_billing", style: "work", texts: "billing" },
  { path: "/admin/billing/taxes", partial: "admin/taxes", module: "admin/taxes", role: "admin:billing", title: "nav.admin_billing", style: "work", texts: "billing" },
  { path: "/admin/billing/prices", partial: "admin/prices", module: "admin/prices", role: "admin:billing", title: "nav.admin_billing", style: "work", texts: "prices" },
  { path: "/admin/letters", partial: "admin/letters", module: "admin/letters", role: "admin:letters", title: "nav.admin_letters", style: "work", texts: "letters" },
  { path: "/admin/letters/templates", partial: "admin/letter-templates", module: "admin/letter-templates", role: "admin:letters", title: "nav.admin_letters", style: "work", texts: "letters" },
  { path: "/admin/audit", partial: "shared/audit", module: "shared/audit", role: "admin:audit", title: "nav.admin_audit", style: "work", texts: "audit" },
];
const PROFILE_AGE_MS = 30_000;
const SLOW_MS = 150;

for (const route of routes) {
  const source = route.path.replace(/\/:(\w+)\?/g, "(?:/(?<$1>[^/]+))?").replace(/:(\w+)/g, "(?<$1>[0-9a-f-]{36})");
  route.pattern = new RegExp(`^${source}/?$`);
}

const element = (id) => document.getElementById(id);
const content = element("content");
let shown = null;
let turn = 0;

function find(path) {
  for (const route of routes) {
    const match = route.pattern.exec(path);
    if (match) return { route, params: { ...match.groups } };
  }
  return null;
}

const isPublic = (route) => route?.role === "guest" || route?.role === "open";
const may = (route) => !route.role || isPublic(route) || (profile()?.permissions ?? []).includes(route.role);

/** Whether there is such a page for whoever is signed in. */
export const hasPage = (path) => Boolean(find(path)) && may(find(path).route);

/** Goes to a path of the panel. */
export function navigate(to, { replace = false } = {}) {
  const url = new URL(to, location.href);
  if (replace) history.replaceState({}, "", url);
  else {
    history.replaceState({ ...history.state, scroll: scrollY }, "");
    history.pushState({}, "", url);
  }
  return show();
}

/** Sets a query parameter in the address without leaving the page; an empty value removes it. */
export function noteInAddress(values) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  history.replaceState(history.state, "", url);
}

async function redirected(url, found) {
  if (url.pathname === "/") return profile() ? "/services" : "/login";
  if (!found) return null;
  if (found.route.role === "guest") return profile() ? "/services" : null;
  if (profile() || isPublic(found.route)) return null;
  try {
    await loadProfile();
    return null;
  } catch (error) {
    if (error.status !== 401) throw error;
    return `/login?next=${encodeURIComponent(url.pathname + url.search)}`;
  }
}

async function show({ scroll = 0, first = false } = {}) {
  const mine = ++turn;
  const slow = setTimeout(() => (element("loading").hidden = false), SLOW_MS);
  busy(true);
  try {
    // The secret of a letter's link leaves the address before the way leads on, as to the sign-in page.
    if (new URLSearchParams(location.search).has("token")) (await import("/js/shared/link.js")).takeToken();
    if (mine !== turn) return;
    const url = new URL(location.href);
    const found = find(url.pathname);
    const elsewhere = await redirected(url, found);
    if (mine !== turn) return;
    if (elsewhere) return void (await navigate(elsewhere, { replace: true }));
    if (found && may(found.route)) await enter(found, url, mine, scroll, first);
    else await standIn("shared/not-found", "not_found.title");
  } catch (error) {
    if (mine === turn) await excuse(error);
  } finally {
    clearTimeout(slow);
    if (mine === turn) {
      element("loading").hidden = true;
      busy(false);
    }
  }
}

/** The page on display is on its way out, or not yet filled. */
const busy = (is) => element("content").querySelector(":scope > .page")?.setAttribute("aria-busy", String(is));

async function enter({ route, params }, url, mine, scroll, first) {
  const query = Object.fromEntries(url.searchParams);
  if (shown?.route === route && shown.module.update?.({ params, query })) return markActive(url.pathname);
  const [markup, module] = await Promise.all([
    partial(route.partial),
    import(`/js/${route.module}.js`),
    route.style && style(route.style),
    route.style && loadTexts(route.style),
    route.texts && loadTexts(route.texts),
  ]);
  if (mine !== turn) return;
  const root = replacePage(markup, isPublic(route) ? "guest" : "panel", route.partial);
  const controller = new AbortController();
  shown = { route, module, leave: () => controller.abort() };
  name(t(route.title));
  markActive(url.pathname);
  offer(module.actions ?? {}, controller.signal);
  busy(true);
  await module.mount(root, { params, query, signal: controller.signal, admin: Boolean(route.role), name });
  if (mine !== turn) return;
  scrollTo(0, scroll);
  if (!first || root.querySelector("[autofocus]")) focusHeading(root);
  refreshProfile();
}

function replacePage(markup, frame, page) {
  shown?.leave();
  shown = null;
  const root = document.createElement("div");
  root.className = "page";
  root.dataset.page = page.split("/").pop();
  // Partials are our own static files; everything of the API enters later through `render` as text.
  root.innerHTML = markup;
  translate(root);
  if (frame) document.body.dataset.frame = frame;
  if (frame === "panel") describeAccount();
  element("sidebar").classList.remove("open");
  content.replaceChildren(root);
  applyChoices();
  return root;
}

async function standIn(name_, title) {
  const root = replacePage(await partial(name_), profile() ? "panel" : "guest", name_);
  name(t(title));
  markActive("");
  focusHeading(root);
}

/** Shows in place of the page that it could not be shown. */
async function excuse(error) {
  if (error.name === "AbortError" || error.status === 401) return;
  if (error.status === 404) return standIn("shared/not-found", "not_found.title");
  if (error.name !== "ApiError") console.error(error);
  const root = replacePage("", profile() ? "panel" : "guest", "failure");
  const detail = error.name === "ApiError" ? error.message : t("failure.unexpected");
  render(
    root,
    html`<div class="state" role="alert"><img src="/images/storm.svg" alt="" width="220" height="140">
      <h1 tabindex="-1">${t("failure.title")}</h1><p>${detail}</p>
      ${error.requestId && html`<p class="hint">${t("failure.request", { id: error.requestId })}</p>`}
      <button class="button primary" type="button" data-action="page.retry">${icon("again")}${t("failure.retry")}</button></div>`,
  );
  name(t("failure.title"));
  focusHeading(root);
}

function name(title) {
  document.title = `${title} · Gavan`;
}

function focusHeading(root) {
  const heading = root.querySelector("[autofocus]") ?? root.querySelector("h1");
  if (heading?.tagName === "H1") heading.tabIndex = -1;
  heading?.focus({ preventScroll: true });
  element("announce").textContent = document.title;
}

function markActive(path) {
  const links = [...element("sidebar").querySelectorAll(".nav a")];
  const fits = (link) => path === link.pathname || path.startsWith(`${link.pathname}/`);
  const active = links.filter(fits).sort((a, b) => b.pathname.length - a.pathname.length)[0];
  const account = /^\/(security|applications|activity)$/.test(path) && links.find((link) => link.pathname === "/profile");
  const owner = /^\/deployments\//.test(path) ? links[0] : account || active;
  for (const link of links) {
    if (link === owner) link.setAttribute("aria-current", link.pathname === path ? "page" : "true");
    else link.removeAttribute("aria-current");
  }
}

function describeAccount() {
  const me = profile() ?? {};
  const called = me.name || me.email || "";
  element("account").textContent = (called.match(/[\p{L}\p{N}]/gu)?.[0] ?? "·").toUpperCase();
  element("account-name").textContent = me.name || "";
  element("account-email").textContent = me.email || "";
  describeProjects(me.projects ?? []);
  showTimesIn(me.time_zone);
  element("verify").hidden = !me.verification_required;
  if (me.verification_required) {
    import("/js/shared/verify-notice.js").then(({ showNotice }) => showNotice(element("verify"), me.email)).catch(failed);
  }
  const links = [...element("nav-admin").querySelectorAll("a")];
  for (const link of links) link.hidden = !may(find(link.pathname).route);
  for (const link of element("sidebar").querySelectorAll("[href$=billing]")) link.hidden ||= me.billing_enabled === false;
  element("nav-admin").hidden = links.every((link) => link.hidden);
}

function describeProjects(projects) {
  const all = { id: "", name: t("shell.all_projects") };
  const options = [all, ...projects].map(({ id, name }) => html`<option value="${id}">${name}</option>`);
  const choice = element("project");
  choice.hidden = projects.length < 2;
  render(choice, options);
  choice.value = chosenProject();
}

/** Keeps the remembered profile true (a changed role, a new name) without delaying any page. */
async function refreshProfile() {
  const me = profile();
  if (!me || Date.now() - me.seen < PROFILE_AGE_MS) return;
  keepProfile(me);
  await loadProfile().then(describeAccount, () => {});
}

/** Takes over changed account facts. */
export function accountChanged(me) {
  keepProfile(me);
  describeAccount();
}

/** Asks for the account facts anew, as after joining or leaving a project. */
export const refreshAccount = async () => accountChanged(await loadProfile());

export function setTheme(theme) {
  if (theme === "system") localStorage.removeItem("gavan.theme");
  else localStorage.setItem("gavan.theme", theme);
  applyChoices();
}

async function speak(language) {
  await loadLanguage(language);
  translate(document);
  applyChoices();
}

/** After sign-in the account's language holds, unless another was chosen in this browser. */
export async function speakAsPreferred() {
  const language = preferredLanguage(profile()?.locale);
  if (language !== currentLanguage()) await speak(language);
}

export async function setLanguage(language) {
  localStorage.setItem("gavan.language", language);
  await speak(language);
  await showAnew();
}

/** Builds the page again, where it is: what it shows follows from something else now. */
export function showAnew() {
  shown?.leave();
  shown = null;
  return show({ scroll: scrollY, first: true });
}

/** Makes the page and every choice of theme and language on it agree with what is chosen. */
function applyChoices() {
  const theme = localStorage.getItem("gavan.theme") ?? "system";
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const chosen = { theme, language: document.documentElement.lang };
  // Groups of radio buttons have names of their own per place, or they would uncheck each other.
  for (const input of document.querySelectorAll("input[name^=theme], input[name^=language]")) {
    input.checked = input.value === chosen[input.name.split("-")[0]];
  }
}

async function failed(error) {
  if (error.name === "AbortError" || error.status === 401) return;
  if (error.name !== "ApiError") console.error(error);
  const { toast } = await import("/js/shared/toast.js");
  toast(error.name === "ApiError" ? error.message : t("failure.unexpected"), "bad");
}

function followLink(event) {
  const link = event.target.closest("a[href]");
  const modified = event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (!link || modified || event.defaultPrevented || link.target || link.origin !== location.origin) return;
  if (link.hash || /^\/(api|oauth)\//.test(link.pathname)) return;
  event.preventDefault();
  element("account-menu").hidePopover();
  navigate(link.href);
}

async function start() {
  history.scrollRestoration = "manual";
  applyChoices();
  listen(failed);
  document.addEventListener("click", followLink);
  addEventListener("popstate", ({ state }) => show({ scroll: state?.scroll ?? 0 }));
  whenConnectionChanges((lost) => (element("connection").hidden = !lost));
  whenSignedOut(() => {
    const at = find(location.pathname);
    if (isPublic(at?.route)) return;
    const back = location.pathname === "/" ? "" : `?next=${encodeURIComponent(location.pathname + location.search)}`;
    navigate(`/login${back}`, { replace: true });
  });
  offer({
    "page.skip": (_, event) => {
      event.preventDefault();
      content.focus();
    },
    "page.retry": () => show(),
    "session.end": async () => {
      // From "/" there is no page to come back to after the next sign-in.
      history.replaceState({}, "", "/");
      await signOut();
    },
  });
  offerLazily(["menu.open", "menu.close", "theme.set", "language.set", "project.choose"], () => import("/js/shared/shell.js"));
  setInterval(tickTimes, 20_000);
  await speak(preferredLanguage(profile()?.locale));
  await show({ first: true });
  if (sessionStorage.getItem("gavan.viewing")) await (await import("/js/admin/view-as.js")).sayOver();
}

start().catch(failed);
