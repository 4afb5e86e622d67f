// One trial: why it is as it is, and what it did, step by step, beside the baseline's where there is one.
import { useEffect, useState } from "preact/hooks";
import type { Call, Miss, Moved, Place, Report, Said, Step, Suite, ToolRun, Trial } from "./data";
import { Changes } from "./decision";
import { GraphView } from "./graph";
import { toCase, toSuite, toTrials, type Route } from "./route";
import { Badge, count, dollars, Json, Long, plural, quoted, seconds, T, UNKNOWN, visible } from "./text";

interface Loaded { trial?: Trial; base?: Trial }

export function TrialView({ report, suite, id, repeat, route }: { report: Report; suite: string; id: string; repeat: number; route: Route }) {
  const row = report.row(suite, id, repeat);
  const known = report.suites.get(suite);
  const moved = report.moved(suite, id);
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  useEffect(() => {
    if (row === undefined) return;
    Promise.all([
      report.transcript(report.plain.block[row]!, report.plain.place[row]!),
      moved?.base && repeat === 1 ? report.transcript(...moved.base) : undefined,
    ]).then(([trial, base]) => setLoaded({ trial, base }));
  }, [row]);
  if (row === undefined || !known) return <><h1>No such trial</h1><p>There is no trial of <T>{`${suite} ${id} (${repeat})`}</T> in this report. <a href="#/trials">All trials</a></p></>;
  const asked = route.query.get("step");
  const pointed = asked !== null ? Number(asked) - 1 : moved && repeat === 1 ? moved.step : report.plain.step[row] ?? null;
  return (
    <>
      <Neighbours report={report} row={row} suite={suite} />
      <h1><Badge word={report.outcome(row)} /> <T>{id}</T>{repeat > 1 && ` (${repeat})`}</h1>
      <p class="facts">
        <a href={toSuite(suite)}><T>{suite}</T></a> · ended with {report.ends(row)} · {amount(report.plain.steps[row], "step")} · {amount(report.plain.calls[row], "model call")} · {amount(report.plain.tokens[row], "token")} · {report.plain.cost_usd[row] === null ? "cost unknown" : dollars(report.plain.cost_usd[row])} · {report.plain.duration_s[row] === null ? "time unknown" : seconds(report.plain.duration_s[row])}
      </p>
      {report.reason(row) && <p class="why"><T>{report.reason(row)}</T></p>}
      {pointed !== null && <p><button type="button" onClick={() => toStep(pointed)}>Go to step {pointed + 1}: <T>{report.path(row)[pointed] ?? "the end"}</T></button></p>}
      <AgainstBaseline suite={known} moved={moved} movement={report.movement(row)} did={report.did(row)} repeat={repeat} beside={!!loaded?.base} />
      <PromptChanges suite={known} moved={moved} misses={loaded?.trial?.misses ?? []} />
      <section><h2>Path</h2><GraphView graph={known.graph} suite={suite} path={report.path(row)} edges={report.edges(row)} suspect={pointed === null ? undefined : report.path(row)[pointed]} /></section>
      {loaded?.trial && <Unheard report={report} suite={known} id={id} trial={loaded.trial} />}
      {loaded && (loaded.trial ? <Transcript trial={loaded.trial} base={loaded.base} moved={loaded.base ? moved : undefined} pointed={pointed} asked={asked !== null} /> : (
        <p>The transcript of this trial is left out of the report for its size; <code>harness show {report.head.experiment.id} <T>{named(report, known, id)}</T></code> tells it.</p>
      ))}
      {loaded?.trial && !(loaded.trial.trace.unseen ?? []).includes("states") && <Closer report={report} suite={known} id={id} />}
    </>
  );
}

function amount(number: number | null | undefined, noun: string): string {
  return number == null ? `${noun}s unknown` : plural(number, noun);
}

function toStep(index: number): void {
  const step = document.getElementById(`step-${index + 1}`);
  step?.scrollIntoView({ block: "center" });
  step?.focus({ preventScroll: true });
}

function Neighbours({ report, row, suite }: { report: Report; row: number; suite: string }) {
  const failing = report.rows(suite).filter((each) => report.outcome(each) !== "pass");
  const before = failing.filter((each) => each < row).pop(), after = failing.find((each) => each > row);
  const to = (each: number) => toCase(suite, report.plain.case[each]!, report.plain.repeat[each]);
  return (
    <nav class="neighbours" aria-label="Other trials">
      <a href={toTrials({ suite })}>All trials of <T>{suite}</T></a>
      {before !== undefined && <a href={to(before)} rel="prev">← Previous that did not pass</a>}
      {after !== undefined && <a href={to(after)} rel="next">Next that did not pass →</a>}
    </nav>
  );
}

/** A case as a command is given it. */
function named(report: Report, suite: Suite, id: string): string {
  const { suite: name, variant } = suite.provenance;
  const several = report.head.suites.length > 1;
  return [quoted(id), ...(several ? ["--suite", quoted(name)] : []), ...(several || variant !== "default" ? ["--variant", quoted(variant)] : [])].join(" ");
}

/** Why it is not told what the models of a trial were asked and said. */
function Unheard({ report, suite, id, trial }: { report: Report; suite: Suite; id: string; trial: Trial }) {
  if (!trial.trace.calls?.length) return null;
  if (suite.unplayed) return <p class="hint">Of the model calls: <T>{suite.unplayed}</T>.</p>;
  if (trial.silent) return <p class="hint">What the models were asked and said is left out of the report for its size; <code>harness show {report.head.experiment.id} <T>{named(report, suite, id)}</T> --whole</code> tells it.</p>;
  return null;
}

/** What a trial does not hold, and the commands that show it. */
function Closer({ report, suite, id }: { report: Report; suite: Suite; id: string }) {
  return (
    <p class="hint">A trial holds what its nodes wrote, not the whole state after each step: reducers decide what becomes of it.{" "}
      <code>harness show {report.head.experiment.id} <T>{named(report, suite, id)}</T> --states</code> runs the case again on its cassette, and shows every state.</p>
  );
}

function AgainstBaseline({ suite, moved, movement, did, repeat, beside }: { suite: Suite; moved?: Moved; movement: string; did: boolean; repeat: number; beside: boolean }) {
  if (!suite.comparison) return null;
  if (!did) return <p class="hint">Against the baseline: the case stands as it stood, as far as both sides were seen.</p>;
  if (!moved) return <p><Badge word={movement} /> Against the baseline. How is told of the first cases only.</p>;
  if (repeat > 1) return <p><Badge word={moved.movement} /> Against the baseline, over all trials of the case: {moved.before} → {moved.after}. The first trial is beside the baseline's.</p>;
  return (
    <div class="against">
      <p><Badge word={moved.movement} /> Against the baseline: {moved.before} → {moved.after}.{" "}
        {moved.flips.map(([router, before, after]) => <span class="flip"><T>{router}</T> decided <T>{before}</T> → <strong><T>{after}</T></strong></span>)}
        {moved.parted && <span class="flip">first divergence at step {moved.parted.step + 1}: <T>{moved.parted.what}</T></span>}
        {moved.drift.length > 0 && <span class="flip">other {moved.drift.join(", ")}</span>}
      </p>
      {(moved.differences?.length ?? 0) > 0 && (
        <details><summary>{plural(moved.differences!.length, "difference")}</summary>
          <div class="scroll" tabIndex={0} role="region" aria-label="Differences"><table class="figures"><thead><tr><th scope="col">what</th><th scope="col" class="text">before</th><th scope="col" class="text">now</th></tr></thead>
            <tbody>{moved.differences!.map((one) => <tr><th scope="row"><T>{`${one.kind} ${one.place ?? ""}`}</T></th><td class="text"><T>{one.before || "(nothing)"}</T></td><td class="text"><T>{one.after || "(nothing)"}</T></td></tr>)}</tbody>
          </table></div>
        </details>
      )}
      {!beside && <p class="hint">{suite.comparison.transcripts && moved.base !== undefined ? "The baseline's transcript is left out of the report for its size, so only this side is shown." : "The baseline holds how the case stood, not its transcript, so only this side is shown."}</p>}
    </div>
  );
}

function PromptChanges({ suite, moved, misses }: { suite: Suite; moved?: Moved; misses: Miss[] }) {
  const missed = new Set(misses.flatMap((miss) => (miss.causes ?? []).flatMap((cause) => (cause.kind === "prompt" && cause.name ? [cause.name] : []))));
  const stale = suite.edited.filter((one) => missed.has(one.name));
  const prompts = stale.length || !moved ? stale : suite.comparison!.changed.filter((one) => one.what === "prompt");
  return prompts.length ? <Changes title={prompts.length === 1 ? "The changed prompt" : "The changed prompts"} changed={prompts} heading="h2" /> : null;
}

function Transcript({ trial, base, moved, pointed, asked }: { trial: Trial; base?: Trial; moved?: Moved; pointed: number | null; asked: boolean }) {
  const steps = trial.trace.steps ?? [], before = base?.trace.steps ?? [];
  const parted = moved?.parted ?? null;
  const rows = Math.max(steps.length, before.length);
  const states = progress(trial), oldStates = base ? progress(base) : null;
  useEffect(() => {
    if (asked && pointed !== null) toStep(pointed);
  }, [asked, pointed]);
  return (
    <>
      {(trial.misses ?? []).length > 0 && <Misses misses={trial.misses!} />}
      {trial.trace.crash && <section><h2>Crash</h2><p class="why"><T>{`${trial.trace.crash.type}: ${trial.trace.crash.message}`}</T></p>{trial.trace.crash.traceback && <details><summary>Traceback</summary><Long text={trial.trace.crash.traceback} /></details>}</section>}
      <section>
        <h2>Steps</h2>
        {Object.keys(states.input).length > 0 && <details><summary>What it began with, as far as the final state shows</summary><dl>{Object.entries(states.input).map(([key, value]) => <><dt><T>{key}</T></dt><dd><Json value={value} /></dd></>)}</dl></details>}
        {!rows && <p>{(trial.trace.unseen ?? []).includes("steps") ? "The steps of an agent that ran elsewhere are not known." : "No step was taken."}</p>}
        <ol class={`steps${base ? " beside" : ""}`}>
          {base && <li class="heads" aria-hidden="true"><span>Baseline</span><span>Now</span></li>}
          {Array.from({ length: rows }, (_, index) => (
            <li id={`step-${index + 1}`} tabIndex={-1} class={`${pointed === index ? "suspect" : ""}${parted && index === parted.step ? " parted" : ""}`}>
              {parted && index === parted.step && <p class="mark">First divergence: <T>{parted.what}</T></p>}
              {pointed === index && !(parted && index === parted.step) && <p class="mark">Look here</p>}
              <div class="sides">
                {base && (before[index] ? <StepView step={before[index]!} trial={base} state={oldStates!.steps[index]!} other={states.steps[index]} index={index} side="Baseline" /> : <p class="absent">The baseline had ended.</p>)}
                {steps[index] ? <StepView step={steps[index]!} trial={trial} state={states.steps[index]!} other={oldStates?.steps[index]} index={index} open={pointed === null ? rows <= 6 : Math.abs(pointed - index) <= 1} side={base ? "Now" : ""} /> : <p class="absent">It had ended.</p>}
              </div>
            </li>
          ))}
        </ol>
      </section>
      <Elsewhere trial={trial} />
      <section><h2>How it ended</h2><Ended trial={trial} base={base} /></section>
      <section><h2>Scores</h2><Scores trial={trial} /></section>
    </>
  );
}

interface Written { key: string; before?: any; after: any; known: boolean }
interface Progress { input: Record<string, any>; steps: { written: Written[]; held: Record<string, any> }[] }

/** What each step wrote over what was last written, and what of the final state no step wrote: it was there from the beginning. */
function progress(trial: Trial): Progress {
  const held: Record<string, any> = {};
  let pending: Record<string, any> = {}, superstep = "";
  const steps = (trial.trace.steps ?? []).map((step) => {
    const inner = !!step.place.namespace?.length, when = `${step.place.turn ?? 1}/${step.place.step}`;
    if (!inner && when !== superstep) { // nodes of one superstep do not see what the others write
      Object.assign(held, pending);
      [pending, superstep] = [{}, when];
    }
    const before = inner ? {} : { ...held }; // what a subgraph holds is its own
    const update: Record<string, any> | null = step.update && typeof step.update === "object" && !Array.isArray(step.update) ? step.update : null;
    const written = Object.entries(update ?? {}).map(([key, after]) => ({ key, before: before[key], after, known: key in before }));
    if (!inner) Object.assign(pending, update ?? {});
    return { written, held: before };
  });
  const state = trial.trace.state;
  const input: Record<string, any> = {};
  if (state && typeof state === "object" && !Array.isArray(state)) for (const key of Object.keys(state)) {
    const wrote = steps.flatMap((step, index) => ((trial.trace.steps![index]!.place.namespace ?? []).length ? [] : step.written.filter((one) => one.key === key)));
    if (!wrote.length) input[key] = state[key];
    else if (Array.isArray(state[key]) && wrote.every((one) => Array.isArray(one.after))) {
      const rest = state[key].length - wrote.reduce((sum, one) => sum + one.after.length, 0);
      if (rest > 0) input[key] = state[key].slice(0, rest);
    }
  }
  return { input, steps };
}

/** Tell whether what was written took the place of another value. Of a list that cannot be told: a reducer may have added to it. */
function overwrites(one: Written): boolean {
  return one.known && !Array.isArray(one.after) && JSON.stringify(one.before) !== JSON.stringify(one.after);
}

function label(place: Place): string {
  return [...(place.namespace ?? []), place.node ?? "(outside any node)"].join("/");
}

function at(place: Place, other: Place): boolean {
  return place.node === other.node && place.step === other.step && (place.path ?? "") === (other.path ?? "") && place.visit === other.visit && (place.namespace ?? []).join("/") === (other.namespace ?? []).join("/");
}

type Stage = Progress["steps"][number];

function StepView({ step, trial, state, other, index, open, side }: { step: Step; trial: Trial; state: Stage; other?: Stage; index: number; open?: boolean; side: string }) {
  const calls = (trial.trace.calls ?? []).filter((call) => at(call.place, step.place));
  const tools = (trial.trace.tools ?? []).filter((tool) => at(tool.place, step.place));
  const tokens = calls.reduce((sum, call) => sum + (call.usage?.input_tokens ?? 0) + (call.usage?.output_tokens ?? 0), 0);
  const more = [
    (step.place.visit ?? 1) > 1 && `visit ${step.place.visit}`, (step.attempts ?? 1) > 1 && `${step.attempts} attempts`, step.cached && "from the cache",
    step.interrupted && "stopped for a human", tokens > 0 && `${count(tokens)} tokens`, step.duration_s !== undefined && seconds(step.duration_s),
  ].filter(Boolean).join(" · ");
  const written = state.written;
  const differs = (one: Written) => side !== "" && JSON.stringify(other?.written.find((each) => each.key === one.key)?.after) !== JSON.stringify(one.after);
  return (
    <div class="step">
      <h3>{side && <span class="side">{side}</span>}{index + 1}. <T>{label(step.place)}</T> <small>{more}</small></h3>
      {step.error && <p class="why"><T>{step.error}</T></p>}
      {(step.chosen ?? []).length > 0 && <p>went on to <strong><T>{step.chosen!.map((node) => (node === "__end__" ? "END" : node)).join(", ")}</T></strong></p>}
      {calls.map((call) => <CallView call={call} />)}
      {tools.map((tool) => <ToolView tool={tool} />)}
      <details open={open ?? side === "Baseline"}>
        <summary>{written.length ? visible(`Wrote ${written.map((one) => one.key).slice(0, 6).join(", ")}`) : step.interrupted ? "Wrote nothing: it stopped for a human" : "Wrote nothing that is known"}</summary>
        {written.length > 0 ? (
          <dl>{written.map((one) => (
            <>
              <dt><T>{one.key}</T>{one.known && !Array.isArray(one.after) && !overwrites(one) && <small> unchanged</small>}{differs(one) && <span class="differs">{side === "Now" ? "other than the baseline's" : "other than now"}</span>}</dt>
              <dd>
                {overwrites(one) && <div class="went"><span class="mark">−</span><Json value={one.before} /></div>}
                <div class={overwrites(one) ? "came" : "wrote"}>{overwrites(one) && <span class="mark">+</span>}<Json value={one.after} /></div>
              </dd>
            </>
          ))}</dl>
        ) : step.update != null && <Json value={step.update} />}
      </details>
      {Object.keys(state.held).length > 0 && <details><summary>What was written before it</summary><dl>{Object.entries(state.held).map(([key, value]) => <><dt><T>{key}</T></dt><dd><Json value={value} /></dd></>)}</dl></details>}
    </div>
  );
}

function CallView({ call }: { call: Call }) {
  const usage = call.usage ? `${count(call.usage.input_tokens ?? 0)} + ${count(call.usage.output_tokens ?? 0)} tokens${call.usage.cached_input_tokens ? `, ${count(call.usage.cached_input_tokens)} cached` : ""}` : "tokens unknown";
  const told = [call.status ?? UNKNOWN, call.finish_reason, call.kind === "http" ? "" : usage, call.kind === "http" ? "" : dollars(call.cost_usd), seconds(call.latency_s), call.source !== "replay" && call.source].filter(Boolean).join(" · ");
  return (
    <div class="call">
      <span class="kind">{call.kind}</span> <strong><T>{call.model ?? call.url}</T></strong> <small>{told}</small>
      {call.fault && <Badge word={`fault ${call.fault}`} />}
      {call.error && <p class="why"><T>{call.error}</T></p>}
      {(call.drift ?? []).length > 0 && <p class="hint">differs from the recording within the match policy: <T>{call.drift!.join(", ")}</T></p>}
      {(call.tool_requests ?? []).map((asked) => <p>asks for <strong><T>{asked.name}</T></strong> <code><T>{JSON.stringify(asked.args) ?? ""}</T></code></p>)}
      {call.asked && <Told what="Messages" texts={call.asked} />}
      {call.said && <Told what={call.fault ? "Answer, as it was recorded without the fault" : "Answer"} texts={[...call.said, ...(call.tool_requests ?? []).map((asked): Said => ["tool call", `${asked.name}(${JSON.stringify(asked.args) ?? ""})`])]} />}
    </div>
  );
}

/** What was said in a call, folded, by who said it. */
function Told({ what, texts }: { what: string; texts: Said[] }) {
  const heard = texts.filter(([, text]) => text);
  if (!heard.length) return null;
  return <details class="told"><summary>{what} <small>{count(heard.length)}</small></summary><dl>{heard.map(([label, text]) => <><dt><T>{label}</T></dt><dd><Long text={text} /></dd></>)}</dl></details>;
}

function ToolView({ tool }: { tool: ToolRun }) {
  return (
    <div class="call">
      <span class="kind">tool</span> <strong><T>{tool.name}</T></strong> <code><T>{JSON.stringify(tool.args) ?? ""}</T></code> <small>{tool.duration_s !== undefined && seconds(tool.duration_s)}</small>
      {tool.error ? <p class="why"><T>{tool.error}</T></p> : tool.output !== undefined && <Long text={tool.output} />}
    </div>
  );
}

/** Calls and tools that no step holds. */
function Elsewhere({ trial }: { trial: Trial }) {
  const steps = trial.trace.steps ?? [];
  const lost = (place: Place) => !steps.some((step) => at(place, step.place));
  const calls = (trial.trace.calls ?? []).filter((call) => lost(call.place)), tools = (trial.trace.tools ?? []).filter((tool) => lost(tool.place));
  if (!calls.length && !tools.length) return null;
  return <section><h2>Calls beside the steps</h2>{calls.map((call) => <CallView call={call} />)}{tools.map((tool) => <ToolView tool={tool} />)}</section>;
}

function Misses({ misses }: { misses: Miss[] }) {
  const shown = misses.filter((miss) => !miss.follows);
  return (
    <section>
      <h2>Not on the cassette</h2>
      <ul class="reasons">{(shown.length ? shown : misses).map((miss) => (
        <li><T>{label(miss.place)}</T>, step {miss.place.step ?? UNKNOWN}: <strong><T>{miss.cause ?? ""}</T></strong>{miss.diff && <><br /><T>{miss.diff}</T></>}{miss.command && <><br />record it with <code><T>{miss.command}</T></code></>}</li>
      ))}</ul>
    </section>
  );
}

function Ended({ trial, base }: { trial: Trial; base?: Trial }) {
  const { text, state, interrupts } = trial.trace;
  return (
    <>
      {text == null && state === undefined && <p>No text and no state is known.</p>}
      {text != null && <><h3>Last message</h3>{base && base.trace.text !== text && <div class="went"><span class="mark">−</span><Long text={base.trace.text ?? "(none)"} /></div>}{text ? <Long text={text} /> : <p class="hint">It is empty.</p>}</>}
      {(interrupts ?? []).map((one) => <><h3>Waits for a human{one.node && <> at <T>{one.node}</T></>}</h3><Json value={one.payload ?? null} /></>)}
      {state !== undefined && <details><summary>Final state</summary><Json value={state} /></details>}
    </>
  );
}

function Scores({ trial }: { trial: Trial }) {
  const scores = trial.scores ?? [];
  if (!scores.length) return <p>No check scored it.</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Scores">
      <table class="figures"><thead><tr><th scope="col">score</th><th scope="col" class="text">status</th><th scope="col">value</th><th scope="col" class="text">reason</th></tr></thead>
        <tbody>{scores.map((score) => <tr><th scope="row"><T>{score.name}</T></th><td class="text"><Badge word={score.status} /></td><td>{score.value === undefined ? UNKNOWN : Number(score.value.toPrecision(6))}</td><td class="text"><T>{score.reason ?? ""}</T></td></tr>)}</tbody>
      </table>
    </div>
  );
}
