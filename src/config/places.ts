// A YAML document as plain data, and where in the file each value stands. Works on the tree that the yaml library parsed.
// Promises: bounded (aliases are counted as what they stand for, so no short file becomes a long one; merge keys alike), keys are
// told apart from one another in linear time, `${…}` is expanded in values only.
// Refuses: keys that are no words, a key twice, aliases without an anchor, loops, tags.

import type { Path } from '../base/shapes.ts';

/** The parts of the library's nodes that are read here. */
export interface TreeNode {
  readonly kind: 'map' | 'list' | 'scalar' | 'alias' | 'none';
  /** Offset of the first character. */
  readonly start: number;
  readonly anchor?: string | undefined;
  readonly pairs?: readonly { readonly key: TreeNode; readonly value: TreeNode }[];
  readonly items?: readonly TreeNode[];
  /** Of a scalar: its value; of an alias: the name of the anchor. */
  readonly value?: unknown;
}

export interface Place {
  /** Offsets; a list's items have no key. */
  readonly key: number | undefined;
  readonly value: number;
  readonly holds: TreeNode['kind'];
}

export interface TreeFault {
  readonly path: Path;
  readonly offset: number;
  readonly message: string;
}

export interface PlainTree {
  readonly data: unknown;
  readonly places: ReadonlyMap<string, Place>;
  readonly faults: readonly TreeFault[];
}

const MOST_VALUES = 50_000;
const DEEPEST = 32;
const MERGE = '<<';

export const placeKey = (path: Path): string => path.join('\0');

/** @param text what becomes of a text: its expansion, or a fault */
export function plain(top: TreeNode, text: (raw: string) => { readonly text: string } | { readonly wrong: string }): PlainTree {
  const places = new Map<string, Place>();
  const faults: TreeFault[] = [];
  const anchors = new Map<string, TreeNode>();
  let values = 0;
  let full = false;

  const fault = (path: Path, offset: number, message: string): undefined => {
    if (!full) faults.push({ path, offset, message });
    return undefined;
  };

  /** The node itself, or what an alias stands for. */
  const resolved = (node: TreeNode, path: Path): TreeNode | undefined => {
    if (node.anchor !== undefined) anchors.set(node.anchor, node);
    if (node.kind !== 'alias') return node;
    const target = anchors.get(String(node.value));
    return target ?? fault(path, node.start, `no anchor &${String(node.value).slice(0, 40)} stands before this alias`);
  };

  const convert = (given: TreeNode, path: Path, key: number | undefined): unknown => {
    if (full) return undefined;
    values++;
    if (values > MOST_VALUES || path.length > DEEPEST) {
      fault(
        path.slice(0, 8),
        given.start,
        values > MOST_VALUES ? `has more than ${MOST_VALUES} values` : `is nested more than ${DEEPEST} deep`,
      );
      full = true;
      return undefined;
    }
    const node = resolved(given, path);
    // Where it is used is where it is mended: an alias has the place of the alias.
    places.set(placeKey(path), { key, value: given.start, holds: node?.kind ?? 'none' });
    if (node === undefined) return undefined;
    if (node.kind === 'map') return convertMap(node, path);
    if (node.kind === 'list') return (node.items ?? []).map((item, at) => convert(item, [...path, at], undefined));
    if (typeof node.value !== 'string') return node.value;
    const read = text(node.value);
    return 'text' in read ? read.text : fault(path, given.start, read.wrong);
  };

  const convertMap = (node: TreeNode, path: Path): Record<string, unknown> => {
    const map: Record<string, unknown> = Object.create(null);
    const merged: TreeNode[] = [];
    for (const { key, value } of node.pairs ?? []) {
      const name = key.kind === 'scalar' && typeof key.value !== 'object' ? String(key.value) : undefined;
      if (name === undefined) fault(path, key.start, 'a key is a word');
      else if (name === MERGE) merged.push(...mergeSources(value, path));
      else if (name in map) fault([...path, name], key.start, 'stands here twice');
      else map[name] = convert(value, [...path, name], key.start);
    }
    for (const source of merged) {
      for (const { key, value } of source.pairs ?? []) {
        const name = String(key.value);
        if (!(name in map)) map[name] = convert(value, [...path, name], key.start);
      }
    }
    return map;
  };

  const mergeSources = (value: TreeNode, path: Path): readonly TreeNode[] => {
    const all = (value.kind === 'list' ? (value.items ?? []) : [value]).map((each) => resolved(each, path));
    return all.filter((each) => {
      if (each !== undefined && each.kind !== 'map') fault(path, value.start, '<< takes keys and values, or a list of them');
      return each?.kind === 'map';
    }) as readonly TreeNode[];
  };

  const data = convert(top, [], undefined);
  return { data, places, faults };
}
