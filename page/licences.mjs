// Write the licences of what the bundle contains beside it, and at the top of the script, which is copied into every report.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const out = process.env.PAGE_OUT ?? "../harness/report/html/assets";
const seen = new Map();
const waiting = Object.keys(JSON.parse(readFileSync("package.json", "utf8")).dependencies);
while (waiting.length) {
  const name = waiting.shift();
  if (seen.has(name)) continue;
  const folder = join("node_modules", name);
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).sort().find((each) => /^licen[cs]e/i.test(each));
  if (!file) throw new Error(`${name} has no licence file`);
  seen.set(name, `${name} ${about.version} (${about.license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`);
  waiting.push(...Object.keys(about.dependencies ?? {}));
}
const text = [...seen.keys()].sort().map((name) => seen.get(name)).join(`\n${"-".repeat(78)}\n\n`);
writeFileSync(join(out, "THIRD_PARTY.txt"), text);
const script = join(out, "page.js");
writeFileSync(script, `/*!\n${text}*/\n${readFileSync(script, "utf8").trim()}\n`);
