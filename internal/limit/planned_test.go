package limit

import (
	"fmt"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
)

// TestPlan: what a query would do to each limit that it falls under, without
// having run.
func TestPlan(t *testing.T) {
	now := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	ls, err := Compile([]Definition{
		{Name: "bytes", Per: "person", Measure: "scanned_bytes", Window: "day", Amount: "10 GB"},
		{Name: "money", Per: "team", Measure: "cost", Window: "day", Amount: "5 USD"},
		{Name: "euros", Per: "team", Measure: "cost", Window: "day", Amount: "5 EUR"},
		{Name: "count", Per: "all", Measure: "queries", Window: "day", Amount: "2"},
		{Name: "one", Per: "person", Measure: "query_bytes", Window: "day", Amount: "4 GB"},
		{Name: "table", Match: Match{Table: []string{"raw.*"}}, Per: "person", Measure: "scanned_bytes", Window: "day", Amount: "1 GB"},
		{Name: "exempt", Per: "person", Measure: "scanned_bytes", Window: "day", Amount: "1 GB",
			Exempt: []Exempt{{Match: Match{Person: []string{"rosa"}}, Until: "2026-12-01", Reason: "closing"}}},
		{Name: "ended", Per: "person", Measure: "scanned_bytes", Window: "day", Amount: "100 GB",
			Exempt: []Exempt{{Match: Match{Person: []string{"rosa"}}, Until: "2026-11-01", Reason: "closing"}}},
		{Name: "spark", Per: "person", Measure: "dpu_time", Window: "day", Amount: "1 h"},
		{Name: "failures", Per: "person", Measure: "failed_share", Window: "day", Amount: "20 %"},
		{Name: "others", Match: Match{Person: []string{"ines"}}, Per: "person", Measure: "scanned_bytes", Window: "day", Amount: "1 GB"},
	}, Options{Zone: time.UTC, LoadZone: time.LoadLocation})
	if err != nil {
		t.Fatal(err)
	}
	meter := ls.Meter(Moment{Now: now, At: now, CompleteTo: now}, false)
	bytes, cost := int64(6e9), athenatrail.Money(athenatrail.MoneyScale)
	e := Execution{Person: "rosa", PersonKind: "human", Team: "sales", AccountID: "111122223333", State: "SUCCEEDED", SubmissionDateTime: now.Add(-time.Hour),
		DataScannedBytes: &bytes, Cost: &cost, Currency: "USD", CostBasis: "list", TablesAccessed: []string{"awsdatacatalog.raw.clicks"}}
	u := e.usage()
	meter.Usage(&u)
	meter.Execution(&e)
	report := meter.Report(nil)
	next := Execution{Person: "rosa", PersonKind: "human", Team: "sales", AccountID: "111122223333", TablesAccessed: []string{"awsdatacatalog.raw.users"}}
	likely, high := int64(3e9), int64(5e9)
	var got []string
	for _, p := range report.Plan(ls, &next, func(a Amount) (*int64, *int64) {
		if a.Measure == Cost {
			return nil, nil
		}
		return &likely, &high
	}) {
		text := fmt.Sprint(p.Limit.Name, " ", p.Subject, " ", p.Limit.Amount.Format(p.Used), ": ")
		switch {
		case p.Exempt:
			text += "exempt"
		case p.After == nil:
			text += "not known"
		default:
			text += fmt.Sprint(p.Limit.Amount.Format(*p.After), " ", p.Exceeds(p.After), ", ", p.Limit.Amount.Format(*p.AfterHigh), " ", p.Exceeds(p.AfterHigh))
		}
		got = append(got, text)
	}
	want := []string{
		"bytes rosa 6.00 GB: 9.00 GB false, 11.0 GB true",
		"money sales $1.00: not known",
		"euros sales 0.00 EUR: not known",
		"count all together 1 query: 2 queries false, 2 queries false",
		"one rosa 6.00 GB: 3.00 GB false, 5.00 GB true",
		"table rosa 6.00 GB: 9.00 GB true, 11.0 GB true",
		"exempt rosa 0 B: exempt",
		"ended rosa 6.00 GB: 9.00 GB false, 11.0 GB false",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
