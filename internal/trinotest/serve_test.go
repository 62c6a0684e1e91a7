package trinotest_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/cli"
)

// serves compares the dashboard's answers over Athena with those over DuckDB,
// and counts the statements that pages make.
func serves(t *testing.T, lake string, statements func() int) {
	here, there := dashboard(t, lake, "duckdb"), dashboard(t, lake, "athena")
	const window = "?from=2026-10-17T00:00Z&to=2026-11-01T00:00Z"
	for _, view := range []string{"users", "tables"} {
		if d := cmp.Diff(rows(t, get(t, here+"/api/v1/views/"+view+window, 200)), rows(t, get(t, there+"/api/v1/views/"+view+window, 200))); d != "" {
			t.Errorf("%s of DuckDB (-), Athena (+):\n%s", view, d)
		}
	}
	before := statements()
	page := get(t, there+"/people"+window, 200)
	first := statements() - before
	if first == 0 || !strings.Contains(page, "answered by Athena, and not asked again for 1h0m0s; since this server began: ") || strings.Contains(page, "could not be") {
		t.Errorf("%d statements for\n%s", first, page)
	}
	if get(t, there+"/people"+window, 200); statements() != before+first {
		t.Errorf("the page made %d statements, and then %d more", first, statements()-before-first)
	}
	if text := get(t, there+"/query?id=11111111-2222", 400); !strings.Contains(text, "every day of the lake") {
		t.Errorf("of one execution: %s", text)
	}
}

// dashboard starts one and returns its address.
func dashboard(t *testing.T, lake, engine string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var talk shared
	done := make(chan int, 1)
	go func() {
		done <- cli.Main(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--lake", lake, "--engine", engine}, strings.NewReader(""), io.Discard, &talk)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	for range 3000 {
		if m := regexp.MustCompile(`http://[0-9.:]+`).FindString(talk.String()); m != "" {
			return m
		}
		select {
		case code := <-done:
			done <- code
			t.Fatalf("serve --engine %s: exit %d: %s", engine, code, talk.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("serve --engine %s says %s", engine, talk.String())
	return ""
}

func get(t *testing.T, url string, want int) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s: %s, %v\n%s", url, resp.Status, err, body)
	}
	return string(body)
}

// A shared is a buffer that is read while it is written.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
