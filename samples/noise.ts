// Seeded randomness of the sample pictures: a number generator and Perlin's gradient noise made from it.
// Promises: the same seed gives the same numbers on every machine (integer arithmetic, no Math.random).

/** Mulberry32: numbers from 0 (included) to 1 (excluded). Not for secrets. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Noise {
  /** Smooth noise from about -1 to 1 with features one unit wide. */
  at(x: number, y: number): number;
  /** `octaves` layers of it, each twice as fine and half as strong: clouds, haze, rough ground. */
  fractal(x: number, y: number, octaves: number): number;
  /** Layers folded at zero, from 0 to about 1, with sharp crests at 1: mountains. */
  ridged(x: number, y: number, octaves: number): number;
  /** A fixed random number from 0 to 1 for a cell of the integer grid. */
  cell(x: number, y: number): number;
}

const TABLE = 512;

export function noiseFrom(seed: number): Noise {
  const random = randomFrom(seed);
  const order = shuffled(TABLE, random);
  const gradientX = new Float32Array(TABLE);
  const gradientY = new Float32Array(TABLE);
  for (let i = 0; i < TABLE; i++) {
    const angle = random() * 2 * Math.PI;
    gradientX[i] = Math.cos(angle);
    gradientY[i] = Math.sin(angle);
  }

  const corner = (x: number, y: number): number => order[(order[x & (TABLE - 1)]! + y) & (TABLE - 1)]!;
  const pull = (cornerX: number, cornerY: number, dx: number, dy: number): number => {
    const i = corner(cornerX, cornerY);
    return gradientX[i]! * dx + gradientY[i]! * dy;
  };

  const at = (x: number, y: number): number => {
    const x0 = Math.floor(x);
    const y0 = Math.floor(y);
    const dx = x - x0;
    const dy = y - y0;
    const sx = fade(dx);
    const top = pull(x0, y0, dx, dy) * (1 - sx) + pull(x0 + 1, y0, dx - 1, dy) * sx;
    const bottom = pull(x0, y0 + 1, dx, dy - 1) * (1 - sx) + pull(x0 + 1, y0 + 1, dx - 1, dy - 1) * sx;
    return (top + (bottom - top) * fade(dy)) * 1.5;
  };

  const fractal = (x: number, y: number, octaves: number): number => {
    let sum = 0;
    for (let octave = 0, size = 1, strength = 0.5; octave < octaves; octave++, size *= 2, strength /= 2) {
      sum += at(x * size + octave * 17.3, y * size - octave * 9.1) * strength;
    }
    return sum;
  };

  const ridged = (x: number, y: number, octaves: number): number => {
    let sum = 0;
    let weight = 1;
    for (let octave = 0, size = 1, strength = 0.5; octave < octaves; octave++, size *= 2.03, strength /= 2) {
      const crest = 1 - Math.min(1, Math.abs(at(x * size + octave * 31.7, y * size + octave * 5.9)));
      const sharp = crest * crest;
      sum += sharp * strength * weight;
      weight = Math.min(1, sharp * 1.6); // fine detail on the crests, calm valleys
    }
    return sum;
  };

  return { at, fractal, ridged, cell: (x, y) => corner(x, y) / TABLE };
}

function fade(t: number): number {
  return t * t * t * (t * (t * 6 - 15) + 10);
}

function shuffled(length: number, random: () => number): Uint16Array {
  const order = Uint16Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
  return order;
}
