// Sockets of accepted connections that read into one buffer of the process. A socket as node:net makes it gets fresh memory for every
// read and passes it through a stream's machinery: for heads of some hundred bytes that is more work than reading them.
// Promises: whoever takes the bytes has them for the length of the call only; pause, resume, end and errors are those of any socket.
// It leans on how node:net accepts (`onconnection` of a server's handle, `handle` and `onread` of a socket): where a version of Node
// does it another way, connections come as they always do, through the server.

import { type Server, Socket, type SocketConstructorOpts } from 'node:net';
import type { Bytes } from '../base/units.ts';

const READ_BYTES: Bytes = 64 * 1024;

/** The part of node:net's handle of a TCP connection that is used here. */
interface Handle {
  setNoDelay?(on: boolean): number;
  useUserBuffer?(buffer: Uint8Array): void;
}

interface ListeningHandle {
  onconnection?: (this: unknown, error: number, handle: Handle | undefined) => void;
}

export class LeanSocket extends Socket {
  /** Called with what came; the bytes are overwritten by the next read of any connection. */
  onBytes: ((bytes: Buffer) => void) | undefined;

  constructor(handle: Handle, buffer: Buffer<ArrayBuffer>, highWaterMark: Bytes) {
    const options = {
      handle,
      allowHalfOpen: true,
      readable: true,
      writable: true,
      writableHighWaterMark: highWaterMark,
      onread: {
        buffer,
        callback: (length: number): boolean => {
          this.onBytes?.(buffer.subarray(0, length));
          return true;
        },
      },
    };
    super(options as unknown as SocketConstructorOpts);
  }
}

/**
 * Lets a server that listens hand its connections to `accept` as lean sockets, with TCP_NODELAY, half-open allowed.
 * False when this Node does not work so: then nothing has changed.
 */
export function acceptLean(server: Server, highWaterMark: Bytes, accept: (socket: Socket) => void): boolean {
  const listening = (server as { readonly _handle?: ListeningHandle })._handle;
  const usual = listening?.onconnection;
  if (listening === undefined || typeof usual !== 'function') return false;
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  listening.onconnection = (error, handle) => {
    if (error !== 0 || typeof handle?.useUserBuffer !== 'function') {
      usual.call(listening, error, handle);
      return;
    }
    handle.setNoDelay?.(true);
    accept(new LeanSocket(handle, buffer, highWaterMark));
  };
  return true;
}
