// The HTML reports in a real browser: no errors, no request, zoom and cursor, downloads, readable without
// scripts, on paper and on a narrow screen. The first page is that of a run, others follow: name=path.
import { chromium } from "playwright-core";
import { readFileSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [page_path, pictures, ...others] = process.argv.slice(2);
const address = (path) => pathToFileURL(resolve(path)).href;
const url = address(page_path);
mkdirSync(pictures, { recursive: true });
const failures = [];
const check = (holds, what) => { console.log(`${holds ? "ok  " : "FAIL"} ${what}`); if (!holds) failures.push(what); };

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });
async function open(options, url = address(page_path)) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 900 }, ...options });
  const page = await context.newPage();
  const said = [], requests = [];
  page.on("console", (message) => { if (message.type() !== "log") said.push(message.text()); });
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("request", (request) => { if (request.url() !== url && !request.url().startsWith("data:")) requests.push(request.url()); });
  await page.goto(url);
  return { context, page, said, requests };
}

/** The text of what a button lets one download. */
async function downloaded(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
}
/** Whether anything reaches beyond the side of the window. */
const overflows = (page) => page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth + 1);

for (const scheme of ["light", "dark"]) {
  const { context, page, said, requests } = await open({ colorScheme: scheme });
  await page.waitForSelector("html[data-ready=yes]", { timeout: 20000 });
  await page.screenshot({ path: `${pictures}/${scheme}.png`, fullPage: true });
  await page.screenshot({ path: `${pictures}/${scheme}-top.png` });
  check(said.length === 0, `${scheme}: nothing on the console ${said.join(" | ")}`);
  check(requests.length === 0, `${scheme}: no request leaves the page ${requests.join(" ")}`);
  const charts = await page.locator("canvas").count();
  check(charts > 2, `${scheme}: ${charts} charts are drawn`);
  if (scheme === "light") {
    const over = page.locator(".u-over").first();
    await over.scrollIntoViewIfNeeded();
    const box = await over.boundingBox();
    await page.mouse.move(box.x + box.width * 0.5, box.y + box.height / 2);
    const at = await page.evaluate(() => document.documentElement.getAttribute("data-cursor"));
    check(at !== null, `the cursor has a time: ${at}`);
    const others = await page.evaluate(() => [...document.querySelectorAll(".u-legend")].filter((legend) => /\d/.test(legend.textContent)).length);
    check(others >= charts, `all legends follow the cursor: ${others} of ${charts}`);
    await page.mouse.move(box.x + box.width * 0.3, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + box.height / 2, { steps: 6 });
    await page.mouse.up();
    await page.waitForTimeout(200);
    const zoom = await page.evaluate(() => document.documentElement.getAttribute("data-zoom"));
    const [low, high] = zoom.split("..").map(Number);
    const span = JSON.parse(await page.locator("#series").textContent()).span;
    check(low > span * 0.2 && high < span * 0.7, `dragging zooms: ${zoom} of ${span}`);
    await page.screenshot({ path: `${pictures}/zoomed.png` });
    await page.click("#reset");
    await page.waitForTimeout(100);
    const whole = await page.evaluate(() => document.documentElement.getAttribute("data-zoom"));
    check(Number(whole.split("..")[1]) >= span * 0.99, `and is taken back: ${whole}`);
    await page.locator(".live").first().focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    const moved = await page.evaluate(() => document.documentElement.getAttribute("data-cursor"));
    check(moved !== null && moved !== at, `arrow keys move the cursor: ${moved}`);
    const jump = page.locator("a[href^='#t=']").first();
    if (await jump.count()) {
      const wanted = Math.max(0, Number((await jump.getAttribute("href")).slice(3)));
      await jump.click();
      await page.waitForTimeout(200);
      const there = Number(await page.evaluate(() => document.documentElement.getAttribute("data-cursor")));
      check(Math.abs(there - wanted) <= Math.max(30, span / 100), `a time in a table moves it: ${there} for ${wanted}`);
    }
    const banded = JSON.parse(await page.locator("#series").textContent()).charts.find((chart) => chart.series.some((series) => series.lo));
    check(banded !== undefined, "several runs have bands");
    const figure = page.locator("#chart-0");
    await figure.locator("details summary").click();
    const csv = await downloaded(page, figure.locator("button[data-csv]"));
    const rows = csv.text.trim().split("\n");
    check(csv.name.endsWith(".csv") && rows[0].startsWith("t_s,") && rows.length > 20, `a chart's figures are downloaded: ${csv.name}, ${rows.length} rows, ${rows[0]}`);
    check(rows.every((row) => row.split(",").length === rows[0].split(",").length), "and each row has every column");
    const json = await downloaded(page, page.locator("#json"));
    check(json.name.endsWith(".json") && JSON.parse(json.text).scenario !== undefined, "the whole result, too");
    await page.click("#theme");
    check((await page.evaluate(() => document.documentElement.getAttribute("data-theme"))) === "dark", "the theme can be changed");
    const sorted = page.locator("table.sort th button").first();
    await sorted.click();
    check((await page.locator("table.sort th[aria-sort]").count()) > 0, "tables sort");
  }
  await context.close();
}

{
  const { context, page, requests } = await open({ javaScriptEnabled: false, colorScheme: "light" });
  await page.screenshot({ path: `${pictures}/no-script.png`, fullPage: true });
  check((await page.locator("figure svg").first().isVisible()) && requests.length === 0, "without scripts the charts are there");
  check((await page.locator("canvas").count()) === 0, "and nothing else draws");
  check(await page.locator(".verdict").isVisible(), "the verdict is there");
  check(!(await page.locator("#theme").isVisible()), "what needs scripts is not shown");
  await page.emulateMedia({ media: "print" });
  await page.pdf({ path: `${pictures}/print.pdf` }).catch(() => {});
  await context.close();
}

{
  // As servers with a strict policy deliver it: neither scripts nor styles.
  const context = await browser.newContext({ viewport: { width: 1180, height: 900 } });
  const page = await context.newPage();
  const bare = readFileSync(page_path, "utf8").replace(/<style>[\s\S]*?<\/style>/g, "").replace(/<script[\s\S]*?<\/script>/g, "");
  await page.setContent(bare);
  await page.screenshot({ path: `${pictures}/bare.png` });
  check((await page.locator("section").count()) > 5, "without scripts and styles all parts are there");
  await context.close();
}
// On a narrow screen nothing reaches over the side, and on paper the pictures are there.
{
  const { context, page, said } = await open({ viewport: { width: 390, height: 800 }, colorScheme: "light" });
  await page.waitForSelector("html[data-ready=yes]", { timeout: 20000 });
  await page.screenshot({ path: `${pictures}/narrow.png`, fullPage: true });
  check(said.length === 0 && !(await overflows(page)), "a narrow screen holds the page");
  await page.emulateMedia({ media: "print" });
  check((await page.locator("figure svg").first().isVisible()) && !(await page.locator("canvas").first().isVisible()), "on paper the pictures stand in for what moves");
  await context.close();
}

for (const other of others) {
  const [name, path] = other.split("=");
  for (const scheme of ["light", "dark"]) {
    const { context, page, said, requests } = await open({ colorScheme: scheme }, address(path));
    await page.waitForSelector("html[data-ready=yes]", { timeout: 20000 });
    await page.screenshot({ path: `${pictures}/${name}-${scheme}.png`, fullPage: true });
    check(said.length === 0 && requests.length === 0, `${name}, ${scheme}: quiet, and nothing leaves the page ${said.join(" | ")}`);
    const series = JSON.parse(await page.locator("#series").textContent());
    check((await page.locator("canvas").count()) === series.charts.length && series.charts.every((chart) => chart.series.length === 2), `${name}, ${scheme}: ${series.charts.length} charts of two sides`);
    if (scheme === "light" && (await page.locator("button[data-table-csv]").count())) {
      const csv = await downloaded(page, page.locator("button[data-table-csv]").first());
      check(csv.text.split("\n")[0].includes("Now"), `${name}: its table is downloaded`);
    }
    await context.close();
  }
  const { context, page } = await open({ javaScriptEnabled: false, viewport: { width: 390, height: 800 } }, address(path));
  check((await page.locator("table").count()) > 1 && !(await overflows(page)), `${name}: reads without scripts on a narrow screen`);
  await page.screenshot({ path: `${pictures}/${name}-narrow.png`, fullPage: true });
  await context.close();
}
await browser.close();
if (failures.length) { console.error(`${failures.length} checks failed`); process.exit(1); }
