// @firebase/ai, unmodified: led here by firebase_preload.mjs and NODE_EXTRA_CA_CERTS.
import { getAI, getLiveGenerativeModel, GoogleAIBackend, Schema } from "firebase/ai";
import { deleteApp, initializeApp } from "firebase/app";
import { main } from "./driving.mjs";

class Session {
  handle;
  #app;
  #events;
  #setup;
  #live;
  #receiving;

  constructor(events, setup) {
    this.#events = events;
    this.#setup = setup;
    const options = { apiKey: setup.api_key, projectId: "local", appId: "1:1:web:1" };
    this.#app = initializeApp(options, crypto.randomUUID());
  }

  async open(handle) {
    const ai = getAI(this.#app, { backend: new GoogleAIBackend() });
    const model = getLiveGenerativeModel(ai, parameters(this.#setup));
    const { resume } = this.#setup;
    this.#live = await model.connect(resume && (resume === "last" ? { handle } : {}));
    this.#receiving = this.#receive();
    return this;
  }

  say(text) {
    return this.#live.send(text);
  }

  sendAudio(data) {
    return this.#live.sendAudioRealtime({ data, mimeType: "audio/pcm" });
  }

  async close() {
    if (!this.#live.isClosed) await this.#live.close();
    await this.#receiving;
    await deleteApp(this.#app);
  }

  async #receive() {
    try {
      for await (const message of this.#live.receive()) await this.#take(message);
      this.#events.show("closed");
    } catch (error) {
      this.#events.show("error", { text: `${error.name}: ${error.message}` });
    }
  }

  async #take(message) {
    const show = this.#events.show.bind(this.#events);
    if (message.type === "toolCall") {
      for (const { id, name, args } of message.functionCalls) {
        show("tool_call", { name, args });
        const response = this.#setup.function.result;
        await this.#live.sendFunctionResponses([{ id, name, response }]);
      }
    } else if (message.type === "goingAwayNotice") {
      show("go_away", { left_s: message.timeLeft });
    } else if (message.type === "sessionResumptionUpdate") {
      if (message.resumable && message.newHandle) {
        this.handle = message.newHandle;
        show("handle");
      }
    } else if (message.type === "serverContent") {
      const { inputTranscription: heard, outputTranscription: said } = message;
      if (heard) show("heard", { text: heard.text ?? "" });
      if (said) show("said", { text: said.text ?? "" });
      for (const { text, inlineData } of message.modelTurn?.parts ?? []) {
        if (text) show("text", { text });
        if (inlineData) show("audio", { bytes: Buffer.from(inlineData.data, "base64").length });
      }
      if (message.interrupted) show("interrupted");
      if (message.turnComplete) show("turn_complete");
    }
  }
}

/** The setup in the client's words. */
function parameters(setup) {
  const generationConfig = { responseModalities: [setup.modality.toLowerCase()] };
  if (setup.transcribe) {
    generationConfig.inputAudioTranscription = {};
    generationConfig.outputAudioTranscription = {};
  }
  if (setup.voice) {
    const voiceConfig = { prebuiltVoiceConfig: { voiceName: setup.voice } };
    generationConfig.speechConfig = { voiceConfig };
  }
  const wanted = { model: setup.model, generationConfig };
  if (setup.function) {
    const { name, description, parameter } = setup.function;
    const parameters = Schema.object({ properties: { [parameter]: Schema.string() } });
    wanted.tools = [{ functionDeclarations: [{ name, description, parameters }] }];
  }
  return wanted;
}

await main((baseUrl, setup, handle, events) => new Session(events, setup).open(handle));
