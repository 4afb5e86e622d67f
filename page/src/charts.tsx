// Small charts, drawn as SVG.
import { plural, visible } from "./text";

const BINS = 24;
const WIDE = 15; // from which ratio on the axis is logarithmic

export function Histogram({ values, unit, label, whole }: { values: number[]; unit: (value: number) => string; label: string; whole?: boolean }) {
  if (!values.length) return <p>Unknown: no trial tells.</p>;
  const low = values[0]!, high = values[values.length - 1]!;
  if (low === high) return <p>All {plural(values.length, "trial")}: {unit(low)}.</p>;
  const bins = whole ? Math.min(BINS, high - low + 1) : BINS;
  const logarithmic = !whole && low > 0 && high / low > WIDE;
  const scale = logarithmic ? Math.log : (value: number) => value, back = logarithmic ? Math.exp : (value: number) => value;
  const width = (scale(high) - scale(low) + (whole ? 1 : 0)) / bins;
  const edge = (bin: number) => back(scale(low) + bin * width);
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.floor((scale(value) - scale(low)) / width))]!++;
  const most = Math.max(...counts);
  const told = counts.map((number, bin) => `${unit(edge(bin))}: ${number}`).filter((_, bin) => counts[bin]).join("; ");
  return (
    <figure>
      <svg viewBox="0 0 480 96" class="chart" role="img" aria-label={`${label}: ${told}`}>
        {counts.map((number, bin) => (
          <rect class="column" x={(bin * 480) / bins + 1} width={480 / bins - 2} y={90 - (number / most) * 86} height={(number / most) * 86 + (number ? 1 : 0)}><title>{`${unit(edge(bin))} to ${unit(edge(bin + 1))}: ${plural(number, "trial")}`}</title></rect>
        ))}
        <line class="axis" x1="0" x2="480" y1="91" y2="91" />
      </svg>
      <figcaption><span>{unit(low)}</span><span>{label}, {plural(values.length, "trial")}{logarithmic && ", logarithmic"}</span><span>{unit(high)}</span></figcaption>
    </figure>
  );
}

export function Sparkline({ values, shown, names, label }: { values: (number | null)[]; shown: string[]; names: string[]; label: string }) {
  const known = values.filter((value): value is number => value !== null);
  if (known.length < 2) return <span class="hint">{known.length ? "first" : "unknown"}</span>;
  const low = Math.min(...known), span = Math.max(...known) - low;
  const point = (value: number, index: number): [number, number] => [4 + (index * 112) / (values.length - 1), span ? 20 - ((value - low) / span) * 16 : 12];
  const parts = values.map((value, index) => (value === null ? "" : `${index && values[index - 1] !== null ? "L" : "M"}${point(value, index).map((each) => each.toFixed(1)).join(" ")}`));
  const last = values[values.length - 1];
  return (
    <svg viewBox="0 0 120 24" class="spark" role="img" aria-label={`${visible(label)}: ${names.map((name, index) => `${name} ${shown[index]}`).join("; ")}`}>
      <title>{names.map((name, index) => `${name}: ${shown[index]}`).join("\n")}</title>
      <path d={parts.join("")} />
      {last != null && <circle cx={point(last, values.length - 1)[0]} cy={point(last, values.length - 1)[1]} r="2.5" />}
    </svg>
  );
}
