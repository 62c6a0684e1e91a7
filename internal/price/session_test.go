package price

import (
	"math"
	"testing"

	"pgregory.net/rapid"

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

// TestSessionProperties shows that a session's cost is never negative, and that
// more DPU time never costs less.
func TestSessionProperties(t *testing.T) {
	table, err := NewTable(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	millis := rapid.OneOf(rapid.Int64Range(0, 1e9), rapid.Int64Range(0, math.MaxInt64))
	rapid.Check(t, func(t *rapid.T) {
		few, more := millis.Draw(t, "few"), millis.Draw(t, "more")
		few, more = min(few, more), max(few, more)
		region := rapid.SampledFrom([]string{"us-east-1", "sa-east-1", "cn-northwest-1", "xx-nowhere-1"}).Draw(t, "region")
		small, large := table.Session(region, 20000, &few), table.Session(region, 20000, &more)
		switch {
		case small.Amount == nil && large.Amount != nil:
			t.Fatalf("%d ms have no cost, %d have %s", few, more, large.Amount)
		case large.Amount != nil && (*small.Amount < 0 || *large.Amount < *small.Amount):
			t.Fatalf("%d ms cost %s, %d cost %s", few, small.Amount, more, large.Amount)
		}
	})
}
