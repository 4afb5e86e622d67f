// The document that Python wrote, unpacked, and its columns as rows.

export type Line = [string, string];
export interface Changed { what: string; name: string; before: string | null; after: string | null; lines?: Line[] | null }
export interface Difference { kind: string; place?: string; before?: string; after?: string }
export interface Moved {
  case: string; movement: string; before: string; after: string; flips: [string, string, string][]; drift: string[];
  step: number | null; why: string; base?: [number, number] | null; parted?: { step: number; base_step: number; what: string } | null;
  differences?: Difference[];
}
export interface Spending { calls: number; tokens: number | null; cost_usd: number | null; latency_s: number | null }
export interface Comparison {
  experiment: string; commit: string | null; finished_at: string | null; forced: boolean; blessed: boolean; base: string; sentence: string; unlike: string[];
  counts: Record<string, number>; cases: number; measured: number; movements: Record<string, string[]>; transcripts: boolean; moved: Moved[]; more: number;
  flips: Record<string, [string, string, number][]>; changed: Changed[]; spent: { node: string; before: Spending; after: Spending }[];
}
export interface Metric {
  name: string; value: number | null; shown: string; why: string; interval: [string, string] | null; method: string;
  bound: { asked: string; broken: string[]; open: string[] } | null; past: (number | null)[]; past_shown: string[];
  change?: { base: string; cases: number; difference: string; interval: [string, string] | null; rose: number; fell: number; p: number | null; moved: boolean };
}
export interface Spent { calls: number; cached: number; tokens: number | null; cost_usd: number | null }
export interface Router {
  name: string; right: number; total: number; accuracy: string; interval: [string, string] | null; labels: string[];
  counts: [string, string, number][]; figures: [string, number, number, number, string, string][];
}
export interface GraphEdge { source: string; target: string; labels: string[]; name: string; trials: number }
export interface Graph { declared: boolean; unknown: string; nodes: { name: string; trials: number; stops: boolean }[]; edges: GraphEdge[] }
export interface Sweep {
  cells: { fault: string; place: string; cells: [string, string, string, string][] }[]; broken: number; total: number; skipped: Record<string, string>;
}
export interface Suite {
  name: string;
  verdict: { verdict: string; exit_code: number; reasons: string[]; notes: string[]; cases: string[] };
  counts: { trials: number; passed: number; failed: number; errors: number; stale: number; unscored: number };
  provenance: Record<string, any>; comparison: Comparison | null; edited: Changed[]; metrics: Metric[];
  past: { experiment: string; commit: string | null; finished_at: string | null; verdict: string | null }[];
  costs: { node: Record<string, Spent>; model: Record<string, Spent> }; routers: Router[];
  calibration: { router: string; decisions: number; ece: number | null; bins: [number, number, number, number, string][] }[];
  coverage: string; graph: Graph; sweep: Sweep | null; unplayed: string;
}
interface Coded<T> { words: T[]; numbers: number[] }
interface Columns {
  coded: {
    suite: Coded<string>; outcome: Coded<string>; ends: Coded<string>; reason: Coded<string>; text: Coded<string>; path: Coded<string[]>;
    edges: Coded<string[]>; routes: Coded<[string, string, string][]>; faults: Coded<[string, string][]>;
  };
  plain: {
    case: string[]; repeat: number[]; tokens: (number | null)[]; cost_usd: (number | null)[]; duration_s: (number | null)[];
    steps: (number | null)[]; limit: (number | null)[]; calls: (number | null)[]; tools: (number | null)[]; step: (number | null)[];
    block: number[]; place: number[];
  };
}
export interface Head {
  format: number; experiment: Record<string, any>; verdict: string; exit_code: number;
  limits: { text: number; transcript: number; total: number; left_out: { passing: number; others: number; sides: number; talks: number } }; suites: Suite[]; rows: Columns;
}
export interface Place { node?: string; step?: number; path?: string; namespace?: string[]; visit?: number; turn?: number }
export interface Step {
  place: Place; attempts?: number; interrupted?: boolean; stops?: number; chosen?: string[]; error?: string; update?: any; cached?: boolean;
  start_s?: number; duration_s?: number;
}
export interface Call {
  place: Place; kind: string; source: string; url: string; model?: string; answered_model?: string; status?: number; fault?: string;
  error?: string; streamed?: boolean; usage?: Record<string, number>; cost_usd?: number; finish_reason?: string;
  tool_requests?: { name: string; args?: any }[]; latency_s?: number; duration_s?: number; drift?: string[];
  asked?: Said[]; said?: Said[];
}
/** Who said it, or what it is, and the text. */
export type Said = [string, string];
interface Talk { texts: string[]; calls: ([[string, number][], [string, number][]] | null)[] }
export interface ToolRun { place: Place; name: string; args?: any; output?: string; error?: string; duration_s?: number }
export interface Miss {
  place: Place; request: string; cause?: string; diff?: string; command?: string; follows?: boolean; tokens?: number; cost_usd?: number;
  causes?: { kind: string; text: string; name?: string; before?: string; after?: string }[];
}
export interface Trial {
  suite: string; variant: string; case: string; repeat?: number; outcome: string;
  trace: {
    steps?: Step[]; calls?: Call[]; tools?: ToolRun[]; retrievers?: { place: Place; name: string; query: string; documents?: number; error?: string }[];
    interrupts?: { node?: string; payload?: any }[]; state?: any; text?: string; ends?: string;
    crash?: { type: string; message: string; node?: string; traceback?: string }; duration_s?: number; real_time?: boolean;
    recursion_limit?: number; unseen?: string[];
  };
  scores?: { check: string; name: string; status: string; value?: number; reason?: string }[]; misses?: Miss[];
  live?: { place: Place; address: string; hint?: string }[];
  talk?: [number, number];
  silent?: boolean;
}

async function unpack(id: string): Promise<any> {
  const packed = atob(document.getElementById(id)!.textContent!);
  const bytes = new Uint8Array(packed.length);
  for (let place = 0; place < packed.length; place++) bytes[place] = packed.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

export class Report {
  readonly count: number;
  readonly suites: Map<string, Suite>;
  readonly plain: Columns["plain"];
  private readonly coded: Columns["coded"];
  private readonly found = new Map<string, number>();
  private readonly moves = new Map<string, Moved>();
  private readonly movements = new Map<string, string>();
  private readonly deciding: Map<string, Set<string>>;
  private readonly blocks = new Map<number, Promise<any[]>>();
  private shared?: Promise<string[]>;
  private readonly bySuite = new Map<string, number[]>();
  private readonly hay: string[] = [];

  static async read(): Promise<Report> {
    return new Report(await unpack("data"));
  }

  constructor(readonly head: Head) {
    this.plain = head.rows.plain;
    this.coded = head.rows.coded;
    this.count = this.plain.case.length;
    this.suites = new Map(head.suites.map((suite) => [suite.name, suite]));
    this.deciding = new Map(head.suites.map((suite) => [suite.name, new Set(suite.verdict.cases)]));
    for (const suite of head.suites) for (const [movement, cases] of Object.entries(suite.comparison?.movements ?? {})) for (const one of cases) this.movements.set(`${suite.name}\n${one}`, movement);
    for (const suite of head.suites) for (const one of suite.comparison?.moved ?? []) this.moves.set(`${suite.name}\n${one.case}`, one);
  }

  suite(row: number): string { return this.word("suite", row); }
  outcome(row: number): string { return this.word("outcome", row); }
  ends(row: number): string { return this.word("ends", row); }
  reason(row: number): string { return this.word("reason", row); }
  path(row: number): string[] { return this.word("path", row); }
  edges(row: number): string[] { return this.word("edges", row); }
  routes(row: number): [string, string, string][] { return this.word("routes", row); }
  faults(row: number): [string, string][] { return this.word("faults", row); }
  moved(suite: string, id: string): Moved | undefined { return this.moves.get(`${suite}\n${id}`); }
  /** How a case moved against the baseline, "same" where nothing about it is otherwise, "" where there is no baseline. */
  movement(row: number): string { return this.suites.get(this.suite(row))!.comparison ? this.movements.get(`${this.suite(row)}\n${this.plain.case[row]}`) ?? "same" : ""; }
  did(row: number): boolean { return this.movements.has(`${this.suite(row)}\n${this.plain.case[row]}`); }
  decides(row: number): boolean { return this.deciding.get(this.suite(row))!.has(this.plain.case[row]!); }

  row(suite: string, id: string, repeat: number): number | undefined {
    if (!this.found.size) for (let row = 0; row < this.count; row++) this.found.set(`${this.suite(row)}\n${this.plain.case[row]}\n${this.plain.repeat[row]}`, row);
    return this.found.get(`${suite}\n${id}\n${repeat}`);
  }

  rows(suite: string): number[] {
    if (!this.bySuite.size) for (let row = 0; row < this.count; row++) {
      const rows = this.bySuite.get(this.suite(row));
      if (rows) rows.push(row);
      else this.bySuite.set(this.suite(row), [row]);
    }
    return this.bySuite.get(suite) ?? [];
  }

  /** Make what a search looks through while nothing else is to be done, so that the first one is as fast as the others. */
  prepare(from = 0): void {
    const to = Math.min(this.count, from + 1000);
    for (let row = from; row < to; row++) this.haystack(row);
    if (to < this.count) setTimeout(() => this.prepare(to));
  }

  /** What a search looks through: the case, its path, reason and answer, in small letters. */
  haystack(row: number): string {
    return (this.hay[row] ??= [this.plain.case[row], this.suite(row), this.outcome(row), this.path(row).join(" "), this.reason(row), this.word("text", row)].join("\n").toLowerCase());
  }

  async transcript(block: number, place: number): Promise<Trial | undefined> {
    const trial: Trial | undefined = await this.kept(block, place);
    if (trial?.talk) await this.hear(trial, ...trial.talk);
    return trial;
  }

  /** Put what the models were asked and said beside the calls of a trial; without it, the trial is silent. */
  private async hear(trial: Trial, block: number, place: number): Promise<void> {
    const talk: Talk | undefined = await this.kept(block, place);
    trial.silent = !talk;
    if (!talk) return;
    const shared = await (this.shared ??= unpack("texts") as Promise<string[]>);
    const told = (texts: [string, number][]): Said[] => texts.map(([label, number]) => [label, number < 0 ? shared[-1 - number]! : talk.texts[number]!]);
    talk.calls.forEach((call, index) => {
      if (call) Object.assign(trial.trace.calls![index]!, { asked: told(call[0]), said: told(call[1]) });
    });
  }

  private async kept(block: number, place: number): Promise<any> {
    if (!document.getElementById(`block-${block}`)) return undefined; // left out for its size
    if (!this.blocks.has(block)) this.blocks.set(block, unpack(`block-${block}`));
    return (await this.blocks.get(block)!)[place];
  }

  private word<K extends keyof Columns["coded"]>(column: K, row: number): Columns["coded"][K]["words"][number] {
    const { words, numbers } = this.coded[column];
    return words[numbers[row]!] as Columns["coded"][K]["words"][number];
  }
}
