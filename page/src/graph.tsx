// The graph, laid out here; what trials took is drawn on it.
import { graphlib, layout } from "@dagrejs/dagre";
import { useMemo } from "preact/hooks";
import type { Graph } from "./data";
import { toTrials } from "./route";
import { count, plural, T, visible } from "./text";

const CHARACTER = 7.6;
const LABEL = 26;
const LOOP = 46;
const HEIGHT = 40;
const LEAST = 0.7; // to how much of its size a wide graph shrinks before it scrolls

interface Point { x: number; y: number }
interface Box extends Point { name: string; width: number; height: number }
interface Way { index: number; points: Point[]; x: number; y: number }

function placed(graph: Graph): { boxes: Box[]; ways: Way[]; width: number; height: number } {
  const drawing = new graphlib.Graph({ multigraph: true });
  drawing.setGraph({ rankdir: "LR", nodesep: 22, ranksep: 44, edgesep: 12, marginx: 8, marginy: 8 });
  const selves = graph.edges.flatMap((edge, index) => (edge.source === edge.target ? [index] : []));
  const looping = new Set(selves.map((index) => graph.edges[index]!.source)); // these need room below, and as much above
  for (const node of graph.nodes) drawing.setNode(node.name, { width: Math.max(48, Math.min(LABEL, shown(node.name).length) * CHARACTER + 22), height: HEIGHT + (looping.has(node.name) ? 2 * LOOP : 0) });
  graph.edges.forEach((edge, index) => selves.includes(index) || drawing.setEdge(edge.source, edge.target, { width: 34, height: 16, labelpos: "c" }, String(index)));
  layout(drawing);
  const { width = 0, height = 0 } = drawing.graph() as { width?: number; height?: number };
  const boxes = drawing.nodes().map((name: string): Box => ({ name, ...(drawing.node(name) as unknown as Omit<Box, "name">), height: HEIGHT }));
  const ways = drawing.edges().map((edge: { v: string; w: string; name?: string }): Way => ({ index: Number(edge.name), ...(drawing.edge(edge) as unknown as Omit<Way, "index">) }));
  const box = new Map(boxes.map((each) => [each.name, each]));
  for (const way of ways) {
    const { source, target } = graph.edges[way.index]!, last = way.points.length - 1;
    if (looping.has(source)) way.points[0] = rim(box.get(source)!, way.points[1]!);
    if (looping.has(target)) way.points[last] = rim(box.get(target)!, way.points[last - 1]!);
  }
  const loops = selves.map((index) => loop(index, box.get(graph.edges[index]!.source)!));
  return { boxes, ways: [...ways, ...loops], width, height: Math.max(height, ...loops.map((way) => way.y + 16)) };
}

/** Where the line from the middle of a box to a point leaves the box. */
function rim(box: Box, to: Point): Point {
  const dx = to.x - box.x, dy = to.y - box.y;
  const share = Math.min(box.width / 2 / Math.max(Math.abs(dx), 1), box.height / 2 / Math.max(Math.abs(dy), 1));
  return { x: box.x + dx * share, y: box.y + dy * share };
}

function shown(name: string): string {
  const told = visible(name).replace("__start__", "START").replace("__end__", "END");
  return told.length > LABEL ? `${told.slice(0, LABEL - 1)}…` : told;
}

/** A smooth line through all points (Catmull and Rom's spline), so that a label in the middle lies on it. */
function curve(points: Point[]): string {
  const at = (index: number) => points[Math.max(0, Math.min(points.length - 1, index))]!;
  let path = `M${at(0).x} ${at(0).y}`;
  for (let index = 0; index < points.length - 1; index++) {
    const before = at(index - 1), from = at(index), to = at(index + 1), after = at(index + 2);
    path += `C${from.x + (to.x - before.x) / 6} ${from.y + (to.y - before.y) / 6} ${to.x - (after.x - from.x) / 6} ${to.y - (after.y - from.y) / 6} ${to.x} ${to.y}`;
  }
  return path;
}

/** A way from a node to itself, below it. */
function loop(index: number, box: Box): Way {
  const low = box.y + box.height / 2;
  const points = [[-14, 0], [-22, 18], [0, LOOP - 12], [22, 18], [14, 0]].map(([x, y]) => ({ x: box.x + x!, y: low + y! }));
  return { index, points, x: box.x, y: low + LOOP - 12 };
}

/** With `path` and `edges`, those of one trial are highlighted; without, what no trial took is. */
export function GraphView({ graph, suite, note, path, edges, suspect }: { graph: Graph; suite: string; note?: string; path?: string[]; edges?: string[]; suspect?: string }) {
  const { boxes, ways, width, height } = useMemo(() => placed(graph), [graph]);
  if (!graph.nodes.length) return <p>Nothing to draw: no node is known{graph.unknown && <> (<T>{graph.unknown}</T>)</>}.</p>;
  const one = path !== undefined;
  const visited = new Set(path), taken = new Set(edges?.length ? edges : pairs(path ?? []));
  const trials = new Map(graph.nodes.map((node) => [node.name, node.trials]));
  const wayClass = (index: number) => {
    const edge = graph.edges[index]!;
    const kind = edge.labels.length ? " choice" : "";
    return one ? (taken.has(edge.name) ? `way on${kind}` : `way off${kind}`) : edge.trials ? `way${kind}` : `way none${kind}`;
  };
  return (
    <>
      {!graph.declared && <p class="hint">{graph.unknown && <><T>{graph.unknown}</T>; </>}drawn are the ways that trials went.</p>}
      {note && <p><T>{note}</T></p>}
      {graph.edges.some((edge) => edge.labels.length) && <p class="hint">Dashed ways are chosen by a router{!one && "; red is what no trial took"}.</p>}
      <div class="scroll graph" tabIndex={0} role="region" aria-label={`Graph of ${visible(suite)}`}>
        <svg viewBox={`0 0 ${width} ${height}`} width={width} style={{ minWidth: `${width * LEAST}px` }} role="group" aria-label={one ? "The graph with the path of this trial" : "The graph with how many trials took each edge"}>
          <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" /></marker></defs>
          {ways.map((way) => <path class={wayClass(way.index)} d={curve(way.points)} marker-end="url(#arrow)" />)}
          {ways.map((way) => {
            const edge = graph.edges[way.index]!;
            if (one) return null;
            return <a href={toTrials({ suite, edge: edge.name })} class={edge.trials ? "" : "none"} aria-label={`${visible(edge.name)}: ${plural(edge.trials, "trial")}`}><rect class="plate" x={way.x - 17} y={way.y - 9} width="34" height="18" rx="4" /><text x={way.x} y={way.y + 4} text-anchor="middle">{edge.trials > 9999 ? `${Math.round(edge.trials / 1000)}k` : edge.trials}</text><title>{`${visible(edge.name)}${edge.labels.length ? ` (${visible(edge.labels.join(", "))})` : ""}: ${plural(edge.trials, "trial")}`}</title></a>;
          })}
          {boxes.map((box) => {
            const outer = /__(start|end)__$/.test(box.name);
            const kind = outer ? "box outer" : one ? (box.name === suspect ? "box suspect" : visited.has(box.name) ? "box on" : "box off") : trials.get(box.name) ? "box" : "box none";
            const body = <><rect class={kind} x={box.x - box.width / 2} y={box.y - box.height / 2} width={box.width} height={box.height} rx={outer ? 20 : 6} /><text x={box.x} y={box.y + 4} text-anchor="middle">{shown(box.name)}</text><title>{`${visible(box.name)}${outer ? "" : `: visited in ${plural(trials.get(box.name) ?? 0, "trial")}`}`}</title></>;
            return outer || one ? <g>{body}</g> : <a href={toTrials({ suite, node: box.name })} aria-label={`${visible(box.name)}: visited in ${plural(trials.get(box.name) ?? 0, "trial")}`}>{body}</a>;
          })}
        </svg>
      </div>
      {!one && (
        <details><summary>{plural(graph.edges.length, "edge")} as a list</summary>
          <div class="scroll" tabIndex={0} role="region" aria-label="Edges"><table class="figures"><thead><tr><th scope="col">edge</th><th scope="col" class="text">choices</th><th scope="col">trials</th></tr></thead>
            <tbody>{graph.edges.map((edge) => <tr class={edge.trials ? "" : "broken"}><th scope="row"><T>{edge.name}</T></th><td class="text"><T>{edge.labels.join(", ")}</T></td><td>{edge.trials ? <a href={toTrials({ suite, edge: edge.name })}>{count(edge.trials)}</a> : "not taken"}</td></tr>)}</tbody>
          </table></div>
        </details>
      )}
    </>
  );
}

/** The ways between the visits of one trial, as they are named where the graph declares none. */
function pairs(path: string[]): string[] {
  return ["START", ...path].slice(0, -1).map((node, index) => `${node} → ${path[index]}`);
}
