// The driver of google.golang.org/genai, unmodified: pointed here by HTTPOptions.BaseURL and
// SSL_CERT_FILE. A JSON line in, its sessions driven, a JSON line out.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/genai"
)

type request struct {
	BaseURL      string  `json:"base_url"`
	StepTimeoutS float64 `json:"step_timeout_s"`
	Sessions     []setup `json:"sessions"`
}

type setup struct {
	APIKey         string    `json:"api_key"`
	Model          string    `json:"model"`
	Modality       string    `json:"modality"`
	Transcribe     bool      `json:"transcribe"`
	Voice          string    `json:"voice"`
	ManualActivity bool      `json:"manual_activity"`
	Resume         string    `json:"resume"`
	Function       *function `json:"function"`
	Steps          []step    `json:"steps"`
}

type function struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Parameter   string         `json:"parameter"`
	Result      map[string]any `json:"result"`
}

type step struct {
	Say      string `json:"say"`
	Speak    string `json:"speak"`
	PacketMs int    `json:"packet_ms"`
	Activity string `json:"activity"`
	Until    string `json:"until"`
}

type fields map[string]any

// events is what the client showed, in order, and a way to wait for more.
type events struct {
	mutex    sync.Mutex
	shown    []fields
	lookedAt int
	more     chan struct{}
	timeout  time.Duration
}

func newEvents(timeout time.Duration) *events {
	return &events{shown: []fields{}, more: make(chan struct{}, 1), timeout: timeout}
}

func (e *events) show(event string, more fields) {
	shown := fields{"event": event}
	for name, value := range more {
		shown[name] = value
	}
	e.mutex.Lock()
	e.shown = append(e.shown, shown)
	e.mutex.Unlock()
	select {
	case e.more <- struct{}{}:
	default:
	}
}

func (e *events) next() (string, bool) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.lookedAt == len(e.shown) {
		return "", false
	}
	e.lookedAt++
	return e.shown[e.lookedAt-1]["event"].(string), true
}

// until waits for the next event of this name; false: it does not come any more.
func (e *events) until(event string) bool {
	deadline := time.After(e.timeout)
	for {
		for name, ok := e.next(); ok; name, ok = e.next() {
			if name == event || name == "closed" || name == "error" {
				return name == event
			}
		}
		select {
		case <-e.more:
		case <-deadline:
			e.show("timed_out", fields{"waiting_for": event})
			return false
		}
	}
}

// session is one session of the client; one goroutine sends, another receives.
type session struct {
	live    *genai.Session
	setup   setup
	events  *events
	sending sync.Mutex
	handle  string
	done    chan struct{}
}

func drive(request request) any {
	answers := []any{}
	handle := ""
	for _, setup := range request.Sessions {
		events := newEvents(time.Duration(request.StepTimeoutS * float64(time.Second)))
		session, err := open(request.BaseURL, setup, handle, events)
		if err != nil {
			events.show("error", fields{"text": err.Error()})
		} else {
			if err := session.act(); err != nil {
				events.show("error", fields{"text": err.Error()})
			}
			session.live.Close()
			<-session.done
			if session.handle != "" {
				handle = session.handle
			}
		}
		answers = append(answers, fields{"events": events.shown})
	}
	return fields{"sessions": answers}
}

func open(baseURL string, setup setup, handle string, events *events) (*session, error) {
	background := context.Background()
	client, err := genai.NewClient(background, &genai.ClientConfig{
		APIKey:      setup.APIKey,
		Backend:     genai.BackendGeminiAPI,
		HTTPOptions: genai.HTTPOptions{BaseURL: baseURL, APIVersion: "v1beta"},
	})
	if err != nil {
		return nil, err
	}
	live, err := client.Live.Connect(background, setup.Model, config(setup, handle))
	if err != nil {
		return nil, err
	}
	session := &session{live: live, setup: setup, events: events, done: make(chan struct{})}
	go session.receive()
	return session, nil
}

// config is the setup in the client's words.
func config(setup setup, handle string) *genai.LiveConnectConfig {
	wanted := &genai.LiveConnectConfig{
		ResponseModalities: []genai.Modality{genai.Modality(setup.Modality)},
	}
	if setup.Transcribe {
		wanted.InputAudioTranscription = &genai.AudioTranscriptionConfig{}
		wanted.OutputAudioTranscription = &genai.AudioTranscriptionConfig{}
	}
	if setup.Voice != "" {
		prebuilt := &genai.PrebuiltVoiceConfig{VoiceName: setup.Voice}
		voice := &genai.VoiceConfig{PrebuiltVoiceConfig: prebuilt}
		wanted.SpeechConfig = &genai.SpeechConfig{VoiceConfig: voice}
	}
	if setup.ManualActivity {
		detection := &genai.AutomaticActivityDetection{Disabled: true}
		wanted.RealtimeInputConfig = &genai.RealtimeInputConfig{AutomaticActivityDetection: detection}
	}
	switch setup.Resume {
	case "new":
		wanted.SessionResumption = &genai.SessionResumptionConfig{}
	case "last":
		wanted.SessionResumption = &genai.SessionResumptionConfig{Handle: handle}
	}
	if function := setup.Function; function != nil {
		parameters := &genai.Schema{
			Type:       genai.TypeObject,
			Properties: map[string]*genai.Schema{function.Parameter: {Type: genai.TypeString}},
		}
		wanted.Tools = []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{
			Name:        function.Name,
			Description: function.Description,
			Parameters:  parameters,
		}}}}
	}
	return wanted
}

func (s *session) act() error {
	for _, step := range s.setup.Steps {
		var err error
		switch {
		case step.Until != "":
			if !s.events.until(step.Until) {
				return nil
			}
		case step.Say != "":
			turns := []*genai.Content{genai.NewContentFromText(step.Say, genai.RoleUser)}
			s.sending.Lock()
			err = s.live.SendClientContent(genai.LiveClientContentInput{Turns: turns})
			s.sending.Unlock()
		case step.Speak != "":
			err = s.speak(step.Speak, 32*step.PacketMs)
		case step.Activity == "start":
			err = s.sendRealtime(genai.LiveRealtimeInput{ActivityStart: &genai.ActivityStart{}})
		default:
			err = s.sendRealtime(genai.LiveRealtimeInput{ActivityEnd: &genai.ActivityEnd{}})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *session) speak(path string, packetBytes int) error {
	pcm, err := os.ReadFile(path)
	for len(pcm) > 0 && err == nil {
		size := min(packetBytes, len(pcm))
		audio := &genai.Blob{Data: pcm[:size], MIMEType: "audio/pcm;rate=16000"}
		err = s.sendRealtime(genai.LiveRealtimeInput{Audio: audio})
		pcm = pcm[size:]
	}
	return err
}

func (s *session) sendRealtime(input genai.LiveRealtimeInput) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.live.SendRealtimeInput(input)
}

func (s *session) receive() {
	defer close(s.done)
	for {
		message, err := s.live.Receive()
		if err != nil {
			s.events.show("closed", fields{"text": err.Error()})
			return
		}
		s.take(message)
	}
}

func (s *session) take(message *genai.LiveServerMessage) {
	show := s.events.show
	if message.SetupComplete != nil {
		show("setup_complete", nil)
	}
	if message.ServerContent != nil {
		s.takeContent(message.ServerContent)
	}
	if message.ToolCall != nil {
		for _, call := range message.ToolCall.FunctionCalls {
			show("tool_call", fields{"name": call.Name, "args": call.Args})
			result := &genai.FunctionResponse{
				ID: call.ID, Name: call.Name, Response: s.setup.Function.Result,
			}
			s.sending.Lock()
			err := s.live.SendToolResponse(genai.LiveToolResponseInput{
				FunctionResponses: []*genai.FunctionResponse{result},
			})
			s.sending.Unlock()
			if err != nil {
				show("error", fields{"text": err.Error()})
			}
		}
	}
	if usage := message.UsageMetadata; usage != nil {
		show("usage", fields{
			"prompt":   usage.PromptTokenCount,
			"response": usage.ResponseTokenCount,
			"total":    usage.TotalTokenCount,
		})
	}
	if update := message.SessionResumptionUpdate; update != nil && update.Resumable {
		s.handle = update.NewHandle
		show("handle", nil)
	}
	if message.GoAway != nil {
		show("go_away", fields{"left_s": message.GoAway.TimeLeft.Seconds()})
	}
}

func (s *session) takeContent(content *genai.LiveServerContent) {
	show := s.events.show
	if content.InputTranscription != nil {
		show("heard", fields{"text": content.InputTranscription.Text})
	}
	if content.OutputTranscription != nil {
		show("said", fields{"text": content.OutputTranscription.Text})
	}
	if content.ModelTurn != nil {
		for _, part := range content.ModelTurn.Parts {
			if part.Text != "" {
				show("text", fields{"text": part.Text})
			}
			if part.InlineData != nil {
				show("audio", fields{"bytes": len(part.InlineData.Data)})
			}
		}
	}
	if content.Interrupted {
		show("interrupted", nil)
	}
	if content.GenerationComplete {
		show("generation_complete", nil)
	}
	if content.TurnComplete {
		show("turn_complete", nil)
	}
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var request request
		if err := json.Unmarshal(line, &request); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answer, err := json.Marshal(drive(request))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(string(answer))
	}
}
