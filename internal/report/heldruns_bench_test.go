package report

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkHeldRuns measures what reads executions one by one over a large lake,
// with held executions and without, in milliseconds of processors; see
// BenchmarkHeld.
func BenchmarkHeldRuns(b *testing.B) {
	lake := os.Getenv("ATHENATRAIL_BENCH_LAKE")
	if lake == "" {
		b.Skip("ATHENATRAIL_BENCH_LAKE names no lake")
	}
	ctx := context.Background()
	file := os.Getenv("ATHENATRAIL_BENCH_HELD") // kept from one run to the next
	if file == "" {
		file = filepath.Join(b.TempDir(), "held")
	}
	began := processorTime()
	if _, err := Hold(ctx, lake, file, nil, true); err != nil {
		b.Fatal(err)
	}
	if info, err := os.Stat(file); err == nil {
		b.Logf("held in %v of processors, %d MB", processorTime()-began, info.Size()>>20)
	}
	to := time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC) // the end of those lakes
	asks := map[string]func(*DB, time.Time) error{}
	var names []string
	for _, view := range []string{"findings", "patterns", "roles", "jobs", "tables", "databases-accessed", "unused", "failures", "denied", "queries"} {
		names = append(names, view)
		asks[view] = func(d *DB, from time.Time) error {
			v, err := Lookup(view)
			if err == nil {
				_, err = d.Report(ctx, view, Params{From: from, To: to, Limit: v.Limit, CompleteFrom: to.AddDate(-1, 0, 0)})
			}
			return err
		}
	}
	for name, s := range map[string]Search{
		"newest": {}, "word": {Text: "revenue_margin"}, "nothing": {Text: "no_such_word"}, "rare": {Text: "standing 2999"},
		"dearest": {Order: Order{"cost", true}},
	} {
		names = append(names, "search-"+name)
		asks["search-"+name] = func(d *DB, from time.Time) error {
			s.From, s.To, s.Limit = from, to, 100
			_, err := d.Search(ctx, s)
			return err
		}
	}
	for _, held := range []string{file, ""} {
		d, err := Open(ctx, lake, Options{Held: held})
		if err != nil {
			b.Fatal(err)
		}
		defer d.Close()
		for _, days := range []int{7, 30, 365} {
			for _, name := range names {
				b.Run(fmt.Sprintf("%s/%d/held=%t", name, days, held != ""), func(b *testing.B) {
					began, lowest := processorTime(), time.Duration(0)
					for b.Loop() {
						if err := asks[name](d, to.AddDate(0, 0, -days)); err != nil {
							b.Fatal(err)
						}
						now := processorTime()
						if took := now - began; lowest == 0 || took < lowest {
							lowest = took
						}
						began = now
					}
					b.ReportMetric(float64(lowest.Microseconds())/1000, "cpu-ms/lowest")
				})
			}
		}
	}
}
