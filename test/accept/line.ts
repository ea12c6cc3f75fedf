// One line of an acceptance list: what is asked, how it is measured, what was reached.

export interface Row {
  readonly asked: string;
  readonly reached: string;
  readonly ok: boolean;
}

/** How large a run is: `full` is the acceptance list to the letter, `bounded` what every test run can afford. */
export type Scale = 'full' | 'bounded';

export interface Line {
  /** Place in the list, from 1. */
  readonly number: number;
  readonly title: string;
  measure(scale: Scale): Promise<readonly Row[]>;
}

/** A row whose figure must not be above a bound. */
export function atMost(asked: string, figure: number, bound: number, unit = ''): Row {
  return { asked: `${asked}: at most ${bound}${unit}`, reached: `${figure}${unit}`, ok: figure <= bound };
}

/** A row whose figure must be exact. */
export function exactly(asked: string, figure: number | string | boolean, wanted: number | string | boolean): Row {
  return { asked: `${asked}: ${wanted}`, reached: String(figure), ok: figure === wanted };
}
