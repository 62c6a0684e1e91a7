package web_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/web"
)

// A page that somebody read is answered again before anybody reads the lake
// that changed, and what is held of roll-ups follows it: a day that goes is gone
// from the numbers.
func TestReadPagesFollowTheLake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	if err := os.CopyFS(dir, os.DirFS(lakeDir(t))); err != nil {
		t.Fatal(err)
	}
	held := filepath.Join(t.TempDir(), "usage.duckdb")
	s := open(t, web.Options{Lake: web.Lake{Dir: dir, Held: held}, Look: 20 * time.Millisecond})
	plain := open(t, web.Options{Lake: web.Lake{Dir: dir}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.web.Run(ctx, l, nil) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	const users = "/api/v1/views/users?from=2026-10-01&to=2026-11-02&limit=0"
	asked := func() int { // how often the view was not remembered
		for line := range strings.Lines(s.get("/metrics").body) {
			if text, ok := strings.CutPrefix(line, `athenatrail_view_duration_seconds_count{view="workgroups"} `); ok {
				n, err := strconv.Atoi(strings.TrimSpace(text))
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
		}
		return 0
	}
	if r := s.get("/workgroups?window=30d"); r.code != 200 {
		t.Fatalf("status %d", r.code)
	}
	before, first := asked(), s.rows(users)
	if _, err := os.Stat(held); err != nil || before == 0 {
		t.Fatalf("nothing is held: %v; the view was asked %d times", err, before)
	}
	if diff := cmp.Diff(plain.rows(users), first); diff != "" {
		t.Errorf("without (-) and with held roll-ups (+):\n%s", diff)
	}

	days, err := os.ReadDir(filepath.Join(dir, "tables/usage_rollup_open"))
	if err != nil || len(days) < 20 {
		t.Fatalf("%d days, %v", len(days), err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "tables/usage_rollup_open", days[len(days)-3].Name())); err != nil {
		t.Fatal(err)
	}
	for range 2000 { // a busy machine takes its time
		if asked() > before {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if asked() == before {
		t.Fatal("the lake changed, and nobody asked again for what had been read")
	}
	want := open(t, web.Options{Lake: web.Lake{Dir: dir}}).rows(users)
	for range 400 { // until readers see it: the day's files may have been seen going one by one
		if cmp.Equal(want, s.rows(users)) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if diff := cmp.Diff(want, s.rows(users)); diff != "" {
		t.Errorf("after a day went, without (-) and with held roll-ups (+):\n%s", diff)
	}
	if cmp.Equal(first, want) {
		t.Error("the day that went had nothing")
	}
	again := asked()
	s.get("/workgroups?window=30d")
	if n := asked(); n != again {
		t.Errorf("what was asked behind the scenes was not remembered: %d, then %d", again, n)
	}
}
