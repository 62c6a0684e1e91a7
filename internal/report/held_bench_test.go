package report

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkHeld measures views of usage over a large lake, with held roll-ups
// and without, in milliseconds of processors: the lake of ATHENATRAIL_BENCH_LAKE,
// which `go run ./internal/bench -pages N` makes. Each time another window is
// asked for, as the dashboard's panels do; page is all that the page of people
// asks of held roll-ups, for which sums are gathered once.
func BenchmarkHeld(b *testing.B) {
	lake := os.Getenv("ATHENATRAIL_BENCH_LAKE")
	if lake == "" {
		b.Skip("ATHENATRAIL_BENCH_LAKE names no lake")
	}
	ctx := context.Background()
	file := os.Getenv("ATHENATRAIL_BENCH_HELD")
	if file == "" {
		file = filepath.Join(b.TempDir(), "held")
	}
	if _, err := Hold(ctx, lake, file, nil, true); err != nil {
		b.Fatal(err)
	}
	end := time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC) // of those lakes
	chart := func(by ...string) Params { return Params{By: by, Columns: append(by, "cost", "currency")} }
	type ask struct {
		name, view string
		p          Params
	}
	asks := []ask{
		{"chart by day and team", "usage", chart("day", "team")}, {"chart by day and person", "usage", chart("day", "person")},
		{"hours", "usage", Params{By: []string{"hour"}, Columns: []string{"hour", "executions"}}},
		{"overview, three sections", "overview", Params{Sections: []string{"total", "attribution", "gaps"}}},
	}
	for _, v := range Views() {
		if v.rollup && v.source != "tables" && v.Name != "usage" {
			asks = append(asks, ask{v.Name, v.Name, Params{}})
		}
	}
	page := []ask{{"", "usage", chart("day", "person")}, {"", "users", Params{Limit: 50}}, {"", "users-databases", Params{}}, {"", "users-databases", Params{Limit: 20}}}
	for _, held := range []string{file, ""} {
		d, err := Open(ctx, lake, Options{Held: held})
		if err != nil {
			b.Fatal(err)
		}
		defer d.Close()
		run := func(name string, days int, list []ask) {
			b.Run(fmt.Sprintf("%s/%d/held=%t", name, days, held != ""), func(b *testing.B) {
				took := time.Hour // the least
				for n := 0; b.Loop(); n++ {
					began := processorTime()
					for _, a := range list {
						p := a.p
						p.To = end.AddDate(0, 0, -n%20)
						p.From, p.CompleteFrom = p.To.AddDate(0, 0, -days), end.AddDate(-1, 0, 0)
						if _, err := d.Report(ctx, a.view, p); err != nil {
							b.Fatal(err)
						}
					}
					took = min(took, processorTime()-began)
				}
				b.ReportMetric(float64(took.Microseconds())/1000, "least-cpu-ms")
			})
		}
		for _, days := range []int{7, 30, 365} {
			for _, a := range asks {
				run(a.name, days, []ask{a})
			}
			run("page", days, page)
		}
	}
}
