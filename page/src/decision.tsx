// What a reviewer must decide: what got worse, why, and what it costs; then the rest.
import type { Changed, Comparison, Line, Metric, Moved, Report, Suite } from "./data";
import { SuiteFigures } from "./suite";
import { toCase, toSuite, toTrials } from "./route";
import { Badge, count, dollars, plural, seconds, T, visible } from "./text";
import { useState } from "preact/hooks";

const RANK = ["error", "stale", "fail", "inconclusive", "pass"];
const FIRST = 5;
const COSTS = ["cost_usd.mean", "tokens.mean", "model_calls.mean", "duration_s.p50"];
const OPEN_LINES = 40;
const WORDS: Record<string, string> = { pass: "passed", fail: "failed", stale: "is stale", error: "has crashed cases", inconclusive: "is inconclusive" };

export function Decision({ report }: { report: Report }) {
  const suites = [...report.head.suites].sort((one, other) => RANK.indexOf(one.verdict.verdict) - RANK.indexOf(other.verdict.verdict));
  const { experiment } = report.head;
  const only = suites.length === 1 ? suites[0] : undefined;
  return (
    <>
      <h1>{headline(suites)}</h1>
      <p class="facts">
        {plural(report.count, "trial")}{experiment.commit && <> at commit <code>{experiment.commit.slice(0, 10)}</code></>}
        {experiment.finished_at && <>, finished {experiment.finished_at.replace("T", " ").replace("+00:00", " UTC")}</>}.{" "}
        {plural(experiment.exchanges_played, "exchange")} replayed, {plural(experiment.sockets_opened, "socket")} opened.
        {experiment.stopped && <> <strong><T>{experiment.stopped}</T></strong></>}
      </p>
      {!only && <Overview suites={suites} />}
      {suites.map((suite, index) => <SuiteDecision key={suite.name} report={report} suite={suite} alone={suite === only} heading={`suite-${index}`} />)}
      {only && <SuiteFigures report={report} suite={only} />}
    </>
  );
}

function headline(suites: Suite[]): string {
  if (suites.length === 1) return `${visible(suites[0]!.name)} ${WORDS[suites[0]!.verdict.verdict] ?? suites[0]!.verdict.verdict}`;
  const bad = suites.filter((suite) => suite.verdict.verdict !== "pass");
  return bad.length ? `${bad.length} of ${suites.length} suites did not pass` : `All ${suites.length} suites passed`;
}

function Overview({ suites }: { suites: Suite[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Suites">
      <table class="figures">
        <thead><tr><th scope="col">suite</th><th scope="col" class="text">verdict</th><th scope="col">trials</th><th scope="col">passed</th><th scope="col">failed</th><th scope="col">errors</th><th scope="col">stale</th><th scope="col" class="text">against the baseline</th></tr></thead>
        <tbody>
          {suites.map((suite) => (
            <tr>
              <th scope="row"><a href={toSuite(suite.name)}><T>{suite.name}</T></a></th>
              <td class="text"><Badge word={suite.verdict.verdict} /></td>
              <td>{count(suite.counts.trials)}</td><td>{count(suite.counts.passed)}</td><td>{count(suite.counts.failed)}</td>
              <td>{count(suite.counts.errors)}</td><td>{count(suite.counts.stale)}</td>
              <td class="text">{suite.comparison ? `${suite.comparison.counts.worse} worse, ${suite.comparison.counts.better} better` : "no baseline"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function SuiteDecision({ report, suite, alone, heading }: { report: Report; suite: Suite; alone: boolean; heading: string }) {
  const { verdict, comparison } = suite;
  const edited = suite.edited.filter((one) => !comparison?.changed.some((other) => other.what === one.what && other.name === one.name));
  return (
    <section class="suite" aria-labelledby={heading}>
      <h2 id={heading}><Badge word={verdict.verdict} /> <T>{suite.name}</T></h2>
      <Outcomes suite={suite} />
      {comparison ? <Against report={report} suite={suite} comparison={comparison} /> : (
        <p class="hint">No baseline: nothing to compare with. <code>harness bless</code> makes a good experiment the baseline.</p>
      )}
      {edited.length > 0 && <Changes title="Changed since it was recorded" changed={edited} />}
      {verdict.reasons.length > 0 && (
        <>
          <h3>{verdict.verdict === "pass" ? "Noted" : "Why it did not pass"}</h3>
          <ul class="reasons">{verdict.reasons.map((reason) => <li><Named text={reason} suite={suite} /></li>)}</ul>
        </>
      )}
      <Failing report={report} suite={suite} />
      {verdict.notes.length > 0 && (
        <details><summary>{plural(verdict.notes.length, "note")}</summary><ul>{verdict.notes.map((note) => <li><Named text={note} suite={suite} /></li>)}</ul></details>
      )}
      {!alone && <p><a href={toSuite(suite.name)}>All figures of <T>{suite.name}</T></a></p>}
    </section>
  );
}

function Outcomes({ suite }: { suite: Suite }) {
  const { counts } = suite;
  const parts: [string, string, number][] = [["pass", "passed", counts.passed], ["fail", "failed", counts.failed], ["error", "crashed", counts.errors], ["stale", "stale", counts.stale], ["unscored", "unscored", counts.unscored]];
  const told = parts.filter(([, , number]) => number);
  return (
    <p class="outcomes">
      <span class="stack" aria-hidden="true">{told.map(([kind, , number]) => <span class={kind} style={{ flexGrow: number }} />)}</span>
      {told.map(([kind, word, number], index) => <>{index > 0 && ", "}<a href={toTrials({ suite: suite.name, outcome: kind })}>{count(number)} {word}</a></>)} of {plural(counts.trials, "trial")}
    </p>
  );
}

/** A sentence in which the cases that it names lead to their trials. */
function Named({ text, suite }: { text: string; suite: Suite }) {
  const known = new Set(suite.verdict.cases);
  return <>{text.split(/([^\s,;:()]+)/).map((part) => (known.has(part) ? <a href={toCase(suite.name, part)}><T>{part}</T></a> : <T>{part}</T>))}</>;
}

function Against({ report, suite, comparison }: { report: Report; suite: Suite; comparison: Comparison }) {
  const worse = comparison.moved.filter((one) => ["worse", "crashed"].includes(one.movement));
  const untold = comparison.moved.filter((one) => ["stale", "unscored", "only in base"].includes(one.movement));
  const others = comparison.moved.filter((one) => !worse.includes(one) && !untold.includes(one));
  const number = (...movements: string[]) => movements.reduce((sum, each) => sum + (comparison.counts[each] ?? 0), 0);
  return (
    <div class="against">
      <p><strong><T>{comparison.sentence}</T></strong></p>
      <p class="hint">
        {comparison.blessed ? "Against the baseline of" : <>The baseline is here what it was compared with: <T>{comparison.base}</T> of</>} experiment <T>{comparison.experiment}</T>{comparison.commit && <> at commit <code>{comparison.commit.slice(0, 10)}</code></>}{comparison.forced && ", blessed by force"}.
        {worse.length + untold.length > 0 && !comparison.transcripts && " That experiment has no transcript of them in this folder: a baseline holds how each case stood, and no more."}
      </p>
      {comparison.unlike.map((what) => <p class="warning">Not alike: <T>{what}</T></p>)}
      {worse.length > 0 && <Movement title={`What got worse: ${plural(number("worse", "crashed"), "case")}`} moved={worse} suite={suite} report={report} />}
      {untold.length > 0 && <Movement title={`What cannot be compared: ${plural(number("stale", "unscored", "only in base"), "case")}`} moved={untold} suite={suite} report={report} />}
      {comparison.changed.length > 0 && <Changes title="What was changed" changed={comparison.changed} />}
      <Cost comparison={comparison} suite={suite} />
      {others.length > 0 && <details><summary>{plural(others.length, "other case")} that moved or did otherwise</summary><Movement moved={others} suite={suite} report={report} /></details>}
      {comparison.more > 0 && <p class="hint">{count(comparison.more)} more cases moved or did otherwise; the first {comparison.moved.length} are told here, <a href={toTrials({ suite: suite.name, sort: "moved:up" })}>all are in the table</a>.</p>}
    </div>
  );
}

function Movement({ title, moved, suite, report }: { title?: string; moved: Moved[]; suite: Suite; report: Report }) {
  const [all, setAll] = useState(false);
  return (
    <>
      {title && <h3>{title}</h3>}
      <ul class="moved">
        {moved.slice(0, all ? undefined : FIRST).map((one) => (
          <li>
            <Badge word={one.movement} />{" "}
            {report.row(suite.name, one.case, 1) === undefined ? <T>{one.case}</T> : <a href={toCase(suite.name, one.case)}><T>{one.case}</T></a>}
            : {one.before} → {one.after}
            {one.flips.map(([router, before, after]) => <span class="flip"><T>{router}</T>: <T>{before}</T> → <strong><T>{after}</T></strong></span>)}
            {one.parted && <span class="flip">step {one.parted.step + 1}: <T>{one.parted.what}</T></span>}
            {!one.flips.length && !one.parted && one.drift.length > 0 && <span class="flip">other {one.drift.join(", ")}</span>}
            {one.why && <span class="why"><T>{one.why}</T></span>}
          </li>
        ))}
      </ul>
      {moved.length > FIRST && <button type="button" onClick={() => setAll(!all)}>{all ? "Show fewer" : `Show all ${count(moved.length)}`}</button>}
    </>
  );
}

export function Changes({ title, changed, heading: Heading = "h3" }: { title: string; changed: Changed[]; heading?: "h2" | "h3" }) {
  return (
    <>
      <Heading>{title}</Heading>
      <ul class="changed">{changed.map((one) => <li><Change one={one} /></li>)}</ul>
    </>
  );
}

function Change({ one }: { one: Changed }) {
  const edited = one.before === null && one.lines;
  return (
    <>
      {one.what} <strong><T>{one.name}</T></strong>{" "}
      {edited ? <>(<T>{one.after ?? ""}</T>) edited</> : <><code><T>{one.before ?? "(none)"}</T></code> → <code><T>{one.after ?? "(none)"}</T></code></>}
      {one.what === "prompt" && (one.lines ? (
        <details open={one.lines.length <= OPEN_LINES}><summary>The difference</summary><Diff lines={one.lines} /></details>
      ) : <span class="hint"> One of the two texts is no longer to be had.</span>)}
    </>
  );
}

function Diff({ lines }: { lines: Line[] }) {
  return (
    <div class="diff" role="group" aria-label="Lines that went and came">
      {lines.map(([mark, text]) => (
        <div class={mark === "-" ? "went" : mark === "+" ? "came" : ""}><span class="mark">{mark === " " ? " " : mark === "-" ? "−" : "+"}</span><T>{text}</T></div>
      ))}
    </div>
  );
}

function Cost({ comparison, suite }: { comparison: Comparison; suite: Suite }) {
  const told = suite.metrics.filter((metric) => metric.change?.moved && COSTS.includes(metric.name));
  const rows = comparison.spent.filter(({ before, after }) => JSON.stringify(before) !== JSON.stringify(after));
  const total = suite.metrics.find((metric) => metric.name === "cost_usd.total");
  if (!told.length && !rows.length) return <p><strong>What it costs:</strong> {total?.value == null ? <>unknown{total?.why && <> (<T>{total.why}</T>)</>}</> : "as much as before"}.</p>;
  const ran = suite.counts.trials - suite.counts.stale;
  return (
    <>
      <h3>What it costs</h3>
      <ul>{told.map((metric) => <CostLine metric={metric} comparison={comparison} />)}</ul>
      {ran < suite.counts.trials && <p class="hint">Only {count(ran)} of {plural(suite.counts.trials, "trial")} ran to the end of what is recorded: sums and means of all are not those of the same cases.</p>}
      {rows.length > 0 && (
        <details><summary>By node</summary>
          <div class="scroll" tabIndex={0} role="region" aria-label="Spending by node">
            <table class="figures">
              <thead><tr><th scope="col">node</th><th scope="col">calls</th><th scope="col">tokens</th><th scope="col">cost</th><th scope="col">recorded seconds</th></tr></thead>
              <tbody>{rows.map(({ node, before, after }) => (
                <tr><th scope="row"><T>{node}</T></th>
                  <td>{to(count(before.calls), count(after.calls))}</td><td>{to(count(before.tokens), count(after.tokens))}</td>
                  <td>{to(dollars(before.cost_usd), dollars(after.cost_usd))}</td><td>{to(seconds(before.latency_s), seconds(after.latency_s))}</td></tr>
              ))}</tbody>
            </table>
          </div>
        </details>
      )}
    </>
  );
}

/** A cost before and now; where cases are missing on a side, of the cases that both sides have. */
function CostLine({ metric, comparison }: { metric: Metric; comparison: Comparison }) {
  const change = metric.change!;
  const partly = change.cases < comparison.cases;
  const interval = change.interval && <> (95 % interval {change.interval.join(" to ")})</>;
  if (partly && !change.cases) return <li><T>{metric.name}</T>: {change.base} → <strong>{metric.value === null ? "unknown" : metric.shown}</strong>, of other cases: none has it on both sides</li>;
  if (partly) return <li><T>{metric.name}</T>: <strong>{change.difference}</strong> a case{interval}, over the {plural(change.cases, "case")} of {count(comparison.cases)} that have it on both sides</li>;
  return <li><T>{metric.name}</T>: {change.base} → <strong>{metric.value === null ? "unknown" : metric.shown}</strong>{interval && <>, {change.difference} a case{interval}</>}</li>;
}

function to(before: string, after: string): string {
  return before === after ? before : `${before} → ${after}`;
}

function Failing({ report, suite }: { report: Report; suite: Suite }) {
  const rows = report.rows(suite.name).filter((row) => report.outcome(row) !== "pass");
  const decisive = rows.filter((row) => report.decides(row));
  const told = [...decisive, ...rows.filter((row) => !report.decides(row))].slice(0, FIRST);
  if (!rows.length) return null;
  return (
    <details open={decisive.length > 0 && !suite.comparison}>
      <summary>{plural(rows.length, "trial")} that did not pass{decisive.length > 0 ? `, ${count(decisive.length)} of them decisive` : ", none of them decisive"}</summary>
      <ul class="moved">
        {told.map((row) => (
          <li><Badge word={report.outcome(row)} /> <a href={toCase(suite.name, report.plain.case[row]!, report.plain.repeat[row])}><T>{name(report, row)}</T></a><span class="why"><T>{report.reason(row)}</T></span></li>
        ))}
      </ul>
      {rows.length > FIRST && <p><a href={toTrials({ suite: suite.name, outcome: "not pass" })}>All {count(rows.length)} in the table</a></p>}
    </details>
  );
}

function name(report: Report, row: number): string {
  const repeat = report.plain.repeat[row]!;
  return `${report.plain.case[row]}${repeat > 1 ? ` (${repeat})` : ""}`;
}
