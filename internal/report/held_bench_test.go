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
// which `go run ./internal/bench -pages N` makes.
func BenchmarkHeld(b *testing.B) {
	lake := os.Getenv("ATHENATRAIL_BENCH_LAKE")
	if lake == "" {
		b.Skip("ATHENATRAIL_BENCH_LAKE names no lake")
	}
	ctx := context.Background()
	file := filepath.Join(b.TempDir(), "held")
	if _, err := Hold(ctx, lake, file, nil, true); err != nil {
		b.Fatal(err)
	}
	to := time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC) // the end of those lakes
	for _, held := range []string{file, ""} {
		d, err := Open(ctx, lake, Options{Held: held})
		if err != nil {
			b.Fatal(err)
		}
		defer d.Close()
		for _, days := range []int{7, 30, 365} {
			for _, v := range Views() {
				if !v.rollup || v.source == "tables" {
					continue
				}
				p := Params{From: to.AddDate(0, 0, -days), To: to, Limit: v.Limit, CompleteFrom: to.AddDate(-1, 0, 0)}
				if v.Name == "usage" {
					p.By = []string{"day", "team"}
				}
				b.Run(fmt.Sprintf("%s/%d/held=%t", v.Name, days, held != ""), func(b *testing.B) {
					began := processorTime()
					for b.Loop() {
						if _, err := d.Report(ctx, v.Name, p); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64((processorTime()-began).Milliseconds())/float64(b.N), "cpu-ms/op")
				})
			}
		}
	}
}
