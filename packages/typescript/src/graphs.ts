/** Graphs: flags, counts and links, then the features of nodes and edges (V-10, V-11). */

import { checkStacks, isArray, split } from "./containers.js";
import { invalidValue } from "./errors.js";
import { checkPlace, int32Slab, int32sOf, type Plan, type SlabReader } from "./slabs.js";
import { sum, uint32Slab } from "./slabs.js";
import { describe, type GraphValue, isObject, type Value } from "./values.js";

const FEATURES = 1;
const LINKS = 2;

/** The sizes of one graph, which the first three slabs have. */
interface Counts {
  readonly flags: number;
  readonly nodes: number;
  readonly edges: number;
}

type Link = readonly [number, number];

/** A Graph. */
export class GraphPlan implements Plan {
  readonly parts = 1;
  readonly free = 0;

  /** @param edges The plan of the edge space; null if the space has none. */
  constructor(
    private readonly nodes: Plan,
    private readonly edges: Plan | null,
    private readonly path: string,
  ) {}

  encode(values: readonly Value[], slabs: Uint8Array[]): void {
    checkPlace(values.length, this.path);
    const graphs = values.map((value) => this.graph(value));
    const counts = graphs.map((graph) => this.countsOf(graph));
    this.check(counts);
    graphs.forEach((graph) => this.checkLinks(graph.edgeLinks ?? [], graph.nodes.length));
    slabs.push(
      Uint8Array.from(counts, ({ flags }) => flags),
      uint32Slab(counts.map(({ nodes }) => nodes)),
      uint32Slab(counts.map(({ edges }) => edges)),
      int32Slab(graphs.flatMap((graph) => (graph.edgeLinks ?? []).flat())),
    );
    this.nodes.encode(
      graphs.flatMap((graph) => graph.nodes),
      slabs,
    );
    this.edges?.encode(
      graphs.flatMap((graph) => graph.edges ?? []),
      slabs,
    );
  }

  private graph(value: Value): GraphValue {
    if (!isGraph(value)) {
      const expected = "an object { nodes, edges, edgeLinks }";
      throw invalidValue(this.path, expected, describe(value));
    }
    return value;
  }

  private countsOf({ nodes, edges, edgeLinks }: GraphValue): Counts {
    if (edges !== null && edgeLinks !== null && edges.length !== edgeLinks.length) {
      const found = `${edges.length} and ${edgeLinks.length}`;
      throw invalidValue(this.path, "as many edges as edge links", found);
    }
    const flags = (edges === null ? 0 : FEATURES) + (edgeLinks === null ? 0 : LINKS);
    return { flags, nodes: nodes.length, edges: (edges ?? edgeLinks ?? []).length };
  }

  decode(slabs: SlabReader, n: number): Value[] {
    checkPlace(n, this.path);
    const flags = slabs.take(n, this.path);
    const nodeCounts = slabs.uint32s(n, this.path);
    const edgeCounts = slabs.uint32s(n, this.path);
    const counts = Array.from(flags, (flag, at): Counts => {
      return { flags: flag, nodes: nodeCounts[at] ?? 0, edges: edgeCounts[at] ?? 0 };
    });
    this.check(counts);
    const links = this.takeLinks(slabs, counts);
    checkStacks(slabs, this.nodes, nodeCounts, this.path);
    const nodes = split(this.nodes.decode(slabs, sum(nodeCounts)), nodeCounts);
    const featured = counts.map((graph) => (graph.flags & FEATURES ? graph.edges : 0));
    if (this.edges !== null) {
      const stacks = featured.filter((_, at) => (counts[at]?.flags ?? 0) & FEATURES);
      checkStacks(slabs, this.edges, stacks, this.path);
    }
    const edges = split(this.edges?.decode(slabs, sum(featured)) ?? [], featured);
    return counts.map((graph, at): GraphValue => ({
      nodes: nodes[at] ?? [],
      edges: graph.flags & FEATURES ? (edges[at] ?? []) : null,
      edgeLinks: graph.flags & LINKS ? (links[at] ?? []) : null,
    }));
  }

  /** The links of each graph, none if it has no links. */
  private takeLinks(slabs: SlabReader, counts: readonly Counts[]): Link[][] {
    const linked = counts.map((graph) => (graph.flags & LINKS ? graph.edges : 0));
    const ends = int32sOf(slabs.take(8 * sum(linked), `${this.path}.edge_links`));
    const pairs = Array.from({ length: ends.length / 2 }, (_, at): Link => {
      return [ends[2 * at] ?? -1, ends[2 * at + 1] ?? -1];
    });
    const links = split(pairs, linked);
    links.forEach((own, at) => this.checkLinks(own, counts[at]?.nodes ?? 0));
    return links;
  }

  private check(counts: readonly Counts[]): void {
    for (const { flags, edges } of counts) {
      if (flags > (FEATURES | LINKS)) {
        throw invalidValue(this.path, "flags of bits 0 and 1", String(flags));
      }
      if (this.edges === null && (edges > 0 || flags & FEATURES)) {
        throw invalidValue(this.path, "no edges without an edge space", `${edges}, flags ${flags}`);
      }
      if (edges > 0 && flags === 0) {
        throw invalidValue(this.path, "no edges without features or links", String(edges));
      }
    }
    checkPlace(sum(counts.map(({ edges }) => edges)), this.path);
  }

  /** Check that every end is a node of its own graph (V-11). */
  private checkLinks(links: readonly Link[], nodes: number): void {
    const isNode = (end: number) => Number.isInteger(end) && end >= 0 && end < nodes;
    const bad = links.find((link) => link.length !== 2 || !link.every(isNode));
    if (bad !== undefined) {
      throw invalidValue(`${this.path}.edge_links`, `two of ${nodes} nodes`, `[${bad}]`);
    }
  }
}

function isGraph(value: Value): value is GraphValue {
  const orNull = (part: unknown) => part === null || isArray(part);
  return (
    isObject(value) &&
    "nodes" in value &&
    isArray(value.nodes) &&
    orNull(value.edges) &&
    orNull(value.edgeLinks)
  );
}
