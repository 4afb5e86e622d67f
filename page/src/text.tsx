// Foreign text, made visible and kept apart; figures as people read them.
import { useState } from "preact/hooks";

const ACTIVE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const SHOWN = 4000;
export const UNKNOWN = "–";

/** Write control, direction and unpaired characters as escapes, as the other reports do. */
export function visible(text: string): string {
  return text.replace(ACTIVE, (each) => {
    const code = each.charCodeAt(0);
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** A foreign text within other text; a very long one shows its beginning first. */
export function T({ children }: { children: string }) {
  return children.length > SHOWN ? <Long text={children} /> : <bdi>{visible(children)}</bdi>;
}

/** A foreign text of any length: its beginning, and the rest on demand. */
export function Long({ text }: { text: string }) {
  const [whole, setWhole] = useState(false);
  const rest = text.length - SHOWN;
  return (
    <div class="long">
      <pre dir="auto">{visible(whole || rest <= 0 ? text : text.slice(0, SHOWN))}</pre>
      {rest > 0 && (
        <button type="button" onClick={() => setWhole(!whole)}>{whole ? "Show less" : `Show ${count(rest)} more characters`}</button>
      )}
    </div>
  );
}

export function Json({ value }: { value: any }) {
  return <Long text={typeof value === "string" ? value : JSON.stringify(value, null, 1) ?? "null"} />;
}

/** A word of a shell command, quoted where a shell would read it otherwise. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

export function count(value: number | null | undefined): string {
  return value == null ? UNKNOWN : value.toLocaleString("en-US");
}

export function dollars(value: number | null | undefined): string {
  if (value == null) return UNKNOWN;
  if (value > 0 && value < 1e-6) return "<$0.000001";
  return `$${value === 0 || value >= 1 ? value.toFixed(2) : value.toFixed(6)}`;
}

export function seconds(value: number | null | undefined): string {
  return value == null ? UNKNOWN : value > 0 && value < 0.0005 ? "<0.001 s" : `${value.toFixed(3)} s`;
}

export function plural(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

const MARKS: Record<string, string> = {
  pass: "✓", fail: "✗", error: "!", stale: "⟳", unscored: "?", inconclusive: "?",
  worse: "▼", better: "▲", crashed: "!", same: "=", "only in base": "−", "only in candidate": "+",
};

export function Badge({ word, big }: { word: string; big?: boolean }) {
  const kind = { worse: "fail", crashed: "error", better: "pass", same: "none", "only in base": "stale", "only in candidate": "none", inconclusive: "unscored" }[word] ?? word;
  return <span class={`badge ${kind}${big ? " big" : ""}`}><span aria-hidden="true">{MARKS[word] ?? "·"}</span> {visible(word)}</span>;
}
