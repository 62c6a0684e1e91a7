package demo

import (
	"fmt"
	"math"
	"time"
)

// textFiles: a table of CSV that is read day by day, and one of Parquet.
func (b *builder) textFiles() {
	daily := func(table string, at time.Time) []ask {
		asks := b.every(12, 26*time.Hour, b.console("milo", at, statement{}))
		for i := range asks {
			asks[i].stmt = selected(fmt.Sprintf("SELECT app, count(*) AS events FROM %s WHERE build = %d GROUP BY app", table, 400+i), 25*gb, table)
		}
		return asks
	}
	f := b.queryFinding(FindingTextFormats, true, daily("raw.mobile_events", on(10, 5, 13, 0, 0))...)
	saving := int64(math.Round(float64(*b.costs(f.QueryExecutionIDs)) * 2 / 3))
	f.SavingNano = &saving
	b.queryFinding(FindingTextFormats, false, daily("sales.mobile_orders", on(10, 5, 14, 0, 0))...)
}

// capacity: a backfill that scans two terabytes an hour, and one that scans a
// little less than two thirds of that.
func (b *builder) capacity() {
	backfill := func(group string, n int, apart time.Duration, at time.Time, bytes int64) []ask {
		asks := b.every(n, apart, b.console("theo", at, statement{}))
		for i := range asks {
			asks[i].group = group
			asks[i].stmt = selected(fmt.Sprintf("SELECT order_id, max(score) AS best FROM ml.training_orders WHERE chunk = %d GROUP BY order_id", i), bytes, "ml.training_orders")
			asks[i].stmt.database = "ml"
		}
		return asks
	}
	f := b.queryFinding(FindingOnDemandCapacity, true, backfill("backfill", 4, 30*time.Minute, on(10, 24, 6, 5, 0), tb)...)
	saving := int64(4*5_000_000_000 - 2*24*300_000_000) // 24 DPUs for two hours at 0.30
	f.SavingNano = &saving
	b.queryFinding(FindingOnDemandCapacity, false, backfill("backfill-weekly", 3, 15*time.Minute, on(10, 24, 12, 5, 0), tb/2)...)

	// A reservation for five small queries, and one for five large ones.
	ran := func(group string, dpus float64, at time.Time, bytes int64) []ask {
		asks := b.every(5, time.Hour, b.console("paul", at, statement{}))
		for i := range asks {
			asks[i].group, asks[i].dpus, asks[i].cases = group, dpus, []string{"capacity"}
			asks[i].stmt = selected(fmt.Sprintf("SELECT account_code, sum(debit) FROM finance.ledger WHERE period = %d GROUP BY account_code", 202600+i), bytes, "finance.ledger")
			asks[i].stmt.database = "finance"
		}
		return asks
	}
	f = b.queryFinding(FindingReservedCapacity, true, ran("finance-reports", 16, on(10, 22, 9, 5, 0), 10*gb)...)
	paid := int64(5*16*300_000_000 - 5*10*1024*5_000_000_000/(1<<20))
	f.SavingNano = &paid
	b.queryFinding(FindingReservedCapacity, false, ran("finance-yearly", 4, on(10, 22, 9, 20, 0), tb)...)
}
