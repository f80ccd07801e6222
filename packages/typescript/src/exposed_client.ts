/** The calls of a client that do not step: rendering, and what the environment exposes. */

import { type Dynamic, type DynamicMap, mapOf } from "./dynamic.js";
import { readDynamic } from "./dynamic_reader.js";
import { writeDynamic, writeDynamicList, writeDynamicMap } from "./dynamic_writer.js";
import { EnvClient } from "./env_client.js";
import { malformed } from "./errors.js";

/** A method of the environment, which `call` reaches; it has no value that could be sent. */
export const CALLABLE: unique symbol = Symbol("callable");

/** A client that renders and reaches what the environment exposes. */
export class ExposedClient extends EnvClient {
  /** What the environment's `render` returned, for these lanes of a vector; all if there are none. */
  protected async draw(lanes: readonly number[]): Promise<Dynamic> {
    const { frame } = await this.ask("render", { case: "render", value: { lanes: [...lanes] } });
    if (frame === undefined) {
      throw malformed("frame", "a frame", "none");
    }
    return readDynamic(frame, "frame");
  }

  /** Call an exposed method; the result is a tuple with one a lane for a vector. */
  async call(
    name: string,
    args: readonly Dynamic[] = [],
    kwargs: DynamicMap = mapOf({}),
  ): Promise<Dynamic> {
    const value = {
      name,
      args: writeDynamicList(args, "args"),
      kwargs: writeDynamicMap(kwargs, "kwargs"),
    };
    const { result } = await this.ask("call", { case: "call", value });
    if (result === undefined) {
      throw malformed("result", "a result", "none");
    }
    return readDynamic(result, "result");
  }

  /** The value of an exposed attribute, or `CALLABLE` if it is a method. */
  async getAttribute(name: string): Promise<Dynamic | typeof CALLABLE> {
    const asked = { case: "getAttribute", value: { name } } as const;
    const { value, callable } = await this.ask("getAttribute", asked);
    if (callable) {
      return CALLABLE;
    }
    if (value === undefined) {
      throw malformed("value", "a value", "none");
    }
    return readDynamic(value, "value");
  }

  /** Set an exposed attribute. */
  async setAttribute(name: string, value: Dynamic): Promise<void> {
    const asked = { name, value: writeDynamic(value, "value") };
    await this.ask("setAttribute", { case: "setAttribute", value: asked });
  }
}
