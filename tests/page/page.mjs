// The status page of the real binary in a real browser: node page.mjs BINARY CHROMIUM MODULES
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { busy, HOSTILE } from "./status.mjs";

const [binary, executablePath, modules] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const DESKTOP = { width: 1280, height: 900 }, PHONE = { width: 360, height: 740 };
const dir = mkdtempSync(join(tmpdir(), "cti-bridge-page-"));
const children = [];

async function port() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

function start(...args) {
  const child = spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] });
  child.said = "";
  child.stderr.on("data", (data) => { child.said += data; });
  children.push(child);
  return child;
}

/** Until it is so, or 30 s have passed. */
async function until(what, isSo) {
  const end = Date.now() + 30_000;
  for (;;) {
    const found = await isSo();
    if (found) return found;
    assert(Date.now() < end, `never ${what}: ${children.map((child) => child.said).join("\n")}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** A bridge with one sink that works and one whose server is away. Its address. */
async function bridge() {
  const [pbx, admin, nobody] = [await port(), await port(), await port()];
  start("simulate", "--listen", `127.0.0.1:${pbx}`, "--rate", "30");
  writeFileSync(join(dir, "config.toml"), `
    [sources.pbx1]
    url = "http://127.0.0.1:${pbx}"
    username = "bridge"
    password = "bridge"
    [derive]
    calls = true
    [sinks.out]
    type = "stdout"
    [sinks.bus]
    type = "nats"
    servers = ["nats://127.0.0.1:${nobody}"]
    [journal]
    dir = "${join(dir, "journal")}"
    [admin]
    listen = "127.0.0.1:${admin}"
  `);
  const process = start("run", "--config", join(dir, "config.toml"));
  const at = `http://127.0.0.1:${admin}/`;
  const status = async () => (await fetch(at + "status").catch(() => null))?.json();
  await until("live", async () => (await status())?.sources[0].events > 100 && (await status()).sinks.some((sink) => sink.state === "failing"));
  return { at, process, status };
}

/** A page, and what went wrong in it. */
async function open(browser, at, options, status) {
  const { clock, ...more } = options;
  const context = await browser.newContext({ locale: "en", timezoneId: "Europe/Rome", ...more });
  const page = await context.newPage();
  if (clock) await page.clock.install();
  const wrong = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) wrong.push(message.text()); });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("dialog", (dialog) => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => { if (!request.url().startsWith(at)) wrong.push(`request to ${request.url()}`); });
  if (status) await page.route("**/status", (route) => route.fulfill({ json: status }));
  await page.goto(at);
  await page.locator("article").first().waitFor();
  return { page, wrong, close: () => context.close() };
}

async function isAccessible(page, what) {
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes[0].html, nodes[0].failureSummary]), [], what);
  assert(passes.length > 15, `${what}: axe has checked next to nothing`);
}

/** Nothing reaches beyond the screen, and nothing is hidden behind an edge. */
async function isUncut(page, what) {
  const cut = await page.evaluate(() => [...document.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    if (!box.width || element.closest(".skip, thead, svg, noscript")) return false;
    return box.right > innerWidth + .5 || box.left < 0 || (element.clientWidth && element.scrollWidth > element.clientWidth + 1);
  }).map((element) => element.outerHTML.slice(0, 120)));
  assert.deepEqual(cut, [], what);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, what);
}

const rows = (page, id) => page.locator(`#${id} tbody tr`).evaluateAll((lines) => lines.map((line) => [...line.cells].map((cell) => cell.textContent)));
const red = (page, selector) => page.locator(selector).first().evaluate((element) => {
  const [r, g, b] = getComputedStyle(element).color.match(/\d+/g).map(Number);
  return r > 1.5 * g && r > 1.5 * b;
});

/** Of the bridge itself, as it runs. */
async function live(browser, { at, status }) {
  const answer = await fetch(at);
  assert.match(answer.headers.get("content-security-policy"), /^default-src 'none'; style-src 'sha256-[^ ]+'; script-src 'sha256-[^ ]+'; connect-src 'self';/);
  const { page, wrong, close } = await open(browser, at, { viewport: DESKTOP });
  assert.equal(await page.locator("#ready").textContent(), "not ready");
  const sources = page.locator("#sources");
  await sources.getByRole("img", { name: /^events per minute over the last hour: now [1-9][\d,]*, peak [1-9]/ }).waitFor();
  await sources.getByText(/^\d+ going on$/).waitFor();
  const failing = page.locator("article.failing");
  await failing.getByText("127.0.0.1").first().waitFor();
  await failing.getByRole("img", { name: /^lag over the last hour: now [1-9]/ }).waitFor();
  assert((await rows(page, "gaps")).length > 0 && (await rows(page, "events")).length === 12);
  assert((await status()).history.sources.pbx1.at(-1) > 0);
  await isAccessible(page, "live");
  assert.deepEqual(wrong, []);
  await close();
}

/** With an hour behind it, gaps and losses; `status` is an answer of the bridge. */
async function content(browser, at, status) {
  const { page, wrong, close } = await open(browser, at, { viewport: DESKTOP }, status);
  const bars = await page.locator("#sources svg").first().evaluate((svg) => [...svg.children].map((bar) => [Number(bar.getAttribute("x")), Number(bar.getAttribute("height"))]));
  assert.equal(bars.length, 60);
  assert.deepEqual([bars[0][0], bars[59][0]], [0, 59]);
  assert.deepEqual([bars[30][1], bars[31][1], bars[32][1]], [15, 7.5, 0], "200, 100 and no events");
  await page.getByRole("img", { name: "events per minute over the last hour: now 40, peak 200" }).waitFor();
  await page.getByRole("img", { name: "lag over the last hour: now 15 min, peak 20 min" }).waitFor();
  const [gap, unknown] = await rows(page, "gaps");
  assert.deepEqual(gap, ["2026-11-29 13:00:05", "pbx1", "65 s", "disconnected", "possible", "extenUpdate, queueUpdate"]);
  assert.deepEqual(unknown.slice(2, 5), ["unknown", "crashed", "certain"]);
  assert.deepEqual(await rows(page, "losses"), [["bus", "pbx1", "quota", "1,234", "2026-11-29 13:10:00"]]);
  assert(await red(page, "#losses tbody td"), "a loss is red");
  assert.equal(await red(page, "#ledger tbody td"), false);
  await page.getByText("At the present rate the journal is full in 3 h").waitFor();
  await page.getByText("2026-11-29 16:20:00 · in 3 h").waitFor();
  await page.getByText("1,234 answered, 56 missed").first().waitFor();
  assert.equal(await page.title(), "! " + status.instance + " · cti-bridge");
  // Text of a peer is text.
  assert.equal(await page.locator("main img, main script, main b").count(), 0);
  assert((await page.locator("main").textContent()).split(HOSTILE).length > 5, "the hostile text is not shown as it is");
  assert.equal(await page.evaluate(() => globalThis.hit), undefined);
  assert.deepEqual(wrong, []);
  await close();
}

async function everyScreen(browser, at, status) {
  for (const colorScheme of ["light", "dark"]) {
    for (const [name, viewport] of [["desktop", DESKTOP], ["tablet", { width: 880, height: 900 }], ["phone", PHONE]]) {
      const { page, wrong, close } = await open(browser, at, { viewport, colorScheme }, status);
      const what = `${name}, ${colorScheme}`;
      await isUncut(page, what);
      await isAccessible(page, what);
      // As the browser tells a screen reader; laid out as blocks, a table would be none.
      const { nodes } = await (await page.context().newCDPSession(page)).send("Accessibility.getFullAXTree");
      const count = (role) => nodes.filter((node) => node.role?.value === role).length;
      assert.deepEqual([count("table"), count("columnheader")], [5, 5 + 6 + 8 + 4 + 4], what);
      if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `page-${name}-${colorScheme}.png`), fullPage: true });
      assert.deepEqual(wrong, [], what);
      await close();
    }
  }
}

async function keyboard(browser, at) {
  const { page, wrong, close } = await open(browser, at, { viewport: PHONE, clock: true });
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "skip");
  await isUncut(page, "the skip link");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "main");
  await page.keyboard.press("Shift+Tab");
  assert.equal(await focused(), "pause");
  await page.keyboard.press("Space");
  const paused = page.getByRole("button", { name: "Pause updates", pressed: true });
  await paused.waitFor();
  let asked = 0;
  page.on("request", () => { asked += 1; });
  await page.clock.runFor(60_000);
  assert.equal(asked, 0, "it updates though it is paused");
  await page.keyboard.press("Space");
  await until("updated again", async () => {
    await page.clock.runFor(2000);
    return asked > 1;
  });
  assert.deepEqual(wrong, []);
  await close();
}

async function withoutBridge(browser, { at, process: child }) {
  const { page, close } = await open(browser, at, { viewport: PHONE });
  child.kill("SIGKILL");
  await page.getByRole("alert").getByText("The bridge does not answer").waitFor();
  assert((await page.locator("article").count()) > 0, "the last state is kept");
  await isUncut(page, "without the bridge");
  await isAccessible(page, "without the bridge");
  await close();
}

let browser;
try {
  const running = await bridge();
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"] });
  const status = busy(await running.status());
  await live(browser, running);
  await content(browser, running.at, status);
  await everyScreen(browser, running.at, status);
  await keyboard(browser, running.at);
  await withoutBridge(browser, running);
  console.log(`the page: live, an hour of it, 6 screens, keyboard and axe, in Chromium ${browser.version()}`);
} finally {
  await browser?.close();
  for (const child of children) child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
}
