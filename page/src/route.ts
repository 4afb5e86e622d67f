// Where the reader is: all of it in the address, so that every view can be linked to.
import { useEffect, useLayoutEffect, useState } from "preact/hooks";

export interface Route { parts: string[]; query: URLSearchParams }

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return { parts: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parse(location.hash));
  useEffect(() => {
    const onChange = () => setRoute(parse(location.hash));
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  return route;
}

const tops = new Map<number, [number, number]>();

/** Begin at the top of a new view, and where the reader was, in the table too, on going back to one. */
export function useScroll(place: string): void {
  useLayoutEffect(() => {
    history.scrollRestoration = "manual";
    const mark: number = history.state ?? performance.now();
    history.replaceState(mark, "");
    const frame = document.querySelector(".frame"), [top, inner] = tops.get(mark) ?? [0, 0];
    scrollTo(0, top);
    frame?.scrollTo(0, inner);
    const onScroll = () => tops.set(mark, [scrollY, frame?.scrollTop ?? 0]);
    addEventListener("scroll", onScroll, true);
    return () => removeEventListener("scroll", onScroll, true);
  }, [place]);
}

export function toSuite(name: string): string {
  return `#/suite/${encodeURIComponent(name)}`;
}

export function toCase(suite: string, id: string, repeat = 1): string {
  return `#/case/${encodeURIComponent(suite)}/${encodeURIComponent(id)}/${repeat}`;
}

export function toTrials(query: Record<string, string | undefined>): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== "");
  const text = new URLSearchParams(given).toString();
  return text ? `#/trials?${text}` : "#/trials";
}
