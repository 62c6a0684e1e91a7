package price

import (
	"math"
	"testing"

	"github.com/athenatrail/athenatrail"
)

func TestSession(t *testing.T) {
	table, err := NewTable(Settings{Prices: []Override{{Region: "eu-west-1", From: "2026-09-01", SparkPerDPUHour: "0.30", Currency: "EUR"}}})
	if err != nil {
		t.Fatal(err)
	}
	day := func(s string) athenatrail.Date {
		d, err := athenatrail.ParseDate(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	f := func(region, on string, dpuMillis int64, amount, currency, basis string) {
		t.Helper()
		got := table.Session(region, day(on), &dpuMillis)
		text := ""
		if got.Amount != nil {
			text = got.Amount.String()
		}
		if text != amount || got.Currency != currency || got.Basis != basis || got.BilledBytes != nil {
			t.Errorf("%s %s %d: %s %s %s, want %s %s %s", region, on, dpuMillis, text, got.Currency, got.Basis, amount, currency, basis)
		}
	}
	f("us-east-1", "2026-10-01", 3_600_000, "0.350000000", "USD", athenatrail.BasisList)
	f("us-east-1", "2026-10-01", 0, "0.000000000", "USD", athenatrail.BasisList)
	f("us-east-1", "2026-10-01", 1, "0.000000097", "USD", athenatrail.BasisList) // 0.0000000972...
	f("eu-west-1", "2026-10-01", 1_800_000, "0.150000000", "EUR", athenatrail.BasisCustom)
	f("xx-nowhere-1", "2026-10-01", 3_600_000, "", "", athenatrail.BasisUnpriced)
	f("us-east-1", "2026-10-01", math.MaxInt64, "", "", athenatrail.BasisUnpriced) // no column could hold it
	f("us-east-1", "2026-10-01", -1, "", "", "")
	if got := table.Session("us-east-1", day("2026-10-01"), nil); got != (Cost{}) {
		t.Errorf("without DPU time: %+v", got)
	}
}
