// The report's page: unpacked, mounted, lit.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Report } from "./data";
import { Decision } from "./decision";
import "./page.css";
import { useRoute, useScroll, toSuite, toTrials, type Route } from "./route";
import { SuiteView } from "./suite";
import { TrialsView } from "./table";
import { Badge, count, plural, T, visible } from "./text";
import { TrialView } from "./trial";

const TITLE = document.title;
type Theme = "auto" | "light" | "dark";
const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };

function Switch() {
  const [theme, setTheme] = useState<Theme>("auto");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return <button type="button" class="switch" onClick={() => setTheme(NEXT[theme])}>Theme: {theme}</button>;
}

function Bar({ report, route }: { report: Report; route: Route }) {
  const at = (place: string) => (route.parts[0] ?? "" ) === place ? "page" as const : undefined;
  const several = report.head.suites.length > 1;
  return (
    <header>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")!.focus(); }}>Skip to the content</a>
      <Badge word={report.head.verdict} big />
      <span class="title"><T>{report.head.experiment.id}</T></span>
      <nav aria-label="Report">
        <a href="#/" aria-current={at("")}>Decision</a>
        {several && (
          <select aria-label="Go to a suite" value={route.parts[0] === "suite" ? route.parts[1] : ""} onChange={(event) => { location.hash = toSuite(event.currentTarget.value); }}>
            <option value="" disabled>Figures of a suite…</option>
            {report.head.suites.map((suite) => <option value={suite.name}>{visible(suite.name)}</option>)}
          </select>
        )}
        {!several && <a href={toSuite(report.head.suites[0]?.name ?? "")} aria-current={at("suite")}>Figures</a>}
        <a href={toTrials({})} aria-current={at("trials")}>Trials</a>
      </nav>
      <Switch />
    </header>
  );
}

function View({ report, route }: { report: Report; route: Route }) {
  const [view, name = "", id = "", repeat = "1"] = route.parts;
  const suite = report.suites.get(name);
  if (view === "suite" && suite) return <SuiteView report={report} suite={suite} />;
  if (view === "trials") return <TrialsView report={report} route={route} />;
  if (view === "case") return <TrialView report={report} suite={name} id={id} repeat={Number(repeat) || 1} route={route} key={`${name}/${id}/${repeat}`} />;
  return <Decision report={report} />;
}

function Page({ report }: { report: Report }) {
  const route = useRoute();
  const place = route.parts.join("/");
  const { limits } = report.head, { left_out } = limits;
  useScroll(place);
  useEffect(() => {
    document.documentElement.dataset.ready = "yes"; // after the effects of all that is inside: keys work from here on
  }, []);
  useEffect(() => {
    const heading = document.querySelector("h1");
    document.title = place && heading ? `${heading.textContent} · ${visible(report.head.experiment.id)}` : TITLE;
    if (place) document.getElementById("main")?.focus({ preventScroll: true });
  }, [place]);
  return (
    <>
      <Bar report={report} route={route} />
      <main id="main" tabIndex={-1}><View report={report} route={route} /></main>
      <footer>
        Made by harness from experiment <T>{report.head.experiment.id}</T>. This file asks no server for anything.
        Transcripts of passing trials are cut at {report.head.limits.text.toLocaleString("en-US")} characters a text
        {left_out.passing > 0 && `, and ${count(left_out.passing)} of them are left out for size`}; all others are whole
        {left_out.others > 0 && <>, but <strong>those of {plural(left_out.others, "trial")} that did not pass are left out</strong>, since this file takes no more than {limits.total / 1e6} MB of transcripts</>}
        {left_out.talks > 0 && <>; what the models were asked and said is left out of {plural(left_out.talks, "trial")} for size</>}
        {left_out.sides > 0 && <>; {count(left_out.sides)} of the baseline's are left out for size</>}.
      </footer>
    </>
  );
}

/** On paper, everything that is folded is open. */
function openForPrint(): void {
  let opened: HTMLDetailsElement[] = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll<HTMLDetailsElement>("details:not([open])")];
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of opened) each.open = false;
  });
}

Report.read().then(
  (report) => {
    const root = document.getElementById("page")!;
    root.textContent = "";
    render(<Page report={report} />, root);
    openForPrint();
    setTimeout(() => report.prepare(), 200);
  },
  (problem: unknown) => {
    document.querySelector("main")!.append(`This report cannot be read: ${problem}`);
  },
);
