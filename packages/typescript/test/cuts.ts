/** A proxy that cuts connections at a byte of the server's. */

import { once } from "node:events";
import net from "node:net";

export class Cutter {
  private left = Infinity;
  private instead: Uint8Array | undefined;
  private readonly sockets = new Set<net.Socket>();
  /** How many connections were cut. */
  cuts = 0;

  private constructor(private readonly listener: net.Server) {}

  /** Forward connections of the returned proxy's address to a port of this host. */
  static async before(port: number): Promise<Cutter> {
    const listener = net.createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const cutter = new Cutter(listener);
    listener.on("connection", (client: net.Socket) => cutter.forward(client, port));
    return cutter;
  }

  get address(): string {
    return `frames://127.0.0.1:${(this.listener.address() as net.AddressInfo).port}`;
  }

  private forward(client: net.Socket, port: number): void {
    const server = net.connect(port, "127.0.0.1");
    const ends = [client, server];
    ends.forEach((end) => {
      this.sockets.add(end);
      end.on("error", () => {});
      end.on("close", () => ends.forEach((other) => other.destroy()));
    });
    client.on("data", (chunk: Buffer) => server.write(chunk));
    server.on("data", (chunk: Buffer) => {
      if (this.instead !== undefined) {
        client.write(this.instead);
        this.instead = undefined;
        return;
      }
      client.write(chunk.subarray(0, this.left));
      this.left -= chunk.length;
      if (this.left <= 0) {
        this.left = Infinity;
        this.cut();
      }
    });
  }

  /** Cut every connection once the server has sent so many more bytes. */
  cutAfter(bytes: number): void {
    this.left = bytes;
  }

  /** Send these bytes instead of the server's next ones. */
  replaceBy(bytes: Uint8Array): void {
    this.instead = bytes;
  }

  /** Cut every connection now. */
  cut(): void {
    this.cuts++;
    this.sockets.forEach((socket) => socket.destroySoon());
    this.sockets.clear();
  }

  close(): void {
    this.listener.close();
    this.cut();
  }
}
