import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.genai.AsyncSession;
import com.google.genai.Client;
import com.google.genai.types.*;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;

/**
 * The driver of com.google.genai, unmodified: pointed here by HttpOptions.baseUrl and a trust store.
 * A JSON line in, its sessions driven, a JSON line out.
 */
public final class Driver {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JsonNode request = JSON.readTree(line);
      List<Object> sessions = new ArrayList<>();
      String handle = "";
      for (JsonNode setup : request.get("sessions")) {
        Events events = new Events(request.get("step_timeout_s").asDouble());
        handle = drive(request.get("base_url").asText(), setup, handle, events);
        sessions.add(Map.of("events", events.shown()));
      }
      System.out.println(JSON.writeValueAsString(Map.of("sessions", sessions)));
    }
    System.exit(0); // the client's threads would keep the process alive
  }

  /** Drives one session; returns its last handle, or that of the one before. */
  private static String drive(String baseUrl, JsonNode setup, String handle, Events events) {
    ClosesInTheLog log = new ClosesInTheLog(events);
    Logger.getLogger("com.google.genai.AsyncLive").addHandler(log);
    Client client =
        Client.builder()
            .apiKey(setup.get("api_key").asText())
            .httpOptions(HttpOptions.builder().baseUrl(baseUrl).build())
            .build();
    try {
      CompletableFuture<AsyncSession> connecting =
          client.async.live.connect(setup.get("model").asText(), config(setup, handle));
      connecting.whenComplete((session, error) -> events.show("settled", Map.of()));
      if (!events.until("settled")) {
        events.show("unsettled", Map.of("call", "live.connect"));
        return handle;
      }
      Session session = new Session(connecting.get(), setup, events);
      session.act();
      session.close();
      return session.handle.isEmpty() ? handle : session.handle;
    } catch (ExecutionException error) {
      events.show("error", Map.of("text", String.valueOf(error.getCause())));
    } catch (Exception error) {
      events.show("error", Map.of("text", String.valueOf(error)));
    } finally {
      Logger.getLogger("com.google.genai.AsyncLive").removeHandler(log);
    }
    return handle;
  }

  /** The setup in the client's words. */
  private static LiveConnectConfig config(JsonNode setup, String handle) {
    LiveConnectConfig.Builder wanted = LiveConnectConfig.builder();
    wanted.responseModalities(setup.get("modality").asText());
    if (setup.has("transcribe")) {
      wanted.inputAudioTranscription(AudioTranscriptionConfig.builder());
      wanted.outputAudioTranscription(AudioTranscriptionConfig.builder());
    }
    if (setup.has("voice")) {
      PrebuiltVoiceConfig.Builder prebuilt =
          PrebuiltVoiceConfig.builder().voiceName(setup.get("voice").asText());
      VoiceConfig.Builder voice = VoiceConfig.builder().prebuiltVoiceConfig(prebuilt);
      wanted.speechConfig(SpeechConfig.builder().voiceConfig(voice));
    }
    if (setup.has("manual_activity")) {
      wanted.realtimeInputConfig(
          RealtimeInputConfig.builder()
              .automaticActivityDetection(AutomaticActivityDetection.builder().disabled(true)));
    }
    if (setup.has("resume")) {
      SessionResumptionConfig.Builder resumption = SessionResumptionConfig.builder();
      if (setup.get("resume").asText().equals("last")) {
        resumption.handle(handle);
      }
      wanted.sessionResumption(resumption);
    }
    if (setup.has("function")) {
      JsonNode function = setup.get("function");
      Schema parameter = Schema.builder().type(Type.Known.STRING).build();
      Schema.Builder parameters =
          Schema.builder()
              .type(Type.Known.OBJECT)
              .properties(Map.of(function.get("parameter").asText(), parameter));
      wanted.tools(
          Tool.builder()
              .functionDeclarations(
                  FunctionDeclaration.builder()
                      .name(function.get("name").asText())
                      .description(function.get("description").asText())
                      .parameters(parameters)));
    }
    return wanted.build();
  }

  /** One session of the client; the client's own thread receives. */
  private static final class Session {
    private final AsyncSession live;
    private final JsonNode setup;
    private final Events events;
    volatile String handle = "";

    Session(AsyncSession live, JsonNode setup, Events events) {
      this.live = live;
      this.setup = setup;
      this.events = events;
      events.show("setup_complete", Map.of());
      live.receive(this::take);
    }

    void act() throws Exception {
      for (JsonNode step : setup.get("steps")) {
        if (step.has("until")) {
          if (!events.until(step.get("until").asText())) {
            return;
          }
        } else if (step.has("say")) {
          Content turn = Content.fromParts(Part.fromText(step.get("say").asText()));
          live.sendClientContent(
                  LiveSendClientContentParameters.builder().turns(turn).turnComplete(true).build())
              .get();
        } else if (step.has("speak")) {
          speak(Path.of(step.get("speak").asText()), 32 * step.get("packet_ms").asInt());
        } else if (step.get("activity").asText().equals("start")) {
          ActivityStart start = ActivityStart.builder().build();
          send(LiveSendRealtimeInputParameters.builder().activityStart(start));
        } else {
          ActivityEnd end = ActivityEnd.builder().build();
          send(LiveSendRealtimeInputParameters.builder().activityEnd(end));
        }
      }
    }

    void close() throws Exception {
      live.close().get();
    }

    private void speak(Path file, int packetBytes) throws Exception {
      byte[] pcm = Files.readAllBytes(file);
      for (int at = 0; at < pcm.length; at += packetBytes) {
        byte[] packet = Arrays.copyOfRange(pcm, at, Math.min(at + packetBytes, pcm.length));
        Blob.Builder audio = Blob.builder().data(packet).mimeType("audio/pcm;rate=16000");
        send(LiveSendRealtimeInputParameters.builder().audio(audio));
      }
    }

    private void send(LiveSendRealtimeInputParameters.Builder input) throws Exception {
      live.sendRealtimeInput(input.build()).get();
    }

    private void take(LiveServerMessage message) {
      message
          .toolCall()
          .flatMap(LiveServerToolCall::functionCalls)
          .ifPresent(calls -> calls.forEach(this::answer));
      message
          .usageMetadata()
          .ifPresent(
              usage ->
                  events.show(
                      "usage",
                      Map.of(
                          "prompt", usage.promptTokenCount().orElse(0),
                          "response", usage.responseTokenCount().orElse(0),
                          "total", usage.totalTokenCount().orElse(0))));
      message
          .sessionResumptionUpdate()
          .filter(update -> update.resumable().orElse(false))
          .flatMap(LiveServerSessionResumptionUpdate::newHandle)
          .ifPresent(
              given -> {
                handle = given;
                events.show("handle", Map.of());
              });
      message
          .goAway()
          .flatMap(LiveServerGoAway::timeLeft)
          .ifPresent(left -> events.show("go_away", Map.of("left_s", left.toMillis() / 1000.0)));
      // Last: at the end of a turn the scenario may end, and this is a thread of its own.
      message.serverContent().ifPresent(this::takeContent);
    }

    private void takeContent(LiveServerContent content) {
      content.inputTranscription().ifPresent(heard -> showText("heard", heard.text().orElse("")));
      content.outputTranscription().ifPresent(said -> showText("said", said.text().orElse("")));
      content
          .modelTurn()
          .flatMap(Content::parts)
          .ifPresent(parts -> parts.forEach(this::takePart));
      showIf("interrupted", content.interrupted().orElse(false));
      showIf("generation_complete", content.generationComplete().orElse(false));
      showIf("turn_complete", content.turnComplete().orElse(false));
    }

    private void takePart(Part part) {
      part.text().ifPresent(text -> showText("text", text));
      part.inlineData()
          .flatMap(Blob::data)
          .ifPresent(data -> events.show("audio", Map.of("bytes", data.length)));
    }

    private void answer(FunctionCall call) {
      String name = call.name().orElse("");
      events.show("tool_call", Map.of("name", name, "args", call.args().orElse(Map.of())));
      @SuppressWarnings("unchecked")
      Map<String, Object> result = JSON.convertValue(setup.at("/function/result"), Map.class);
      FunctionResponse.Builder response =
          FunctionResponse.builder().id(call.id().orElse("")).name(name).response(result);
      live.sendToolResponse(
          LiveSendToolResponseParameters.builder().functionResponses(response).build());
    }

    private void showText(String event, String text) {
      events.show(event, Map.of("text", text));
    }

    private void showIf(String event, boolean shown) {
      if (shown) {
        events.show(event, Map.of());
      }
    }
  }

  /** Shows what the client logs about closes: it tells nobody else. */
  private static final class ClosesInTheLog extends Handler {
    private final Events events;

    ClosesInTheLog(Events events) {
      this.events = events;
    }

    @Override
    public void publish(LogRecord record) {
      String message = new SimpleFormatter().formatMessage(record);
      if (message.startsWith("Live session clos")) {
        events.show("logged", Map.of("text", message));
      }
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }

  /** What the client showed, in order, and a way to wait for more. */
  private static final class Events {
    // After a close was logged, what has not been shown by then never is.
    private static final long AFTER_CLOSE_NS = 500_000_000L;
    private final List<Map<String, Object>> shown = new ArrayList<>();
    private final double stepTimeoutS;
    private int lookedAt = 0;

    Events(double stepTimeoutS) {
      this.stepTimeoutS = stepTimeoutS;
    }

    synchronized void show(String event, Map<String, Object> fields) {
      Map<String, Object> shownEvent = new TreeMap<>(fields);
      shownEvent.put("event", event);
      shown.add(shownEvent);
      notifyAll();
    }

    synchronized List<Map<String, Object>> shown() {
      return new ArrayList<>(shown);
    }

    /** Waits for the next event of this name; false: it does not come any more. */
    synchronized boolean until(String event) throws InterruptedException {
      long deadline = System.nanoTime() + (long) (stepTimeoutS * 1e9);
      while (true) {
        while (lookedAt < shown.size()) {
          Object name = shown.get(lookedAt++).get("event");
          if (name.equals(event) || name.equals("error")) {
            return name.equals(event);
          }
          if (name.equals("logged")) {
            deadline = Math.min(deadline, System.nanoTime() + AFTER_CLOSE_NS);
          }
        }
        long leftMs = (deadline - System.nanoTime()) / 1_000_000;
        if (leftMs <= 0) {
          show("timed_out", Map.of("waiting_for", event));
          return false;
        }
        wait(leftMs);
      }
    }
  }
}
