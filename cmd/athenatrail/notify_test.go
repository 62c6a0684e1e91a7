package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/mailtest"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// A hook takes what is posted to it.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	slow   time.Duration
	began  chan struct{} // gets a value when a request begins, if it is not nil
}

func newHook(t *testing.T) *hook {
	h := new(hook)
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.bodies = append(h.bodies, string(body))
		h.mu.Unlock()
		if h.began != nil {
			h.began <- struct{}{}
		}
		time.Sleep(h.slow)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) got() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.bodies...)
}

// configuration writes one with channels, and returns its name.
func configuration(t *testing.T, channels string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "athenatrail.yaml")
	if err := os.WriteFile(file, []byte("version: 1\nnotify:\n"+channels), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (h *hook) configuration(t *testing.T) string {
	t.Helper()
	return configuration(t, "  - name: hook\n    url: generic"+strings.TrimPrefix(h.URL, "http")+"/hush-hush?disabletls=yes&template=json\n")
}

// notices returns those of a lake.
func notices(t testing.TB, store lake.Store) (list []*athenatrail.Notice) {
	t.Helper()
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for file, err := range lake.Partitions(t.Context(), l, lake.Notices, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for row, err := range lake.Read(t.Context(), l, lake.Notices, file.Partition) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, row)
		}
	}
	return list
}

// TestDigestIsSentOnce has several processes send the same digest at the same
// time, and one more afterwards.
func TestDigestIsSentOnce(t *testing.T) {
	s := newStory(t, 500, "26", "27")
	once := func(t *testing.T, location string, env []string, store lake.Store, processes int) {
		ended(t, program(t, t.Context(), pinnedProgram, env, s.args(s.trail, location)...)).mustEnd(t, 0)
		h := newHook(t)
		h.slow = 50 * time.Millisecond
		file := h.configuration(t)
		run := func() result {
			return ended(t, program(t, t.Context(), "athenatrail", env, "digest", "--send", "--period", "day", "--lake", location, "--config", file))
		}
		var wg sync.WaitGroup
		results := make([]result, processes)
		for i := range results {
			wg.Go(func() { results[i] = run() })
		}
		wg.Wait()
		for _, r := range append(results, run()) {
			r.mustEnd(t, 0)
		}
		bodies := h.got()
		if len(bodies) != 1 {
			t.Fatalf("%d processes sent the digest %d times", processes, len(bodies))
		}
		var got struct{ Title, Message string }
		if err := json.Unmarshal([]byte(bodies[0]), &got); err != nil || !strings.HasPrefix(got.Title, "Athena, Monday 26 October 2026: $") || !strings.Contains(got.Message, "The lake is complete to 2026-10-27") {
			t.Errorf("sent %+v, %v", got, err)
		}
		if n := notices(t, store); len(n) != 1 || n[0].State != athenatrail.NoticeSent || n[0].MessageKey != "digest/day/2026-10-26" {
			t.Errorf("notices %+v", n)
		}
		mustBeSound(t, store)
	}
	several := []int{2, 5}
	if testing.Short() {
		several = several[:1]
	}
	for _, processes := range several {
		t.Run(fmt.Sprintf("%d on disk", processes), func(t *testing.T) {
			dir := t.TempDir()
			once(t, dir, nil, diskLake(t, dir), processes)
		})
	}
	t.Run("5 on S3", func(t *testing.T) {
		server := s3test.Start(t)
		bucket := server.Bucket(t)
		once(t, "s3://"+bucket+"/lake", s3Env(server, server.Endpoint), s3Lake(t, server, bucket, "lake"), 5)
	})
}

// TestDigestKilled kills the program while it notes, claims, sends and marks.
// What was killed before it was sent is sent by a later run; what was killed
// after it, before the mark, may come once more for each kill.
func TestDigestKilled(t *testing.T) {
	kills := 8
	switch {
	case soaking():
		kills = 60
	case testing.Short():
		kills = 3
	}
	s := newStory(t, 500, "26", "27")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	killed, again := 0, 0
	for killed < kills {
		dir := t.TempDir()
		ended(t, program(t, t.Context(), pinnedProgram, nil, s.args(s.trail, dir)...)).mustEnd(t, 0)
		h := newHook(t)
		h.slow = 20 * time.Millisecond
		h.began = make(chan struct{}, 100)
		file := h.configuration(t)
		args := []string{"digest", "--send", "--period", "day", "--lake", dir, "--config", file}
		here := 0
		for try := range 4 {
			cmd := program(t, t.Context(), "athenatrail", nil, args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			written := make(chan struct{})
			if try == 0 {
				written = waitFor(dir)
			}
			go func() {
				// Around the request, where the notice is written, or anywhere.
				select {
				case <-h.began:
					time.Sleep(time.Duration(random.Float64() * float64(40*time.Millisecond)))
				case <-written:
					time.Sleep(time.Duration(random.Float64() * float64(20*time.Millisecond)))
				case <-time.After(time.Duration((1 + 4*random.Float64()) * float64(time.Second))):
				}
				cmd.Process.Kill()
				close(done)
			}()
			cmd.Wait()
			<-done
			if !cmd.ProcessState.Exited() {
				killed, here = killed+1, here+1
			}
			age(t, diskLake(t, dir))
		}
		ended(t, program(t, t.Context(), "athenatrail", nil, args...)).mustEnd(t, 0)
		n := len(h.got())
		if n < 1 || n > here+1 {
			t.Fatalf("sent %d times after %d kills", n, here)
		}
		again += n - 1
		if n := notices(t, diskLake(t, dir)); len(n) != 1 || n[0].State != athenatrail.NoticeSent {
			t.Errorf("notices %+v", n)
		}
		mustBeSound(t, diskLake(t, dir))
		if here == 0 {
			killed++ // a machine on which nothing is killed in time must end too
		}
	}
	t.Logf("%d kills, told once more %d times", killed, again)
}

// waitFor returns a channel that is closed when the lake has notices.
func waitFor(dir string) chan struct{} {
	found := make(chan struct{})
	go func() {
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if files, _ := filepath.Glob(filepath.Join(dir, "facts", "notices", "*", "*.parquet")); len(files) > 0 {
				break
			}
		}
		close(found)
	}()
	return found
}

// age makes claims of processes that are gone old enough for another to send.
func age(t testing.TB, store lake.Store) {
	t.Helper()
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notices(t, store) {
		_, _, err := lake.Rewrite(t.Context(), l, lake.Notices, n.Home, func(row *athenatrail.Notice) bool {
			row.NotUntil = time.Time{}
			if row.State == athenatrail.NoticeClaimed {
				row.Claimed = row.Claimed.Add(-10 * time.Minute)
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDigestByMail sends the week by a mail server, and reads what came.
func TestDigestByMail(t *testing.T) {
	server := mailtest.Start(t, nil)
	s := newStory(t, 500, "26", "27")
	dir := t.TempDir()
	ended(t, program(t, t.Context(), pinnedProgram, nil, s.args(s.trail, dir)...)).mustEnd(t, 0)
	file := configuration(t, "  - name: leads\n    smtp: {server: \""+server.Address+"\", from: athenatrail@example.com, to: [lead@example.com], tls: none}\n")
	r := ended(t, program(t, t.Context(), "athenatrail", nil, "digest", "--send", "--period", "day", "--lake", dir, "--config", file)).mustEnd(t, 0)
	if !strings.Contains(r.stderr, "digest of Monday 26 October 2026: 1 sent") {
		t.Errorf("stderr %s", r.stderr)
	}
	m := server.Mails(t, 1)[0]
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "Athena, Monday 26 October 2026: $") {
		t.Errorf("subject %q, %v", subject, err)
	}
	parts := map[string][]byte{}
	leaves(t, m.Header.Get("Content-Type"), m.Body, parts)
	html := string(parts["text/html"])
	if !strings.Contains(string(parts["text/plain"]), "The lake is complete to") || !strings.Contains(html, "Monday 26 October 2026") {
		t.Errorf("text %s\nHTML %s", parts["text/plain"], html)
	}
	for _, name := range []string{"digest-day-20261026-bars", "digest-day-20261026-people"} {
		if !strings.Contains(html, `src="cid:`+name+`"`) {
			t.Errorf("the HTML does not show %s", name)
		}
		if _, err := png.Decode(bytes.NewReader(parts["<"+name+">"])); err != nil {
			t.Errorf("picture %s: %v", name, err)
		}
	}
	if strings.Contains(html, "http://") || strings.Contains(html, "https://") || strings.Contains(html, "data:") {
		t.Error("the HTML loads something from elsewhere")
	}
}

// leaves gathers the parts of a mail by their kind, pictures by their id.
func leaves(t *testing.T, contentType string, body io.Reader, into map[string][]byte) {
	t.Helper()
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	for r := multipart.NewReader(body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		kind := part.Header.Get("Content-Type")
		if strings.HasPrefix(kind, "multipart/") {
			leaves(t, kind, part, into)
			continue
		}
		var decoded io.Reader = quotedprintable.NewReader(part)
		name, _, _ := strings.Cut(kind, ";")
		if id := part.Header.Get("Content-Id"); id != "" {
			name, decoded = id, base64.NewDecoder(base64.StdEncoding, part)
		}
		data, err := io.ReadAll(decoded)
		if err != nil {
			t.Fatal(err)
		}
		into[name] = data
	}
}

// TestNotifyTest sends on channels that work, fail and lack a secret.
func TestNotifyTest(t *testing.T) {
	h := newHook(t)
	file := configuration(t, "  - name: works\n    url: generic"+strings.TrimPrefix(h.URL, "http")+"/hush-hush?disabletls=yes\n"+
		"  - name: broken\n    url: \"generic://127.0.0.1:1/hush-hush?disabletls=yes\"\n"+
		"  - name: lacks\n    url: env:ATHENA_NO_SUCH_URL\n"+
		"  - name: people\n    slack: {token: hush-hush, to: person, api: \"http://127.0.0.1:1/api/\"}\n    kinds: [limit_stop]\n"+
		"  - name: mail\n    smtp: {server: \"127.0.0.1:1\", from: a@example.com, to: person, domains: [example.com], tls: none}\n")
	r := ended(t, program(t, t.Context(), "athenatrail", nil, "notify", "test", "--config", file, "-o", "jsonl")).mustEnd(t, 3)
	got := map[string]string{}
	for _, row := range rows[struct{ Channel, Result, Detail string }](t, r.stdout) {
		got[row.Channel] = row.Result + ": " + row.Detail
	}
	for channel, want := range map[string]string{
		"works": "sent: to generic", "broken": "failed: ", "lacks": "failed: read the secret env:ATHENA_NO_SUCH_URL: the variable is not set",
		"people": "not sent: the channel is to persons: name one with --person",
	} {
		if !strings.HasPrefix(got[channel], want) {
			t.Errorf("%s: %q, want %q", channel, got[channel], want)
		}
	}
	if bodies := h.got(); len(bodies) != 1 || !strings.Contains(bodies[0], "This is a test of the channel works by athenatrail") {
		t.Errorf("sent %q", bodies)
	}
	doctor := ended(t, program(t, t.Context(), "athenatrail", nil, "doctor", "--no-details", "--config", file, "-o", "jsonl")).mustEnd(t, 3)
	shown := ended(t, program(t, t.Context(), "athenatrail", nil, "config", "--config", file)).mustEnd(t, 0)
	for what, text := range map[string]string{"test": r.stdout + r.stderr, "doctor": doctor.stdout + doctor.stderr, "config": shown.stdout + shown.stderr} {
		if strings.Contains(text, "hush") {
			t.Errorf("%s shows a secret:\n%s", what, text)
		}
	}
	checks := map[string]string{}
	for _, row := range rows[struct{ Check, Subject, Result, Detail string }](t, doctor.stdout) {
		if row.Check == "notify" {
			checks[row.Subject] = row.Result + ": " + row.Detail
		}
	}
	for channel, want := range map[string]string{
		"works": "ok: the service's host answers", "broken": "failed: connect to the service: ", "lacks": "failed: read the secret env:ATHENA_NO_SUCH_URL: the variable is not set", "people": "failed: slack: ask whose the token is", "mail": "failed: mail server 127.0.0.1:1: connect: ",
	} {
		if !strings.HasPrefix(checks[channel], want) {
			t.Errorf("doctor of %s: %q, want %q", channel, checks[channel], want)
		}
	}
	if n := len(h.got()); n != 1 {
		t.Errorf("doctor sent something")
	}
}
