package export_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/export"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// BenchmarkHeavyDay exports a day of one account and region in which 400,000
// statements ran, 40,000 of them different and of about a kilobyte.
func BenchmarkHeavyDay(b *testing.B) {
	f := newFixture(b)
	p := athenatrail.Partition{Date: athenatrail.DateOf(at("2026-05-05 00:00:00")), Account: account, Region: region}
	var texts []athenatrail.QueryText
	for i := range 40_000 {
		sql := fmt.Sprintf("SELECT %d, %s FROM sales.orders", i, strings.Repeat("column_name, ", 80))
		texts = append(texts, athenatrail.QueryText{Home: p, TextHash: athenatrail.HashText(sql), QueryString: sql})
	}
	if _, err := lake.Merge(b.Context(), f.lake, lake.QueryTexts, p, texts); err != nil {
		b.Fatal(err)
	}
	const n = 400_000
	rows := func(yield func(*athenatrail.QueryExecution, error) bool) {
		for i := range n {
			second := i * 86400 / n
			row := ran(fmt.Sprintf("%08d-0000-4000-8000-000000000000", i), fmt.Sprintf("2026-05-05 %02d:%02d:%02d", second/3600, second/60%60, second%60), "")
			row.TextHash, row.TextDt = texts[i%len(texts)].TextHash, "2026-05-05"
			if !yield(&row, nil) {
				return
			}
		}
	}
	if _, err := lake.WriteTable(b.Context(), f.lake, lake.QueryExecutions, p, rows, "settings"); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		columns string
		output  export.Output
	}{{export.Tracker, export.CSV}, {export.AthenaMetrics, export.CSV}, {export.All, export.CSV}, {"all,query_string", export.JSONL}, {"all,query_string", export.Parquet}} {
		b.Run(c.columns+" "+string(c.output), func(b *testing.B) {
			for b.Loop() {
				o := f.options("2026-05-05 00:00:00", "2026-05-06 00:00:00")
				o.Columns, o.Output = c.columns, c.output
				var err error
				if o.Dest, err = lake.OpenStore(b.TempDir()); err != nil {
					b.Fatal(err)
				}
				sum, err := export.Run(b.Context(), o)
				if err != nil || sum.Rows != n {
					b.Fatal(sum, err)
				}
				b.SetBytes(sum.Bytes)
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
