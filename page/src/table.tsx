// The table of trials: sorted, filtered, searched; only the rows in sight are in the page.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Report } from "./data";
import { parse, toCase, toTrials, type Route } from "./route";
import { Badge, count, dollars, plural, seconds, T, visible } from "./text";

const HEIGHT = 34;
const SPARE = 8;
const PRINTED = 500;

interface Column { key: string; title: string; value: (report: Report, row: number) => string | number | null; numeric?: boolean }
const COLUMNS: Column[] = [
  { key: "case", title: "case", value: (report, row) => report.plain.case[row]! },
  { key: "suite", title: "suite", value: (report, row) => report.suite(row) },
  { key: "outcome", title: "outcome", value: (report, row) => report.outcome(row) },
  { key: "moved", title: "baseline", value: (report, row) => report.movement(row) },
  { key: "steps", title: "steps", value: (report, row) => report.plain.steps[row]!, numeric: true },
  { key: "calls", title: "calls", value: (report, row) => report.plain.calls[row]!, numeric: true },
  { key: "tokens", title: "tokens", value: (report, row) => report.plain.tokens[row]!, numeric: true },
  { key: "cost_usd", title: "cost", value: (report, row) => report.plain.cost_usd[row]!, numeric: true },
  { key: "duration_s", title: "time", value: (report, row) => report.plain.duration_s[row]!, numeric: true },
  { key: "reason", title: "why", value: (report, row) => report.reason(row) },
];
const OUTCOMES = ["pass", "fail", "error", "stale", "unscored"];
const MOVEMENTS = ["worse", "crashed", "stale", "unscored", "only in candidate", "better", "same"];

type Test = (row: number) => boolean;

function tests(report: Report, query: URLSearchParams): Test[] {
  const found: Test[] = [];
  const asked = (key: string, test: (value: string) => Test) => {
    const value = query.get(key);
    if (value) found.push(test(value));
  };
  const shows = (row: number) => report.outcome(row) !== "stale"; // the graph counts no stale trial
  const declared = (row: number) => report.suites.get(report.suite(row))!.graph.declared;
  asked("suite", (suite) => (row) => report.suite(row) === suite);
  asked("outcome", (outcome) => (row) => (outcome === "not pass" ? report.outcome(row) !== "pass" : report.outcome(row) === outcome));
  asked("moved", (movement) => (row) => report.movement(row) === movement);
  asked("edge", (edge) => (row) => shows(row) && (declared(row) ? report.edges(row) : steps(report.path(row))).includes(edge));
  asked("node", (node) => query.get("fault") ? () => true : (row) => shows(row) && report.path(row).includes(node));
  asked("fault", (fault) => (row) => report.faults(row).some(([one, node]) => one === fault && node === (query.get("node") ?? "")));
  asked("router", (router) => (row) => report.routes(row).some(([name, wanted, taken]) => name === router && wanted === query.get("expected") && taken === query.get("taken")));
  asked("q", (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return (row) => words.every((word) => report.haystack(row).includes(word));
  });
  return found;
}

function steps(path: string[]): string[] {
  return path.map((node, index) => `${index ? path[index - 1] : "START"} → ${node}`);
}

function selected(report: Report, query: URLSearchParams): number[] {
  const wanted = tests(report, query);
  const rows: number[] = [];
  for (let row = 0; row < report.count; row++) if (wanted.every((test) => test(row))) rows.push(row);
  const [key, direction] = (query.get("sort") ?? "").split(":");
  const column = COLUMNS.find((each) => each.key === key);
  if (!column) return rows;
  const values = new Map(rows.map((row) => [row, column.value(report, row)]));
  const sign = direction === "down" ? -1 : 1;
  return rows.sort((one, other) => {
    const before = values.get(one)!, after = values.get(other)!;
    if (before === null || after === null) return before === after ? one - other : before === null ? 1 : -1;
    return (before < after ? -sign : before > after ? sign : 0) || one - other;
  });
}

export function TrialsView({ report, route }: { report: Report; route: Route }) {
  const { query } = route;
  const rows = useMemo(() => selected(report, query), [report, query.toString()]);
  const go = (changes: Record<string, string>) => {
    const next = { ...Object.fromEntries(parse(location.hash).query), ...changes }; // not the query of the last drawing, which may be late
    history.replaceState(history.state, "", toTrials(next));
    dispatchEvent(new HashChangeEvent("hashchange"));
  };
  const several = report.head.suites.length > 1;
  const compared = report.head.suites.some((suite) => suite.comparison);
  const columns = COLUMNS.filter((column) => (column.key !== "suite" || several) && (column.key !== "moved" || compared));
  return (
    <>
      <h1>Trials</h1>
      <Filters report={report} query={query} several={several} compared={compared} go={go} />
      <p role="status" class="facts">{count(rows.length)} of {plural(report.count, "trial")}</p>
      <Table report={report} rows={rows} columns={columns} query={query} go={go} />
      <p class="hint">Keys: <kbd>/</kbd> searches, <kbd>↑</kbd> <kbd>↓</kbd> <kbd>Page Up</kbd> <kbd>Page Down</kbd> <kbd>Home</kbd> <kbd>End</kbd> move from row to row, <kbd>Enter</kbd> opens the trial.</p>
    </>
  );
}

type Go = (changes: Record<string, string>) => void;

function Filters({ report, query, several, compared, go }: { report: Report; query: URLSearchParams; several: boolean; compared: boolean; go: Go }) {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test((event.target as Element).tagName)) return;
      event.preventDefault();
      box.current!.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const further = ["router", "expected", "taken", "edge", "node", "fault"].filter((key) => query.get(key));
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>Search <input ref={box} type="search" placeholder="case, path, reason, answer" value={query.get("q") ?? ""} onInput={(event) => go({ q: event.currentTarget.value })} /></label>
      <Choice label="Outcome" value={query.get("outcome")} words={["not pass", ...OUTCOMES]} onChange={(outcome) => go({ outcome })} />
      {several && <Choice label="Suite" value={query.get("suite")} words={report.head.suites.map((suite) => suite.name)} onChange={(suite) => go({ suite })} />}
      {compared && <Choice label="Baseline" value={query.get("moved")} words={MOVEMENTS} onChange={(moved) => go({ moved })} />}
      {further.length > 0 && <span class="further">{further.map((key) => <span><T>{`${key} ${query.get(key)}`}</T></span>)}</span>}
      {[...query.keys()].length > 0 && <button type="button" onClick={() => { location.hash = "#/trials"; }}>Clear</button>}
    </form>
  );
}

function Choice({ label, value, words, onChange }: { label: string; value: string | null; words: string[]; onChange: (word: string) => void }) {
  return (
    <label>{label} <select value={value ?? ""} onChange={(event) => onChange(event.currentTarget.value)}>
      <option value="">all</option>
      {words.map((word) => <option value={word}>{visible(word)}</option>)}
    </select></label>
  );
}

function Table({ report, rows, columns, query, go }: { report: Report; rows: number[]; columns: Column[]; query: URLSearchParams; go: Go }) {
  const frame = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [active, setActive] = useState(0);
  const [moved, setMoved] = useState(0);
  const [printing, setPrinting] = useState(false);
  useLayoutEffect(() => { setActive(0); frame.current?.scrollTo(0, 0); }, [rows]);
  useEffect(() => {
    const before = () => setPrinting(true), after = () => setPrinting(false);
    addEventListener("beforeprint", before);
    addEventListener("afterprint", after);
    return () => { removeEventListener("beforeprint", before); removeEventListener("afterprint", after); };
  }, []);
  useLayoutEffect(() => {
    if (moved) frame.current!.querySelector<HTMLElement>(`[data-row="${active}"] a`)?.focus({ preventScroll: true });
  }, [moved]);
  const sight = Math.ceil((frame.current?.clientHeight ?? 600) / HEIGHT);
  const first = printing ? 0 : Math.max(0, Math.min(Math.floor(top / HEIGHT) - SPARE, rows.length - 1));
  const last = printing ? Math.min(rows.length, PRINTED) : Math.min(rows.length, first + sight + 2 * SPARE);
  const to = (place: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, place)), box = frame.current!;
    const head = box.querySelector("thead")!.getBoundingClientRect().height;
    if (next * HEIGHT < box.scrollTop) box.scrollTop = next * HEIGHT;
    if ((next + 1) * HEIGHT + head > box.scrollTop + box.clientHeight) box.scrollTop = (next + 1) * HEIGHT + head - box.clientHeight;
    setTop(box.scrollTop);
    setActive(next);
    setMoved((times) => times + 1);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + sight - 2, PageUp: active - sight + 2, Home: 0, End: rows.length - 1 };
    const next = moves[event.key];
    if (next === undefined || (event.target as Element).tagName === "BUTTON" || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    to(next);
  };
  return (
    <div class="frame" ref={frame} tabIndex={0} role="region" aria-label="Trials, one a row" onScroll={(event) => setTop(event.currentTarget.scrollTop)} onKeyDown={onKeyDown}>
      <table class="trials" aria-rowcount={rows.length + 1}>
        <thead><tr aria-rowindex={1}>{columns.map((column) => <Sorter column={column} query={query} go={go} />)}</tr></thead>
        <tbody>
          {first > 0 && <tr class="spacer" aria-hidden="true"><td colSpan={columns.length} style={{ height: `${first * HEIGHT}px` }} /></tr>}
          {rows.slice(first, last).map((row, index) => {
            const place = first + index;
            return (
              <tr key={row} data-row={place} aria-rowindex={place + 2} class={place === active ? "active" : ""} onClick={(event) => { if (!(event.target as Element).closest("a") && !getSelection()!.toString()) location.hash = link(report, row); }}>
                {columns.map((column) => <Cell column={column} report={report} row={row} tab={place === active ? 0 : -1} />)}
              </tr>
            );
          })}
          {last < rows.length && <tr class="spacer" aria-hidden="true"><td colSpan={columns.length} style={{ height: `${printing ? 0 : (rows.length - last) * HEIGHT}px` }} /></tr>}
        </tbody>
      </table>
      {!rows.length && <p>No trial is like this.</p>}
      {printing && rows.length > PRINTED && <p>The first {PRINTED} are printed.</p>}
    </div>
  );
}

function Sorter({ column, query, go }: { column: Column; query: URLSearchParams; go: Go }) {
  const [key, direction] = (query.get("sort") ?? "").split(":");
  const here = key === column.key;
  const next = !here ? `${column.key}:up` : direction === "up" ? `${column.key}:down` : "";
  return (
    <th scope="col" class={column.key} aria-sort={here ? (direction === "up" ? "ascending" : "descending") : "none"}>
      <button type="button" onClick={() => go({ sort: next })}>{column.title}<span aria-hidden="true">{here ? (direction === "up" ? " ↑" : " ↓") : ""}</span></button>
    </th>
  );
}

function link(report: Report, row: number): string {
  return toCase(report.suite(row), report.plain.case[row]!, report.plain.repeat[row]);
}

function Cell({ column, report, row, tab }: { column: Column; report: Report; row: number; tab: number }) {
  const value = column.value(report, row);
  if (column.key === "case") {
    const repeat = report.plain.repeat[row]!;
    return <th scope="row" class="case"><a href={link(report, row)} tabIndex={tab}><T>{String(value)}</T>{repeat > 1 && ` (${repeat})`}</a></th>;
  }
  if (column.key === "outcome" || (column.key === "moved" && value)) return <td class={column.key}><Badge word={String(value)} /></td>;
  const told = { cost_usd: dollars, duration_s: seconds }[column.key] ?? count;
  return <td class={column.numeric ? `number ${column.key}` : column.key}>{column.numeric ? told(value as number | null) : <T>{String(value ?? "")}</T>}</td>;
}
