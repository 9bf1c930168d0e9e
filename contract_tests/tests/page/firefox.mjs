// A walk through the page in Firefox: `node firefox.mjs FIREFOX URL RECEIVER`, of a mock whose
// clock stands still. Prints as JSON what went wrong, and when something was first painted.
import assert from "node:assert/strict";
import puppeteer from "puppeteer-core";

const [executablePath, url, receiver] = process.argv.slice(2);
const endpoint = "fal-ai/ltx-2/text-to-video/fast";

const call = async (path, body) => {
  const headers = { authorization: "Key id:secret", "content-type": "application/json" };
  const reply = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
  assert.ok(reply.ok, `${path}: ${reply.status}`);
};

const browser = await puppeteer.launch({ browser: "firefox", executablePath, timeout: 90_000 });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  await page.setViewport({ width: 1280, height: 720 });
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("console", (said) => {
    if (["error", "warn"].includes(said.type())) wrong.push(`${said.type()}: ${said.text()}`);
  });
  // What a policy refuses is an event of the document.
  await page.evaluateOnNewDocument(() =>
    addEventListener("securitypolicyviolation", (event) =>
      console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI}`),
    ),
  );
  page.on("request", (asked) => {
    const to = new URL(asked.url());
    if (to.hostname && to.hostname !== "127.0.0.1") wrong.push(`asked ${to}`);
  });

  /** Wait until one of what `selector` finds has `text` in it. */
  const shows = (selector, text) =>
    page.waitForFunction(
      (selector, text) =>
        [...document.querySelectorAll(selector)].some((one) => one.innerText.includes(text)),
      {},
      selector,
      text,
    );
  const plays = () =>
    page.waitForFunction(() => document.querySelector("video")?.videoWidth === 1920);
  const press = (name) => page.locator(`::-p-aria([name="${name}"][role="button"])`).click();
  const at = (hash) => page.goto(`${url}/${hash}`);

  await at("");
  await shows("h2", "No job yet");
  const paint = await page.evaluate(
    () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
  );

  // A job comes, and its webhook, as the clock jumps.
  const webhook = `fal_webhook=${encodeURIComponent(receiver)}`;
  await call(`/queue.fal.run/${endpoint}?${webhook}`, { prompt: "Rain" });
  await shows(".list .row", "Queued");
  await at("#/control");
  for (const [name, said] of [["+10 s", "The clock moved by 10 s"], ["+1 min", "done"]]) {
    await press(name);
    await shows(".said[aria-live]", said);
  }

  await at("#/jobs");
  await shows(".list .row", "Done");
  await page.select(".filters select", "FAILED");
  await shows("h2", "No job is like that");
  assert.equal(page.url(), `${url}/#/jobs?status=FAILED`);
  await page.reload();
  await shows("h2", "No job is like that");
  await page.locator("a ::-p-text(Show all jobs)").click();
  await page.locator(".list .row a").click();
  await shows("h1", "Done");
  await plays();
  await page.locator("section[aria-labelledby=webhook] summary").click();
  await shows(".signature", "The signature is good");
  await press("Send the webhook again");
  await shows(".said[aria-live]", "sent again");

  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.locator(".list .row a").click();
  await shows(".pane", "Rain");

  await at(`#/playground/${endpoint}`);
  await page.locator('.input[data-path="prompt"] textarea').fill("Snow");
  await shows(".verdict", "A legal input");
  await press("Run");
  await shows(".runhead", "Queued");
  await call("/__falkit/clock/advance", { seconds: 60 });
  await shows(".runhead", "Done");
  await plays();

  await at("#/endpoints");
  await shows("tbody tr:nth-child(50)", "fal-ai/");
  await page.keyboard.press("/");
  await page.keyboard.type("fal-ai/ltx-2/image-to-video/fast");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  await page.locator("tbody tr a").click();
  await shows("h1", "fal-ai/ltx-2/image-to-video/fast");

  console.log(JSON.stringify({ wrong, paint }));
} finally {
  await browser.close();
}
