// Where the reader is: all of it in the address, so that every view can be linked to.
import { useEffect, useState } from "preact/hooks";

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
