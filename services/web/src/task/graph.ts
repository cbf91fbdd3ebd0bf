/** The tasks around a task as a layered graph, and where its nodes stand. Lengths are pixels. */
import type { Relative, State, TaskDetail } from '../lib/protocol';

export type Role = 'root' | 'ancestor' | 'parent' | 'self' | 'sibling' | 'child';

export interface GraphNode {
  id: string;
  role: Role;
  name: string | null;
  state: State | null;
  /** Nothing is kept of it: it leads nowhere. */
  retained: boolean;
}

export interface GraphEdge {
  from: string;
  to: string;
  /** False: others, which are not known or not shown, may stand between. */
  direct: boolean;
}

export interface Graph {
  /** From the root on; the task stands alone in its layer, or among its group. */
  layers: GraphNode[][];
  edges: GraphEdge[];
  self: number;
  group: boolean;
  /** What is there and not drawn. */
  more: { ancestors: number; group: number; children: number };
}

/** Of ancestors the nearest are shown, and the root. */
const NEAREST = 3;

/** `most`: children, and members of the group. Null where the task stands alone. */
export function graphOf(task: TaskDetail, most: number): Graph | null {
  const { relatives } = task;
  const line = ancestry(task);
  const own: GraphNode = { id: task.id, role: 'self', name: task.name, state: task.state, retained: true };
  const before = new Set([task.id, ...relatives.ancestors.map(({ id }) => id)]);
  const children = relatives.children.filter(({ id }) => !before.has(id));
  const body = bodyOf(task, children);
  const others =
    relatives.chord_body?.id === task.id ? [] : relatives.group.filter(({ id }) => !before.has(id));
  if (line.shown.length === 0 && others.length === 0 && children.length + body.length === 0) return null;
  const group = groupOf(task, own, others.slice(0, most - 1));
  const shown = [...children.slice(0, most), ...body].map((each) => node(each, 'child'));
  return {
    layers: [...line.shown.map((each) => [each]), group, ...(shown.length > 0 ? [shown] : [])],
    edges: [
      ...chain(task, [...line.shown, own], line.left),
      ...shown.map(({ id }) => edge(task.id, id, !body.some((each) => each.id === id))),
    ],
    self: line.shown.length,
    group: others.length > 0,
    more: {
      ancestors: line.left,
      group: left(relatives.group_total, relatives.group.length, others.length + 1 - group.length),
      children: left(
        relatives.children_total,
        relatives.children.length,
        children.length + body.length - shown.length,
      ),
    },
  };
}

/** The body of the task's chord, if another of its header sent it. */
function bodyOf(task: TaskDetail, children: readonly Relative[]): Relative[] {
  const body = task.relatives.chord_body;
  return body === null || body.id === task.id || children.some(({ id }) => id === body.id) ? [] : [body];
}

/** What the api did not name, and what is named and not drawn. */
function left(total: number, named: number, hidden: number): number {
  return Math.max(0, total - named) + Math.max(0, hidden);
}

/** The root first. Where there are many, those between the root and the nearest are left out. */
function ancestry(task: TaskDetail): { shown: GraphNode[]; left: number } {
  const { ancestors } = task.relatives;
  const nodes = ancestors
    .map((each, index) => node(each, roleOf(task, each, index)))
    .filter(({ id }) => id !== task.id)
    .reverse();
  const left = Math.max(0, nodes.length - NEAREST - 1);
  return { shown: left === 0 ? nodes : [...nodes.slice(0, 1), ...nodes.slice(-NEAREST)], left };
}

function roleOf(task: TaskDetail, { id }: Relative, index: number): Role {
  if (id === task.parent_id) return 'parent';
  return id === task.root_id ? 'root' : index === 0 ? 'parent' : 'ancestor';
}

/** The task in its place among those of its group that are shown. */
function groupOf(task: TaskDetail, own: GraphNode, others: readonly Relative[]): GraphNode[] {
  const place = task.relatives.group.findIndex(({ id }) => id === task.id);
  const shown = others.map((each) => node(each, 'sibling'));
  return shown.toSpliced(place < 0 ? 0 : Math.min(place, shown.length), 0, own);
}

function chain(task: TaskDetail, line: readonly GraphNode[], left: number): GraphEdge[] {
  return line.slice(1).map((to, index) => {
    const from = line[index] ?? to;
    const gap = (left > 0 && index === 0) || !to.retained;
    const unsure = to.id === task.id && from.id !== task.parent_id;
    return edge(from.id, to.id, !gap && !unsure);
  });
}

function edge(from: string, to: string, direct = true): GraphEdge {
  return { from, to, direct };
}

function node({ id, name, state, retained }: Relative, role: Role): GraphNode {
  return { id, role, name, state, retained };
}

export interface Box {
  x: number;
  y: number;
  width: number;
}

export interface Layout {
  boxes: Map<string, Box>;
  /** Of an edge, as a path. */
  path: (edge: GraphEdge) => string;
  /** Around the group; null where there is none. */
  frame: (Box & { height: number }) | null;
  width: number;
  height: number;
}

export const NODE_HEIGHT = 44;
const ROW_GAP = 8;
const LAYER_GAP = 36;
const INDENT = 22;
const PAD = 7;
const NARROWEST = 150;
const WIDEST = 250;

/** Beside each other where `available` allows it, else below each other. */
export function layoutOf(graph: Graph, available: number): Layout {
  const count = graph.layers.length;
  if (count === 1) return beside(graph, available);
  const width = Math.floor(Math.min(WIDEST, (available - 2 * PAD - (count - 1) * LAYER_GAP) / count));
  return width >= NARROWEST ? across(graph, width) : down(graph, Math.max(available, NARROWEST));
}

/** A group that stands alone fills the width. */
function beside(graph: Graph, available: number): Layout {
  const [layer = []] = graph.layers;
  const columns = Math.max(1, Math.floor((available - 2 * PAD + ROW_GAP) / (190 + ROW_GAP)));
  const width = Math.min(WIDEST, (available - 2 * PAD + ROW_GAP) / columns - ROW_GAP);
  const boxes = new Map(
    layer.map(({ id }, index) => {
      const [column, row] = [index % columns, Math.floor(index / columns)];
      return [id, { x: PAD + column * (width + ROW_GAP), y: PAD + row * (NODE_HEIGHT + ROW_GAP), width }];
    }),
  );
  const height = Math.ceil(layer.length / columns) * (NODE_HEIGHT + ROW_GAP) - ROW_GAP + 2 * PAD;
  return { boxes, path: () => '', frame: frameOf(graph, boxes), width: available, height };
}

function across(graph: Graph, width: number): Layout {
  const tallest = Math.max(...graph.layers.map((layer) => layer.length));
  const height = tallest * (NODE_HEIGHT + ROW_GAP) - ROW_GAP + 2 * PAD;
  const boxes = new Map<string, Box>();
  for (const [index, layer] of graph.layers.entries()) {
    const top = (height - layer.length * (NODE_HEIGHT + ROW_GAP) + ROW_GAP) / 2;
    for (const [row, { id }] of layer.entries())
      boxes.set(id, { x: PAD + index * (width + LAYER_GAP), y: top + row * (NODE_HEIGHT + ROW_GAP), width });
  }
  const whole = 2 * PAD + graph.layers.length * (width + LAYER_GAP) - LAYER_GAP;
  return { boxes, path: (each) => curve(boxes, each), frame: frameOf(graph, boxes), width: whole, height };
}

function down(graph: Graph, available: number): Layout {
  const boxes = new Map<string, Box>();
  let y = PAD;
  for (const [index, layer] of graph.layers.entries()) {
    // The task stands last in its layer: its children hang below it.
    const ordered = layer.toSorted((a, b) => Number(a.role === 'self') - Number(b.role === 'self'));
    for (const { id } of ordered) {
      const x = PAD + index * INDENT;
      boxes.set(id, { x, y, width: Math.max(NARROWEST, Math.min(WIDEST * 1.4, available - PAD - x)) });
      y += NODE_HEIGHT + ROW_GAP;
    }
    if (index === graph.self && graph.group) y += PAD;
  }
  return {
    boxes,
    path: (each) => elbow(boxes, each),
    frame: frameOf(graph, boxes),
    width: available,
    height: y - ROW_GAP + PAD,
  };
}

function frameOf(graph: Graph, boxes: ReadonlyMap<string, Box>): Layout['frame'] {
  const own = (graph.layers[graph.self] ?? []).flatMap(({ id }) => boxes.get(id) ?? []);
  const [first] = own;
  if (!graph.group || first === undefined) return null;
  const top = Math.min(...own.map(({ y }) => y)) - PAD + 1;
  const bottom = Math.max(...own.map(({ y }) => y)) + NODE_HEIGHT + PAD - 1;
  const right = Math.max(...own.map(({ x, width }) => x + width)) + PAD - 1;
  const left = first.x - PAD + 1;
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function curve(boxes: ReadonlyMap<string, Box>, { from, to }: GraphEdge): string {
  const [a, b] = [boxes.get(from), boxes.get(to)];
  if (a === undefined || b === undefined) return '';
  const [x1, y1, x2, y2] = [a.x + a.width, a.y + NODE_HEIGHT / 2, b.x, b.y + NODE_HEIGHT / 2];
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}

function elbow(boxes: ReadonlyMap<string, Box>, { from, to }: GraphEdge): string {
  const [a, b] = [boxes.get(from), boxes.get(to)];
  return a === undefined || b === undefined
    ? ''
    : `M${a.x + 11} ${a.y + NODE_HEIGHT}V${b.y + NODE_HEIGHT / 2}H${b.x}`;
}
