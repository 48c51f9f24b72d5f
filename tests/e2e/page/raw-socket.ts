// A socket without the client: it sends what a test likes and remembers how it ended.

export interface Ending {
  code: number;
  reason: string;
}

const sockets = new Map<number, { socket: WebSocket; received: number; ending: Ending | null }>();

export async function open(url: string): Promise<number> {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const id = sockets.size;
  const state = { socket, received: 0, ending: null as Ending | null };
  sockets.set(id, state);
  socket.addEventListener("message", () => {
    state.received += 1;
  });
  socket.addEventListener("close", ({ code, reason }) => {
    state.ending = { code, reason };
  });
  await new Promise((done) => {
    socket.addEventListener("open", done);
    socket.addEventListener("close", done);
  });
  return id;
}

export function send(id: number, frame: number[] | string): void {
  sockets.get(id)?.socket.send(typeof frame === "string" ? frame : new Uint8Array(frame));
}

/** Sends `size` bytes of nothing; kept here so that they need not travel from the test to the page. */
export function flood(id: number, size: number): void {
  sockets.get(id)?.socket.send(new Uint8Array(size));
}

export function received(id: number): number {
  return sockets.get(id)?.received ?? 0;
}

export function ending(id: number): Ending | null {
  return sockets.get(id)?.ending ?? null;
}
