package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/report"
)

// TestReadWhileCompacting reads all the while, with DuckDB and without, that the
// program collects late records, derives and compacts the same days. No row is
// ever missing or there twice, whether the reader opened the lake just now or
// before all that.
func TestReadWhileCompacting(t *testing.T) {
	s := newStory(t, 1500, "26", "27")
	late := t.TempDir()
	n := 0
	err := filepath.WalkDir(s.trail, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if n++; n%4 != 0 {
			return nil
		}
		rel, err := filepath.Rel(s.trail, path)
		if err != nil {
			return err
		}
		to := filepath.Join(late, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		return os.Rename(path, to)
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ended(t, program(t, t.Context(), pinnedProgram, nil, s.args(s.trail, dir)...)).mustEnd(t, 0)
	l, err := lake.Open(t.Context(), diskLake(t, dir))
	if err != nil {
		t.Fatal(err)
	}

	old, err := report.Open(t.Context(), dir, report.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	done := make(chan struct{})
	var group sync.WaitGroup
	loop := func(read func(least map[string]int64)) {
		group.Add(1)
		go func() {
			defer group.Done()
			least := map[string]int64{}
			for reads := 0; ; reads++ {
				select {
				case <-done:
					if reads < 2 {
						t.Errorf("read %d times", reads)
					}
					return
				default:
					read(least)
				}
			}
		}()
	}
	// grows checks that a number of rows never falls.
	grows := func(least map[string]int64, what string, n int64) {
		if n < least[what] || n == 0 {
			t.Errorf("%s: %d rows, and %d before", what, n, least[what])
		}
		least[what] = n
	}
	sql := func(db *report.DB, least map[string]int64) {
		for _, table := range []struct{ name, id string }{
			{"activity", "event_id || coalesce(query_execution_id, '')"}, {"query_executions", "coalesce(query_execution_id, event_id)"},
		} {
			result, err := db.Query(context.Background(), fmt.Sprintf("SELECT count(*), count(DISTINCT %s) FROM %s", table.id, table.name), 1)
			if err != nil {
				t.Error(err)
				return
			}
			rows, err := result.All()
			if err != nil {
				t.Error(err)
				return
			}
			all, different := rows[0][0].(int64), rows[0][1].(int64)
			if all != different {
				t.Errorf("%s: %d rows, %d different", table.name, all, different)
			}
			grows(least, table.name, all)
		}
	}
	loop(func(least map[string]int64) { sql(old, least) })
	loop(func(least map[string]int64) {
		db, err := report.Open(context.Background(), dir, report.Options{Threads: 1})
		if err != nil {
			t.Error(err)
			return
		}
		defer db.Close()
		sql(db, least)
	})
	limits, err := limit.Compile([]limit.Definition{{Name: "all", Per: "all", Measure: "scanned_bytes", Window: "30d", Amount: "1 PB"}},
		limit.Options{Zone: time.UTC, LoadZone: time.LoadLocation})
	if err != nil {
		t.Fatal(err)
	}
	loop(func(least map[string]int64) {
		at := time.Date(2026, 10, 30, 0, 0, 0, 0, time.UTC)
		r, err := meter.Report(context.Background(), l, limits, limit.NewMoment(at, at, time.Time{}), false)
		if err != nil {
			t.Error(err)
			return
		}
		for _, status := range r.Statuses {
			grows(least, "executions of the limit", status.Count)
			grows(least, "bytes of the limit", status.Used)
		}
	})

	run := func(args ...string) result {
		return ended(t, program(t, t.Context(), "athenatrail", nil, args...))
	}
	var writers sync.WaitGroup
	writers.Go(func() {
		ended(t, program(t, t.Context(), pinnedProgram, nil, s.args(late, dir)...)).mustEnd(t, 0)
	})
	writers.Go(func() {
		for _, day := range []string{"2026-10-27", "2026-10-28", "2026-10-29"} {
			run("lake", "compact", "--lake", dir, "--before", day).mustEnd(t, 0)
		}
	})
	writers.Wait()
	run(compactArgs(dir)...).mustEnd(t, 0)
	run("lake", "rebuild", "--lake", dir, "--all").mustEnd(t, 0)
	time.Sleep(200 * time.Millisecond)
	close(done)
	group.Wait()
	old.Close()
	run(compactArgs(dir, "--grace", "0s")...).mustEnd(t, 0)
	mustBeSound(t, diskLake(t, dir))
}
