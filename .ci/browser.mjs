// The HTML report in a real browser: no errors, no request, zoom and cursor, readable without scripts.
import { chromium } from "playwright-core";
import { readFileSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [page_path, pictures] = process.argv.slice(2);
const url = pathToFileURL(resolve(page_path)).href;
mkdirSync(pictures, { recursive: true });
const failures = [];
const check = (holds, what) => { console.log(`${holds ? "ok  " : "FAIL"} ${what}`); if (!holds) failures.push(what); };

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });
async function open(options) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 900 }, ...options });
  const page = await context.newPage();
  const said = [], requests = [];
  page.on("console", (message) => { if (message.type() !== "log") said.push(message.text()); });
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("request", (request) => { if (request.url() !== url && !request.url().startsWith("data:")) requests.push(request.url()); });
  await page.goto(url);
  return { context, page, said, requests };
}

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
await browser.close();
if (failures.length) { console.error(`${failures.length} checks failed`); process.exit(1); }
