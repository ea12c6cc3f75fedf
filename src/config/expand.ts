// `${VAR}`, `${VAR:-default}` and `${file:/path}` in a text of the config; `$${` is a `${` that is meant.
// Promises: one pass, so what a variable holds is never expanded itself; bounded by the readers it is given.
// Refuses: a variable that is not set and has no default, an unclosed `${`, any other form.

export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file, or a sentence that says why it cannot be read. */
  readonly file: (path: string) => { readonly text: string } | string;
}

export type Expanded = { readonly text: string } | { readonly wrong: string };

// biome-ignore lint/suspicious/noTemplateCurlyInString: it speaks of just that
const UNCLOSED = 'a "${" has no "}" ("$${" is one that is meant)';
const PART = /(\$?)\$\{([^}]*)(\}?)/g;
const FORM = /^(?:file:(?<file>.+)|(?<name>[A-Za-z_][A-Za-z0-9_]*)(?<fallback>:-.*)?)$/s;

export function expand(text: string, sources: Sources): Expanded {
  if (!text.includes('${')) return { text };
  let wrong: string | undefined;
  const expanded = text.replace(PART, (whole: string, escaped: string, inner: string, close: string) => {
    if (escaped !== '') return whole.slice(1);
    const value = close === '' ? UNCLOSED : lookUp(inner, sources);
    if (typeof value === 'object') return value.text;
    wrong ??= value;
    return '';
  });
  return wrong === undefined ? { text: expanded } : { wrong };
}

function lookUp(inner: string, { env, file }: Sources): { readonly text: string } | string {
  const form = FORM.exec(inner)?.groups;
  if (form === undefined) return `"\${${inner.slice(0, 40)}}" is none of \${VAR}, \${VAR:-default}, \${file:/path}`;
  const { file: path, name = '', fallback } = form;
  if (path !== undefined) {
    const content = file(path);
    return typeof content === 'string' ? `${path}: ${content}` : { text: content.text.replace(/\r?\n$/, '') };
  }
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  // As in a shell, an empty variable has the default too.
  if (fallback !== undefined) return { text: value === undefined || value === '' ? fallback.slice(2) : value };
  return value === undefined ? `the variable ${name} is not set (\${${name}:-default} gives it a default)` : { text: value };
}
