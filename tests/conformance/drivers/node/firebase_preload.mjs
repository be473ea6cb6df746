// Leads @firebase/ai, which has its host built in, to the local server. It is loaded before the
// client (node --import), which stays as it is.
const { host } = new URL(process.env.EMULATOR_URL);

globalThis.WebSocket = class extends globalThis.WebSocket {
  constructor(url, ...rest) {
    const wanted = new URL(url);
    if (wanted.hostname === "firebasevertexai.googleapis.com") wanted.host = host;
    super(wanted, ...rest);
  }
};
