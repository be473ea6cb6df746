// What the drivers on Node share: a JSON line in, its sessions driven, a JSON line out.
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";

/** What a client showed, in order, and a way to wait for more. */
export class Events {
  shown = [];
  #stepTimeoutMs;
  #lookedAt = 0;
  #wake = () => {};

  constructor(stepTimeoutS) {
    this.#stepTimeoutMs = 1000 * stepTimeoutS;
  }

  show(event, fields = {}) {
    this.shown.push({ event, ...fields });
    this.#wake();
  }

  /** Wait for the next event of this name; false: it does not come any more. */
  async until(event) {
    const deadline = Date.now() + this.#stepTimeoutMs;
    while (Date.now() < deadline) {
      while (this.#lookedAt < this.shown.length) {
        const name = this.shown[this.#lookedAt++].event;
        if ([event, "closed", "error"].includes(name)) return name === event;
      }
      const changed = new Promise((resolve) => (this.#wake = resolve));
      await Promise.race([changed, sleep(deadline - Date.now())]);
    }
    this.show("timed_out", { waiting_for: event });
    return false;
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** Pieces of that duration at 16 kHz, as base64. */
function* packets(pcm, packetMs) {
  for (let at = 0; at < pcm.length; at += 32 * packetMs) {
    yield pcm.subarray(at, at + 32 * packetMs).toString("base64");
  }
}

/**
 * Answer every line of standard input.
 * @param openSession (baseUrl, setup, handle, events) => session with say, sendAudio, activity,
 *   close and handle; null: the client did not open it, and said so in the events.
 */
export async function main(openSession) {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    const sessions = [];
    let handle;
    for (const setup of request.sessions) {
      const events = new Events(request.step_timeout_s);
      let session = null;
      try {
        const late = sleep(1000 * request.step_timeout_s).then(() => "late");
        session = await Promise.race([openSession(request.base_url, setup, handle, events), late]);
        if (session === "late") {
          session = null;
          events.show("timed_out", { waiting_for: "connection" });
        }
        for (const step of session ? setup.steps : []) {
          if (!(await act(session, step, events))) break;
        }
      } catch (error) {
        events.show("error", { text: `${error.name}: ${error.message}` });
      }
      handle = session?.handle ?? handle;
      await session?.close();
      sessions.push({ events: events.shown });
    }
    process.stdout.write(`${JSON.stringify({ sessions })}\n`);
  }
  process.exit(0); // a client may keep the process alive
}

async function act(session, step, events) {
  if (step.until) return events.until(step.until);
  if (step.say) {
    await session.say(step.say);
  } else if (step.speak) {
    for (const packet of packets(await readFile(step.speak), step.packet_ms)) {
      await session.sendAudio(packet);
    }
  } else {
    await session.activity(step.activity);
  }
  return true;
}
