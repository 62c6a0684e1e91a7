package export_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/export"
)

// TestMemoryDoesNotGrowWithTheWindow exports 3 days and 24 days of the same
// size, and looks at what is in use while files are written.
func TestMemoryDoesNotGrowWithTheWindow(t *testing.T) {
	const days, rowsADay, sqlBytes = 24, 120, 20_000 // 57 MB of SQL in all
	f := newFixture(t)
	first := at("2026-05-01 00:00:00")
	for d := range days {
		day := first.AddDate(0, 0, d)
		var rows []athenatrail.QueryExecution
		for i := range rowsADay {
			sql := f.sql(fmt.Sprintf("SELECT %d, %d, '%s'", d, i, strings.Repeat("x", sqlBytes)))
			rows = append(rows, ran(fmt.Sprintf("%d-%d", d, i), day.Add(time.Duration(i)*12*time.Minute).Format("2006-01-02 15:04:05"), sql))
		}
		f.put(day.Format(time.DateOnly), rows...)
		clear(f.texts)
	}
	inUse := func() uint64 {
		runtime.GC()
		runtime.GC() // pools are emptied by the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	highest := func(days int) uint64 {
		most := uint64(0)
		o := withDest(t, f.options("2026-05-01 00:00:00", ""))
		o.To, o.Columns = first.AddDate(0, 0, days), "all,query_string"
		o.Progress = func(done, _ int) {
			if done%24 == 12 {
				most = max(most, inUse())
			}
		}
		sum, err := export.RunHolding(t.Context(), o, 1<<20)
		if err != nil || sum.Rows != int64(days*rowsADay) {
			t.Fatalf("%+v, %v", sum, err)
		}
		return most
	}
	few, many := highest(3), highest(days)
	t.Logf("%d KiB are in use with 3 days, %d KiB with %d", few>>10, many>>10, days)
	// A day is read at once, so the numbers go up and down by some days.
	if many > few+(days-3)*rowsADay*sqlBytes/2 {
		t.Errorf("%d bytes are in use with 3 days, %d with %d", few, many, days)
	}
}
