// Clients that read streams of /api/chat, for benchmarks. It says as JSON what they saw.
//
//	stream-load -url URL [-models NAME,…] -streams N [-ramp TIME] [-window TIME]
//	stream-load -url URL [-models NAME,…] -rate N -duration TIME [-leave SHARE]
//
// The first opens so many streams one after the other, and measures while all of them are open; then it leaves. How long
// a chunk was on its way tells its created_at: whoever sends it has the same clock. The second begins so many streams a second,
// whether or not those before have ended; a share of its clients leave: with half of the request sent, before anything
// is answered, or in the middle of the answer.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

type clients struct {
	url    *url.URL
	models []string
	http   *http.Client
}

func main() {
	target := flag.String("url", "", "where /api/chat is")
	models := flag.String("models", "fake:latest", "models that are asked in turn")
	streams := flag.Int("streams", 0, "streams to hold open")
	ramp := flag.Duration("ramp", 4*time.Second, "time to open them in")
	window := flag.Duration("window", 5*time.Second, "time to measure for")
	rate := flag.Float64("rate", 0, "streams to begin in a second")
	duration := flag.Duration("duration", 10*time.Second, "time to begin them for")
	leave := flag.Float64("leave", 0.5, "share of the clients that leave")
	flag.Parse()
	parsed, err := url.Parse(*target)
	if err != nil || parsed.Host == "" || (*streams > 0) == (*rate > 0) {
		fmt.Fprintln(os.Stderr, "stream-load: wrong arguments: name -url, and one of -streams and -rate")
		os.Exit(2)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: *streams + 1000, DisableCompression: true}
	c := &clients{url: parsed, models: strings.Split(*models, ","), http: &http.Client{Transport: transport}}
	var result any
	if *streams > 0 {
		result = c.hold(*streams, *ramp, *window)
	} else {
		result = c.churn(*rate, *duration, *leave)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fmt.Fprintf(os.Stderr, "stream-load: %v\n", err)
		os.Exit(1)
	}
}

func (c *clients) body(index int) []byte {
	model := c.models[index%len(c.models)]
	return fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"system","content":"You analyse contracts."},`+
		`{"role":"user","content":"Question %d: what does the clause on force majeure mean for the supplier?"}],"stream":true}`, model, index)
}

func (c *clients) open(ctx context.Context, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.JoinPath("/api/chat").String(), body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 200))
		response.Body.Close()
		return nil, fmt.Errorf("status %d: %s", response.StatusCode, text)
	}
	return response, nil
}

// Times of which there are many, in milliseconds.
type times struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

func summarize(all []time.Duration) times {
	if len(all) == 0 {
		return times{}
	}
	slices.Sort(all)
	at := func(share float64) float64 {
		return float64(all[min(len(all)-1, int(share*float64(len(all))))].Nanoseconds()) / 1e6
	}
	return times{Count: len(all), P50: at(0.5), P99: at(0.99), Max: at(1)}
}

// What went wrong, by what it was.
type failures struct {
	mutex sync.Mutex
	count map[string]int
}

func (f *failures) add(err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	// What differs from one to the next, such as a port, makes no new kind.
	cause := err
	for inner := errors.Unwrap(cause); inner != nil; inner = errors.Unwrap(cause) {
		cause = inner
	}
	f.count[cause.Error()]++
}

type held struct {
	Streams   int            `json:"streams"`
	FirstByte times          `json:"firstByte"`
	Delay     times          `json:"delay"`
	Gap       times          `json:"gap"`
	Errors    map[string]int `json:"errors"`
}

// hold measures chunks of a time in which all streams are open.
func (c *clients) hold(streams int, ramp, window time.Duration) held {
	// The last one has opened before the measurement begins.
	const settle = time.Second
	began := time.Now()
	from := began.Add(ramp + settle)
	until := from.Add(window)
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()

	var wait sync.WaitGroup
	failed := failures{count: map[string]int{}}
	first := make([]time.Duration, streams)
	delays := make([][]time.Duration, streams)
	gaps := make([][]time.Duration, streams)
	for index := range streams {
		wait.Go(func() {
			time.Sleep(time.Until(began.Add(ramp * time.Duration(index) / time.Duration(streams))))
			asked := time.Now()
			response, err := c.open(ctx, bytes.NewReader(c.body(index)))
			if err != nil {
				failed.add(err)
				return
			}
			defer response.Body.Close()
			reader := bufio.NewReaderSize(response.Body, 1024)
			var last time.Time
			for {
				line, err := reader.ReadSlice('\n')
				now := time.Now()
				if err != nil {
					if now.Before(until) {
						failed.add(fmt.Errorf("ended early: %w", err))
					}
					return
				}
				if last.IsZero() {
					first[index] = now.Sub(asked)
				} else if now.After(from) {
					sent, err := sentAt(line)
					if err != nil {
						failed.add(err)
						return
					}
					delays[index] = append(delays[index], now.Sub(sent))
					gaps[index] = append(gaps[index], now.Sub(last))
				}
				last = now
			}
		})
	}
	wait.Wait()
	return held{
		Streams:   streams,
		FirstByte: summarize(slices.DeleteFunc(first, func(time time.Duration) bool { return time == 0 })),
		Delay:     summarize(slices.Concat(delays...)),
		Gap:       summarize(slices.Concat(gaps...)),
		Errors:    failed.count,
	}
}

var member = []byte(`"created_at":"`)

func sentAt(line []byte) (time.Time, error) {
	_, rest, found := bytes.Cut(line, member)
	text, _, ended := bytes.Cut(rest, []byte(`"`))
	if !found || !ended {
		return time.Time{}, fmt.Errorf("not a chunk: %s", line)
	}
	return time.Parse(time.RFC3339Nano, string(text))
}

type churned struct {
	Began    int            `json:"began"`
	Finished int            `json:"finished"`
	Left     int            `json:"left"`
	Errors   map[string]int `json:"errors"`
}

var errLeft = errors.New("left")

// churn begins streams at a rate. Whatever its clients do is the same in each run.
func (c *clients) churn(rate float64, duration time.Duration, leave float64) churned {
	random := rand.New(rand.NewSource(1))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wait sync.WaitGroup
	failed := failures{count: map[string]int{}}
	var mutex sync.Mutex
	result := churned{}
	began := time.Now()
	for index := 0; ; index++ {
		at := time.Duration(float64(index) / rate * float64(time.Second))
		if at >= duration {
			break
		}
		leaves, way, fraction := random.Float64() < leave, random.Intn(4), random.Float64()
		time.Sleep(time.Until(began.Add(at)))
		result.Began++
		wait.Go(func() {
			err := c.visit(ctx, index, leaves, way, fraction)
			if err != nil && !errors.Is(err, errLeft) {
				failed.add(err)
				return
			}
			mutex.Lock()
			defer mutex.Unlock()
			if err == nil {
				result.Finished++
			} else {
				result.Left++
			}
		})
	}
	// What hangs is an error, not a reason to hang.
	hanging := time.AfterFunc(time.Minute, cancel)
	defer hanging.Stop()
	wait.Wait()
	c.http.CloseIdleConnections()
	result.Errors = failed.count
	return result
}

// visit is one client, which leaves in one of four ways or reads its answer to the end.
func (c *clients) visit(ctx context.Context, index int, leaves bool, way int, fraction float64) error {
	body := c.body(index)
	if !leaves {
		return c.read(ctx, body, -1)
	}
	switch way {
	case 0:
		return c.sendHalf(body)
	case 1:
		short, cancel := context.WithTimeout(ctx, time.Duration(fraction*float64(5*time.Millisecond)))
		defer cancel()
		if err := c.read(short, body, 0); err != nil && short.Err() == nil {
			return err
		}
		return errLeft
	default:
		if err := c.read(ctx, body, int(fraction*20)); err != nil {
			return err
		}
		return errLeft
	}
}

// read takes so many lines of an answer, or all with -1.
func (c *clients) read(ctx context.Context, body []byte, lines int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	response, err := c.open(ctx, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	reader := bufio.NewReaderSize(response.Body, 1024)
	done := false
	for count := 0; count != lines; count++ {
		line, err := reader.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			if !done {
				return errors.New("ended without its last chunk")
			}
			return nil
		}
		if err != nil {
			return err
		}
		done = bytes.Contains(line, []byte(`"done":true`))
	}
	return nil
}

func (c *clients) sendHalf(body []byte) error {
	connection, err := net.Dial("tcp", c.url.Host)
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = fmt.Fprintf(connection, "POST /api/chat HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		c.url.Host, len(body), body[:len(body)/2])
	if err != nil {
		return err
	}
	return errLeft
}
