// Bytes as text, one character each: what heads are made of.

interface Sliced {
  latin1Slice?(from: number, to: number): string;
}

/** Node's own slice, without the look at the encoding's name that `toString` has every time. */
const slice = (Buffer.prototype as Sliced).latin1Slice;

export const latin1: (bytes: Buffer, from: number, to: number) => string =
  slice === undefined
    ? (bytes, from, to) => bytes.toString('latin1', from, to)
    : (bytes, from, to) => slice.call(bytes, from, to);
