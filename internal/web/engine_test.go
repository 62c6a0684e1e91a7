package web_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/web"
)

// A silent engine counts statements and answers each without a row, in the
// columns that one view has.
type silent struct{ asked atomic.Int64 }

func (e *silent) Connect(context.Context) (driver.Conn, error) { return silentConn{e}, nil }
func (e *silent) Driver() driver.Driver                        { return nil }

type silentConn struct{ *silent }

func (silentConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("no") }
func (silentConn) Close() error                        { return nil }
func (silentConn) Begin() (driver.Tx, error)           { return nil, errors.New("no") }
func (c silentConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	c.asked.Add(1)
	return none{}, nil
}

type none struct{}

func (none) Columns() []string         { return nil }
func (none) Close() error              { return nil }
func (none) Next([]driver.Value) error { return errors.New("there is no row") }

// TestEngine shows what an engine is asked for, and for whom.
func TestEngine(t *testing.T) {
	engine := &silent{}
	dir := filepath.Join(t.TempDir(), "lake")
	if err := os.CopyFS(dir, os.DirFS(lakeDir(t))); err != nil {
		t.Fatal(err)
	}
	s := open(t, web.Options{Auth: roles, Lake: web.Lake{Dir: dir, Engine: &web.Engine{
		Name: "Athena", DB: report.Over(sql.OpenDB(engine), time.UTC), Keep: time.Hour, Cost: func() string { return "7 statements" },
	}}})
	for name, want := range map[string]int{"admin": http.StatusOK, "team": http.StatusForbidden, "self": http.StatusForbidden} {
		before := engine.asked.Load()
		r := s.do("GET", "/people?"+all, bearer(name))
		if r.code != want {
			t.Errorf("%s: %d, want %d", name, r.code, want)
		}
		if asked := engine.asked.Load() - before; (asked > 0) != (want == http.StatusOK) {
			t.Errorf("%s: %d statements", name, asked)
		}
		if name == "admin" && !strings.Contains(r.body, "answered by Athena, and not asked again for 1h0m0s; since this server began: 7 statements") {
			t.Errorf("the page does not say what it costs:\n%s", r.body)
		}
	}
	before := engine.asked.Load()
	if r := s.do("GET", "/query?id=0123456789", bearer("admin")); r.code != http.StatusBadRequest || !strings.Contains(r.body, "every day of the lake") || engine.asked.Load() != before {
		t.Errorf("of one execution: %d with %d statements\n%s", r.code, engine.asked.Load()-before, r.body)
	}
}

// TestEngineKeepsItsAnswers shows that a lake that changed is looked at again
// when answers have held for their time, and not before.
func TestEngineKeepsItsAnswers(t *testing.T) {
	for keep, want := range map[time.Duration]bool{time.Hour: false, time.Nanosecond: true} {
		dir := filepath.Join(t.TempDir(), "lake")
		if err := os.CopyFS(dir, os.DirFS(lakeDir(t))); err != nil {
			t.Fatal(err)
		}
		server, err := web.New(web.Options{Look: 5 * time.Millisecond, Lake: web.Lake{Dir: dir, Engine: &web.Engine{
			Name: "Trino", DB: report.Over(sql.OpenDB(&silent{}), time.UTC), Keep: keep, Cost: func() string { return "" },
		}}})
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- server.Run(ctx, listener, nil) }()
		page := func() string {
			r, err := http.Get("http://" + listener.Addr().String() + "/health")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(body)
		}
		const unknown = "It is not known up to when the lake is complete"
		if text := page(); strings.Contains(text, unknown) {
			t.Fatalf("before the change: %s", text)
		}
		if err := os.RemoveAll(filepath.Join(dir, "_ledger", "v1", "source")); err != nil {
			t.Fatal(err)
		}
		changed := false
		for try := 0; try < 40 && !changed; try++ { // two tenths of a second are forty looks
			time.Sleep(5 * time.Millisecond)
			changed = strings.Contains(page(), unknown)
		}
		for try := 0; want && !changed && try < 2000; try++ { // on a busy machine
			time.Sleep(10 * time.Millisecond)
			changed = strings.Contains(page(), unknown)
		}
		if changed != want {
			t.Errorf("kept for %s, the page changed: %t", keep, changed)
		}
		stop()
		<-ended
		server.Close()
	}
}
