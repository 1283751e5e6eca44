// A page with a greeting from the environment, its style sheet, and /health.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const port = Number(process.env.PORT ?? 3000);
const host = process.env.HOST ?? "127.0.0.1";

const escape = (text) =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0)};`);

const values = {
  greeting: escape(process.env.GREETING ?? "Hello, harbour!"),
  node: process.version.slice(1),
  started: `${new Date().toISOString().slice(11, 19)} UTC`,
};
const read = (name) => readFileSync(new URL(name, import.meta.url), "utf8");
const page = read("page.html").replace(/\{\{(\w+)\}\}/g, (_, name) => values[name]);

const answers = {
  "/": ["text/html; charset=utf-8", page],
  "/style.css": ["text/css; charset=utf-8", read("style.css")],
  "/health": ["application/json", JSON.stringify({ status: "ok" })],
};

const server = createServer((request, response) => {
  const [type, body] = answers[request.url.split("?")[0]] ?? [];
  console.log(`${request.method} ${request.url} ${body ? 200 : 404}`);
  response.writeHead(body ? 200 : 404, { "Content-Type": type ?? "text/plain; charset=utf-8" });
  response.end(body ?? "There is nothing at this address.\n");
});

server.listen(port, host, () => console.log(`Hello from Node.js ${process.version} on port ${port}`));

process.on("SIGTERM", () => {
  console.log("Asked to stop; finishing what is under way");
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
