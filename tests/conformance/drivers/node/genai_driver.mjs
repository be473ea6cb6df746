// @google/genai, unmodified: pointed here by `httpOptions.baseUrl` and NODE_EXTRA_CA_CERTS.
import { GoogleGenAI, Modality, Type } from "@google/genai";
import { main, sleep } from "./driving.mjs";

// After the server closed, a connect() that has not settled by then never does.
const SETTLE_MS = 500;

class Session {
  handle;
  #events;
  #setup;
  #live;
  #closed;
  #showClosed;

  constructor(events, setup) {
    this.#events = events;
    this.#setup = setup;
    this.#closed = new Promise((resolve) => (this.#showClosed = resolve));
  }

  async open(ai, handle) {
    const connecting = ai.live.connect({
      model: this.#setup.model,
      config: config(this.#setup, handle),
      callbacks: {
        onmessage: (message) => this.#take(message),
        onclose: (event) => {
          this.#events.show("closed", { code: event.code, text: event.reason });
          this.#showClosed();
        },
        onerror: (event) => this.#events.show("error", { text: event.message }),
      },
    });
    const unsettled = this.#closed.then(() => sleep(SETTLE_MS));
    this.#live = await Promise.race([connecting, unsettled]);
    if (this.#live) return this;
    this.#events.show("unsettled", { call: "live.connect" });
    return null;
  }

  say(text) {
    this.#live.sendClientContent({ turns: [{ role: "user", parts: [{ text }] }] });
  }

  sendAudio(data) {
    this.#live.sendRealtimeInput({ audio: { data, mimeType: "audio/pcm;rate=16000" } });
  }

  activity(kind) {
    this.#live.sendRealtimeInput(kind === "start" ? { activityStart: {} } : { activityEnd: {} });
  }

  async close() {
    this.#live.close();
    await this.#closed;
  }

  #take(message) {
    const show = this.#events.show.bind(this.#events);
    if (message.setupComplete) show("setup_complete");
    const content = message.serverContent ?? {};
    if (content.inputTranscription) show("heard", { text: content.inputTranscription.text ?? "" });
    if (content.outputTranscription) show("said", { text: content.outputTranscription.text ?? "" });
    for (const part of content.modelTurn?.parts ?? []) {
      if (part.text) show("text", { text: part.text });
      if (part.inlineData) show("audio", { bytes: Buffer.from(part.inlineData.data, "base64").length });
    }
    if (content.interrupted) show("interrupted");
    if (content.generationComplete) show("generation_complete");
    if (content.turnComplete) show("turn_complete");
    for (const { id, name, args } of message.toolCall?.functionCalls ?? []) {
      show("tool_call", { name, args });
      const response = this.#setup.function.result;
      this.#live.sendToolResponse({ functionResponses: [{ id, name, response }] });
    }
    const usage = message.usageMetadata;
    if (usage) {
      const { promptTokenCount: prompt, responseTokenCount: response } = usage;
      show("usage", { prompt, response, total: usage.totalTokenCount });
    }
    const update = message.sessionResumptionUpdate;
    if (update?.resumable && update.newHandle) {
      this.handle = update.newHandle;
      show("handle");
    }
    if (message.goAway) show("go_away", { left_s: parseFloat(message.goAway.timeLeft) });
  }
}

/** The setup in the client's words. */
function config(setup, handle) {
  const wanted = { responseModalities: [Modality[setup.modality]] };
  if (setup.transcribe) {
    wanted.inputAudioTranscription = {};
    wanted.outputAudioTranscription = {};
  }
  if (setup.voice) {
    wanted.speechConfig = { voiceConfig: { prebuiltVoiceConfig: { voiceName: setup.voice } } };
  }
  if (setup.manual_activity) {
    wanted.realtimeInputConfig = { automaticActivityDetection: { disabled: true } };
  }
  if (setup.resume) {
    wanted.sessionResumption = setup.resume === "last" ? { handle } : {};
  }
  if (setup.function) {
    const { name, description, parameter } = setup.function;
    const properties = { [parameter]: { type: Type.STRING } };
    const parameters = { type: Type.OBJECT, properties };
    wanted.tools = [{ functionDeclarations: [{ name, description, parameters }] }];
  }
  return wanted;
}

await main((baseUrl, setup, handle, events) => {
  const ai = new GoogleGenAI({ apiKey: setup.api_key, httpOptions: { baseUrl } });
  return new Session(events, setup).open(ai, handle);
});
