// The figures of one suite.
import { Histogram, Sparkline } from "./charts";
import type { Metric, Report, Router, Spent, Suite } from "./data";
import { GraphView } from "./graph";
import { toTrials } from "./route";
import { Badge, count, dollars, plural, seconds, T, UNKNOWN, visible } from "./text";

const USUAL = ["pass.rate", "route.accuracy", "cost_usd.mean", "tokens.mean", "duration_s.p50", "duration_s.p95", "steps.mean", "error.rate", "limit_hit.rate", "edges.coverage"];
const HELD = ["dataset", "dataset_digest", "cassettes_digest", "graph", "graph_fingerprint", "model", "match", "mode", "build", "checks", "prompts", "parameters", "faults"];

export function SuiteView({ report, suite }: { report: Report; suite: Suite }) {
  return (
    <>
      <h1><Badge word={suite.verdict.verdict} /> <T>{suite.name}</T></h1>
      <p><a href="#/">What decides</a> · <a href={toTrials({ suite: suite.name })}>{plural(suite.counts.trials, "trial")}</a></p>
      <SuiteFigures report={report} suite={suite} />
    </>
  );
}

export function SuiteFigures({ report, suite }: { report: Report; suite: Suite }) {
  const rows = report.rows(suite.name).filter((row) => report.outcome(row) !== "stale"); // a stale trial shows nothing
  return (
    <>
      <section><h2>Metrics</h2><Metrics suite={suite} /></section>
      <section><h2>Graph</h2><GraphView graph={suite.graph} suite={suite.name} note={suite.coverage} /></section>
      {suite.routers.map((router) => <section><h2>Router <T>{router.name}</T></h2><Confusion router={router} suite={suite} /></section>)}
      {suite.calibration.map((one) => <section><h2>Confidence of <T>{one.router}</T></h2><Calibration one={one} /></section>)}
      <section><h2>Cost and tokens</h2><Costs suite={suite} /></section>
      <section><h2>Time</h2><Durations report={report} rows={rows} suite={suite} /></section>
      <section><h2>Loops</h2><Headroom report={report} rows={rows} /></section>
      <Faults report={report} rows={rows} suite={suite} />
      <section><h2>What was run</h2><Provenance suite={suite} /></section>
    </>
  );
}

function Metrics({ suite }: { suite: Suite }) {
  const listed = suite.metrics.filter((metric) => !metric.name.startsWith("node."));
  const told = listed.filter((metric) => metric.bound || (metric.value !== null && (USUAL.includes(metric.name) || metric.change?.moved)));
  const further = listed.filter((metric) => metric.value !== null && !told.includes(metric));
  const unknown = listed.filter((metric) => metric.value === null && !metric.bound);
  return (
    <>
      <MetricTable metrics={told} suite={suite} label="Metrics" />
      {further.length > 0 && <details><summary>{plural(further.length, "more metric")}</summary><MetricTable metrics={further} suite={suite} label="More metrics" /></details>}
      {suite.past.length > 0 && <p class="hint">History: {plural(suite.past.length, "earlier experiment")}, from <T>{suite.past[0]!.experiment}</T> on; the last point is this one.</p>}
      {unknown.length > 0 && (
        <details><summary>{plural(unknown.length, "metric")} unknown</summary><ul>{unknown.map((metric) => <li><code><T>{metric.name}</T></code>: <T>{metric.why}</T></li>)}</ul></details>
      )}
    </>
  );
}

function MetricTable({ metrics, suite, label }: { metrics: Metric[]; suite: Suite; label: string }) {
  const compared = suite.comparison !== null;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table class="figures">
        <thead><tr><th scope="col">metric</th><th scope="col">value</th><th scope="col">95 % interval</th><th scope="col" class="text">bound</th>{compared && <><th scope="col">baseline</th><th scope="col">difference a case</th></>}{suite.past.length > 0 && <th scope="col">history</th>}</tr></thead>
        <tbody>{metrics.map((metric) => <MetricRow metric={metric} compared={compared} suite={suite} />)}</tbody>
      </table>
    </div>
  );
}

function MetricRow({ metric, compared, suite }: { metric: Metric; compared: boolean; suite: Suite }) {
  const broken = metric.bound?.broken ?? [];
  return (
    <tr class={broken.length ? "broken" : ""}>
      <th scope="row"><T>{metric.name}</T></th>
      <td>{metric.value === null ? <span class="text">unknown: <T>{metric.why}</T></span> : <strong>{metric.shown}</strong>}</td>
      <td>{metric.interval ? <abbr title={metric.method}>{metric.interval.join(" to ")}</abbr> : UNKNOWN}</td>
      <td class="text bound">{metric.bound ? <>{broken.length ? "✗ broken: " : metric.value === null || metric.bound.open.length ? "? undecided: " : "✓ "}<T>{metric.bound.asked}</T></> : ""}</td>
      {compared && <><td>{metric.change?.base ?? UNKNOWN}</td><td class="moved">{metric.change?.moved && metric.change.cases ? <>{metric.change.difference}{metric.change.interval && <small>({metric.change.interval.join(" to ")}{metric.change.p !== null && `; p ${metric.change.p < 0.001 ? "< 0.001" : `= ${metric.change.p.toFixed(3)}`}`})</small>}</> : !metric.change || metric.change.moved ? UNKNOWN : "same"}</td></>}
      {suite.past.length > 0 && <td><Sparkline values={[...metric.past, metric.value]} shown={[...metric.past_shown, metric.shown]} names={[...suite.past.map((one) => one.experiment), "this one"]} label={metric.name} /></td>}
    </tr>
  );
}

function Confusion({ router, suite }: { router: Router; suite: Suite }) {
  const counts = new Map(router.counts.map(([wanted, taken, number]) => [`${wanted}\n${taken}`, number]));
  const expected = new Map(router.figures.map(([label, number]) => [label, number]));
  const figures = new Map(router.figures.map((one) => [one[0], one]));
  return (
    <>
      <p>{count(router.right)} of {plural(router.total, "decision")} right, <strong>{router.accuracy}</strong>{router.interval && <> (95 % interval {router.interval.join(" to ")}, Wilson)</>}. A cell leads to its trials.</p>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Decisions of ${visible(router.name)}`}>
        <table class="matrix">
          <thead><tr><th scope="col">expected ↓ taken →</th>{router.labels.map((label) => <th scope="col"><T>{label}</T></th>)}<th scope="col">recall</th></tr></thead>
          <tbody>
            {router.labels.map((wanted) => (
              <tr>
                <th scope="row"><T>{wanted}</T></th>
                {router.labels.map((taken) => {
                  const number = counts.get(`${wanted}\n${taken}`) ?? 0;
                  const share = number / Math.max(1, expected.get(wanted) ?? 0);
                  return (
                    <td class={wanted === taken ? "right" : "wrong"} style={{ "--share": share.toFixed(3) } as any}>
                      {number ? <a href={toTrials({ suite: suite.name, router: router.name, expected: wanted, taken })} aria-label={visible(`${number} trials: ${wanted} expected, ${taken} taken`)}>{number}</a> : <span class="zero">0</span>}
                    </td>
                  );
                })}
                <td>{figures.get(wanted)?.[5] ?? UNKNOWN}</td>
              </tr>
            ))}
            <tr><th scope="row">precision</th>{router.labels.map((label) => <td>{figures.get(label)?.[4] ?? UNKNOWN}</td>)}<td /></tr>
          </tbody>
        </table>
      </div>
    </>
  );
}

function Calibration({ one }: { one: Suite["calibration"][number] }) {
  return (
    <>
      <p>{plural(one.decisions, "decision")}{one.ece !== null && `, expected calibration error ${one.ece.toFixed(3)}`}</p>
      <div class="scroll" tabIndex={0} role="region" aria-label="Confidence"><table class="figures"><thead><tr><th scope="col">confidence</th><th scope="col">decisions</th><th scope="col">mean confidence</th><th scope="col">right</th></tr></thead>
        <tbody>{one.bins.map(([low, high, decisions, mean, right]) => <tr><th scope="row">{low.toFixed(1)} to {high.toFixed(1)}</th><td>{count(decisions)}</td><td>{mean.toFixed(3)}</td><td>{right}</td></tr>)}</tbody>
      </table></div>
    </>
  );
}

function Costs({ suite }: { suite: Suite }) {
  const total = suite.metrics.find((metric) => metric.name === "cost_usd.total");
  if (!Object.keys(suite.costs.node).length) return <p>{total?.value === null ? <>Unknown: <T>{total.why}</T>.</> : "No call was paid for."}</p>;
  return <div class="pair"><Spending by="node" spent={suite.costs.node} /><Spending by="model" spent={suite.costs.model} /></div>;
}

function Spending({ by, spent }: { by: string; spent: Record<string, Spent> }) {
  const rows = Object.entries(spent).sort(([, one], [, other]) => (other.tokens ?? Infinity) - (one.tokens ?? Infinity));
  const most = Math.max(1, ...rows.map(([, one]) => one.tokens ?? 0));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Spending by ${by}`}>
      <table class="figures">
        <thead><tr><th scope="col">{by}</th><th scope="col">calls</th><th scope="col">cached</th><th scope="col">tokens</th><th scope="col">cost</th></tr></thead>
        <tbody>{rows.map(([name, one]) => (
          <tr><th scope="row"><T>{name}</T></th><td>{count(one.calls)}</td><td>{count(one.cached)}</td>
            <td class="bar" style={{ "--share": ((one.tokens ?? 0) / most).toFixed(3) } as any}>{one.tokens === null ? "unknown" : count(one.tokens)}</td><td>{one.cost_usd === null ? "unknown" : dollars(one.cost_usd)}</td></tr>
        ))}</tbody>
      </table>
    </div>
  );
}

function known(values: (number | null)[]): number[] {
  return values.filter((value): value is number => value !== null);
}

function Durations({ report, rows, suite }: { report: Report; rows: number[]; suite: Suite }) {
  const values = known(rows.map((row) => report.plain.duration_s[row]!)).sort((one, other) => one - other);
  const figures = suite.metrics.filter((metric) => /^(duration_s|ttft_s)\./.test(metric.name));
  const nodes = suite.metrics.filter((metric) => /^node\..*\.duration_s\./.test(metric.name) && metric.value !== null);
  return (
    <>
      <p>{figures.map((metric, index) => <>{index > 0 && " · "}{metric.name} <strong>{metric.value === null ? "unknown" : metric.shown}</strong>{metric.value === null && <> (<T>{metric.why}</T>)</>}</>)}</p>
      <Histogram values={values} unit={seconds} label="How long trials took" />
      {nodes.length > 0 && <details><summary>By node</summary><ul>{nodes.map((metric) => <li><code><T>{metric.name}</T></code> {seconds(metric.value)}</li>)}</ul></details>}
    </>
  );
}

function Headroom({ report, rows }: { report: Report; rows: number[] }) {
  const steps = known(rows.map((row) => report.plain.steps[row]!));
  const limited = rows.filter((row) => report.plain.limit[row] != null && report.plain.steps[row] != null);
  const least = limited.length ? Math.min(...limited.map((row) => report.plain.limit[row]! - report.plain.steps[row]!)) : null;
  const closest = limited.find((row) => report.plain.limit[row]! - report.plain.steps[row]! === least);
  const hit = rows.filter((row) => report.ends(row) === "limit").length;
  if (!steps.length) return <p>Unknown: no trial tells its steps.</p>;
  return (
    <>
      <p>
        {limited.length === 0 ? "No recursion limit is set: LangGraph's own is far away, so only the suite's limits bound a loop." : (
          <>Steps used against the recursion limit: least headroom <strong>{count(least)}</strong> of {count(report.plain.limit[closest!])} steps, in <a href={`#/case/${encodeURIComponent(report.suite(closest!))}/${encodeURIComponent(report.plain.case[closest!]!)}/${report.plain.repeat[closest!]}`}><T>{report.plain.case[closest!]!}</T></a>.</>
        )}{" "}
        {plural(hit, "trial")} reached the limit.
      </p>
      <Histogram values={steps.sort((one, other) => one - other)} unit={(value) => plural(Math.round(value), "step")} label="How many supersteps trials took" whole />
    </>
  );
}

function Faults({ report, rows, suite }: { report: Report; rows: number[]; suite: Suite }) {
  const struck = new Map<string, number[]>();
  for (const row of rows) for (const [fault, node] of report.faults(row)) struck.set(`${fault}\n${node}`, [...(struck.get(`${fault}\n${node}`) ?? []), row]);
  return (
    <>
      {struck.size > 0 && (
        <section><h2>Faults in these trials</h2><p>How many of the trials that a fault struck passed, by fault and node.</p>
          <Map2 keys={[...struck.keys()]} label="Faults by node" cell={(key) => {
            const hit = struck.get(key) ?? [];
            if (!hit.length) return null;
            const passed = hit.filter((row) => report.outcome(row) === "pass").length;
            const [fault, node] = key.split("\n");
            return { share: 1 - passed / hit.length, link: toTrials({ suite: suite.name, fault, node }), text: `${passed}/${hit.length}`, label: `${fault} at ${node}: ${passed} of ${hit.length} passed` };
          }} />
        </section>
      )}
      {suite.sweep && <SweepMap sweep={suite.sweep} />}
    </>
  );
}

function SweepMap({ sweep }: { sweep: NonNullable<Suite["sweep"]> }) {
  const cells = new Map(sweep.cells.map((cell) => [`${cell.fault}\n${cell.place}`, cell.cells]));
  const broken = sweep.cells.flatMap((cell) => cell.cells.filter((one) => one[2]).map((one) => [cell.fault, cell.place, ...one]));
  return (
    <section>
      <h2>Fault sweep</h2>
      <p>The last <code>harness sweep</code> of this suite, which is kept apart from the experiment: {plural(sweep.total, "cell")}, <strong>{count(sweep.broken)}</strong> broke an invariant. A cell says in how many cases none broke.</p>
      <Map2 keys={[...cells.keys()]} label="Sweep: faults by call" cell={(key) => {
        const found = cells.get(key);
        if (!found) return null;
        const bad = found.filter((one) => one[2]).length;
        return { share: bad / found.length, text: `${found.length - bad}/${found.length}`, label: found.map((one) => `${one[0]}: ${one[1]}${one[2] ? `, broken: ${one[2]}` : ""}`).slice(0, 20).join("\n") };
      }} />
      {broken.length > 0 && <details><summary>{plural(broken.length, "broken cell")}</summary><ul>{broken.slice(0, 200).map(([fault, place, id, outcome, why, reason]) => <li><strong>{fault}</strong> at <T>{place!}</T>, <T>{id!}</T>: {outcome}; <T>{why!}</T>. <T>{reason!}</T></li>)}</ul></details>}
    </section>
  );
}

interface Square { share: number; text: string; label: string; link?: string }

/** A heat map: faults down, places across. */
function Map2({ keys, label, cell }: { keys: string[]; label: string; cell: (key: string) => Square | null }) {
  const faults = [...new Set(keys.map((key) => key.split("\n")[0]!))].sort();
  const places = [...new Set(keys.map((key) => key.split("\n")[1]!))].sort();
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table class="matrix">
        <thead><tr><th scope="col">fault</th>{places.map((place) => <th scope="col"><T>{place || "(outside any node)"}</T></th>)}</tr></thead>
        <tbody>{faults.map((fault) => (
          <tr><th scope="row">{fault}</th>{places.map((place) => {
            const found = cell(`${fault}\n${place}`);
            if (!found) return <td />;
            return <td class="wrong" style={{ "--share": found.share.toFixed(3) } as any} title={visible(found.label)}>{found.link ? <a href={found.link} aria-label={visible(found.label)}>{found.text}</a> : found.text}</td>;
          })}</tr>
        ))}</tbody>
      </table>
    </div>
  );
}

function Provenance({ suite }: { suite: Suite }) {
  const told = HELD.filter((key) => suite.provenance[key] != null && suite.provenance[key].length !== 0);
  return (
    <details><summary>Dataset, graph, prompts and settings</summary>
      <dl>{told.map((key) => <><dt>{key.replaceAll("_", " ")}</dt><dd><T>{said(suite.provenance[key])}</T></dd></>)}</dl>
    </details>
  );
}

function said(value: any): string {
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "object" ? Object.entries(value).map(([name, each]) => `${name} ${each}`).join(", ") || "none" : String(value);
}
