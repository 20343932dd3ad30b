// An Ollama without a model, for benchmarks: it answers at once, so that what is measured is what stands before it.
//
//	fake-ollama [-models NAME,…] [-chunks N] [-interval TIME] [-service TIME] [-parallel N]
//
// It listens on a free port of the loopback and prints its URL. A chat is answered whole, or where a stream is asked for in
// the Ollama dialect, in chunks that say in created_at when they were sent. GET /fake/counts tells what became of the chats.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	whole  = `{"model":"fake","created_at":"2026-01-01T00:00:00.000000000Z","message":{"role":"assistant","content":"A force majeure clause frees a party from its duties while an event beyond its control keeps it from them."},"done_reason":"stop","done":true,"total_duration":1000000,"load_duration":1000,"prompt_eval_count":26,"prompt_eval_duration":1000,"eval_count":24,"eval_duration":1000}`
	openAI = `{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"fake","system_fingerprint":"fp_ollama","choices":[{"index":0,"message":{"role":"assistant","content":"A force majeure clause frees a party from its duties while an event beyond its control keeps it from them."},"finish_reason":"stop"}],"usage":{"prompt_tokens":26,"completion_tokens":24,"total_tokens":50}}`
	loaded = `{"model":"fake","created_at":"2026-01-01T00:00:00.000000000Z","response":"","done":true,"done_reason":"load"}`

	chunkHead = `{"model":"fake","created_at":"`
	chunkTail = `","message":{"role":"assistant","content":" token"},"done":false}` + "\n"
	lastTail  = `","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"total_duration":1000000,"load_duration":1000,"prompt_eval_count":26,"prompt_eval_duration":1000,"eval_count":24,"eval_duration":1000}` + "\n"

	// As long for every time, which keeps all chunks of one size.
	stamp = "2006-01-02T15:04:05.000000000Z"
)

type fake struct {
	chunks   int
	interval time.Duration
	service  time.Duration
	// A place for each chat that is answered at a time; nil for any number.
	places chan struct{}

	open, answered, left atomic.Int64
}

func main() {
	models := flag.String("models", "fake:latest", "names of the models that it has, with commas between")
	chunks := flag.Int("chunks", 20, "chunks of a stream")
	interval := flag.Duration("interval", 50*time.Millisecond, "time between two chunks")
	service := flag.Duration("service", 0, "time that a whole answer takes")
	parallel := flag.Int("parallel", 0, "chats that are answered at a time, 0 for any number; others wait")
	flag.Parse()
	// It has little memory and much to throw away.
	debug.SetGCPercent(800)

	f := &fake{chunks: *chunks, interval: *interval, service: *service}
	if *parallel > 0 {
		f.places = make(chan struct{}, *parallel)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/version", fixed(`{"version":"0.11.4"}`))
	mux.HandleFunc("GET /api/tags", fixed(tags(strings.Split(*models, ","))))
	// All of them are loaded, or the agent would load them for every request.
	mux.HandleFunc("GET /api/ps", fixed(tags(strings.Split(*models, ","))))
	mux.HandleFunc("POST /api/generate", fixed(loaded))
	mux.HandleFunc("POST /api/chat", f.chat(whole))
	mux.HandleFunc("POST /v1/chat/completions", f.chat(openAI))
	mux.HandleFunc("GET /fake/counts", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"open":%d,"answered":%d,"left":%d}`, f.open.Load(), f.answered.Load(), f.left.Load())
	})

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	fail(http.Serve(listener, mux))
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "fake-ollama: %v\n", err)
	os.Exit(1)
}

func tags(names []string) string {
	type model struct {
		Name       string `json:"name"`
		Model      string `json:"model"`
		Size       int64  `json:"size"`
		ModifiedAt string `json:"modified_at"`
	}
	var models []model
	for _, name := range names {
		models = append(models, model{name, name, 1, "2026-01-01T00:00:00Z"})
	}
	text, err := json.Marshal(map[string]any{"models": models})
	if err != nil {
		fail(err)
	}
	return string(text)
}

func fixed(text string) http.HandlerFunc {
	body := []byte(text)
	length := []string{strconv.Itoa(len(body))}
	kind := []string{"application/json; charset=utf-8"}
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		header := w.Header()
		header["Content-Type"], header["Content-Length"] = kind, length
		w.Write(body)
	}
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// chat answers in chunks where a stream is asked for and the dialect has it by default, else with one text.
func (f *fake) chat(text string) http.HandlerFunc {
	answer := fixed(text)
	return func(w http.ResponseWriter, r *http.Request) {
		body := buffers.Get().(*bytes.Buffer)
		body.Reset()
		defer buffers.Put(body)
		f.open.Add(1)
		defer f.open.Add(-1)
		if _, err := body.ReadFrom(r.Body); err != nil || !f.enter(r.Context()) {
			f.left.Add(1)
			return
		}
		defer f.leave()
		if text == whole && !bytes.Contains(body.Bytes(), []byte(`"stream":false`)) {
			f.stream(w, r.Context())
			return
		}
		if f.service > 0 && !pause(r.Context(), f.service) {
			f.left.Add(1)
			return
		}
		f.answered.Add(1)
		answer(w, r)
	}
}

func (f *fake) enter(ctx context.Context) bool {
	if f.places == nil {
		return true
	}
	select {
	case f.places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *fake) leave() {
	if f.places != nil {
		<-f.places
	}
}

func pause(ctx context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// stream sends its first chunk at once, and each other when its time has come since then: one that is late delays none.
func (f *fake) stream(w http.ResponseWriter, ctx context.Context) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	flusher := w.(http.Flusher)
	line := make([]byte, 0, len(chunkHead)+len(stamp)+len(lastTail))
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for sent := 0; sent <= f.chunks; sent++ {
		timer.Reset(time.Until(began.Add(time.Duration(sent) * f.interval)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			f.left.Add(1)
			return
		}
		tail := chunkTail
		if sent == f.chunks {
			tail = lastTail
		}
		line = append(line[:0], chunkHead...)
		line = time.Now().UTC().AppendFormat(line, stamp)
		line = append(line, tail...)
		if _, err := w.Write(line); err != nil {
			f.left.Add(1)
			return
		}
		flusher.Flush()
	}
	f.answered.Add(1)
}
