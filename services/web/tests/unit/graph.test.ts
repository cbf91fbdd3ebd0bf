import { describe, expect, test } from 'vitest';
import type { Relatives, TaskDetail } from '../../src/lib/protocol';
import { graphOf, layoutOf, NODE_HEIGHT, type Graph } from '../../src/task/graph';
import { pace } from '../../src/lib/pace';
import { at, BEGIN, detail, relative } from './detail';

function around(relatives: Partial<Relatives>, fields: Partial<TaskDetail> = {}): Graph | null {
  const none = {
    ancestors: [],
    children: [],
    children_total: 0,
    group: [],
    group_total: 0,
    chord_body: null,
  };
  return graphOf(detail({ relatives: { ...none, ...relatives }, ...fields }), 12);
}

const ids = (graph: Graph | null): string[][] | undefined =>
  graph?.layers.map((layer) => layer.map(({ id }) => id));

describe('the graph', () => {
  test('of a task that stands alone is none', () => {
    expect(around({})).toBeNull();
  });

  test('of a retried task that names itself as its child is none', () => {
    expect(around({ children: [relative('self')], children_total: 1 })).toBeNull();
  });

  test('goes from the root over the task to its children', () => {
    const ancestors = [relative('parent'), relative('root')];
    const graph = around(
      { ancestors, children: [relative('a'), relative('b')], children_total: 2 },
      { parent_id: 'parent', root_id: 'root' },
    );
    expect(ids(graph)).toEqual([['root'], ['parent'], ['self'], ['a', 'b']]);
    expect(graph?.edges.map(({ from, to, direct }) => `${from}${direct ? '→' : '⇢'}${to}`)).toEqual([
      'root→parent',
      'parent→self',
      'self→a',
      'self→b',
    ]);
  });

  test('says where those between are not known', () => {
    const lost = around(
      { ancestors: [relative('parent', { retained: false }), relative('root')] },
      { parent_id: 'parent', root_id: 'root' },
    );
    expect(lost?.edges.map(({ direct }) => direct)).toEqual([false, true]);
    const alone = around({ ancestors: [relative('root')] }, { root_id: 'root' });
    expect(alone?.edges.map(({ direct }) => direct)).toEqual([false]);
  });

  test('leaves out what lies between the root and the nearest of many ancestors', () => {
    const ancestors = Array.from({ length: 9 }, (_, index) => relative(`${index}`));
    const graph = around({ ancestors }, { parent_id: '0', root_id: '8' });
    expect(ids(graph)).toEqual([['8'], ['2'], ['1'], ['0'], ['self']]);
    expect([graph?.more.ancestors, graph?.edges[0]?.direct]).toEqual([5, false]);
  });

  test('has the task in its place among its group, also where the group is large', () => {
    const group = Array.from({ length: 100 }, (_, index) => relative(index === 50 ? 'self' : `${index}`));
    const graph = around({ group, group_total: 400 });
    expect(graph?.layers[0]?.length).toBe(12);
    expect(ids(graph)?.[0]?.includes('self')).toBe(true);
    expect([graph?.group, graph?.more.group]).toEqual([true, 388]);
  });
});

describe('a chord', () => {
  const group = [relative('a'), relative('self'), relative('b')];
  const chord = { group, group_total: 3, chord_body: relative('body') };
  const edges = (graph: Graph | null) => graph?.edges.map(({ from, to, direct }) => [from, to, direct]);

  test('has its body behind the task that sent it', () => {
    const graph = around({ ...chord, children: [relative('body')], children_total: 1 });
    expect(ids(graph)).toEqual([['a', 'self', 'b'], ['body']]);
    expect(edges(graph)).toEqual([['self', 'body', true]]);
    expect([graph?.group, graph?.more.group, graph?.more.children]).toEqual([true, 0, 0]);
  });

  test('has its body also behind those of its header that did not send it', () => {
    const graph = around(chord);
    expect(ids(graph)).toEqual([['a', 'self', 'b'], ['body']]);
    expect(edges(graph)).toEqual([['self', 'body', false]]);
    expect([graph?.more.group, graph?.more.children]).toEqual([0, 0]);
  });

  test('of which one looks at the body has the task that sent it before it, and no group around it', () => {
    const header = [relative('a'), relative('last')];
    const graph = around(
      { group: header, group_total: 2, chord_body: relative('self'), ancestors: [relative('last')] },
      { parent_id: 'last', root_id: 'last' },
    );
    expect(ids(graph)).toEqual([['last'], ['self']]);
    expect([graph?.group, graph?.more.group]).toEqual([false, 0]);
  });
});

describe('its layout', () => {
  const graph = around(
    { ancestors: [relative('parent')], children: [relative('a'), relative('b')], children_total: 2 },
    { parent_id: 'parent' },
  );
  if (graph === null) throw new Error('there is a graph');

  test('stands side by side where there is room', () => {
    const { boxes, width } = layoutOf(graph, 900);
    expect(boxes.get('self')?.y).toBe(boxes.get('parent')?.y);
    expect(width).toBeLessThanOrEqual(900);
  });

  test('stands below each other where there is little, and nothing overlaps', () => {
    const { boxes, width, height } = layoutOf(graph, 340);
    const tops = [...boxes.values()].map(({ y }) => y);
    expect(tops.every((top, index) => index === 0 || top >= (tops[index - 1] ?? 0) + NODE_HEIGHT)).toBe(true);
    expect([width, height > Math.max(...tops) + NODE_HEIGHT]).toEqual([340, true]);
  });
});

test('a group that stands alone fills the width', () => {
  const group = Array.from({ length: 6 }, (_, index) => relative(index === 3 ? 'self' : `${index}`));
  const alone = around({ group, group_total: 6 });
  const layout = alone === null ? null : layoutOf(alone, 640);
  expect(new Set([...(layout?.boxes.values() ?? [])].map(({ y }) => y)).size).toBe(2);
  expect(layout?.frame?.width).toBeLessThanOrEqual(640);
});

describe('an open task is asked for', () => {
  const ended = { state: 'succeeded', group: 'finished', finished_at: at(0) } as const;
  const others = { ancestors: [], children_total: 1, group: [], group_total: 0, chord_body: null };

  test('each two seconds until a moment after its end, and no more', () => {
    expect([
      pace(detail(), BEGIN),
      pace(detail(ended), BEGIN + 1000),
      pace(detail(ended), BEGIN + 60_000),
    ]).toEqual([2, 2, null]);
  });

  test('less often while those around it go on', () => {
    const relatives = { ...others, children: [relative('a', { state: 'running' })] };
    expect(pace(detail({ ...ended, relatives }), BEGIN + 60_000)).toBe(5);
  });
});
