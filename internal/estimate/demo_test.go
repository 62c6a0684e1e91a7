package estimate_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/demo"
	"github.com/athenatrail/athenatrail/internal/estimate"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// partitioned are the company's tables that its statements filter by day.
var partitioned = map[string]estimate.Table{
	"awsdatacatalog.raw.clickstream": {Partitions: []string{"dt"}},
	"awsdatacatalog.raw.app_events":  {Partitions: []string{"dt", "hour"}},
}

// run returns what the lake has of a start.
func run(t *demo.Truth) *estimate.Run {
	at, err := time.Parse(time.RFC3339, t.EventTime)
	if err != nil {
		return nil
	}
	r := &estimate.Run{ID: t.QueryExecutionID, AccountID: t.AccountID, RegionName: t.Region, QueryFingerprint: sqlref.Fingerprint(t.SQL), StatementType: t.StatementType,
		TablesAccessed: append(slices.Clone(t.Reads), t.Writes...), TablesWritten: slices.Sorted(slices.Values(t.Writes)), StartedAt: at, State: t.State,
		DataScannedBytes: t.ScannedBytes, ReusedResult: &t.Reused}
	slices.Sort(r.TablesAccessed)
	r.TablesAccessed = slices.Compact(r.TablesAccessed)
	r.Filtered = estimate.Filtered(t.SQL, t.Reads, partitioned)
	return r
}

// An accuracy is how estimates of one basis did.
type accuracy struct {
	n, inside int
	factors   []float64 // actual against likely, whichever is larger on top
	likely    float64
	actual    float64
}

// TestBacktest estimates the queries of the last ten days, each from the others
// (leave one out), from those before it, and as if the same query had never
// run. What it logs is the table of docs/estimate.md.
func TestBacktest(t *testing.T) {
	prices, err := price.NewTable(price.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	truths := demo.Generate(demo.Options{}).Truths()
	var runs []*estimate.Run
	for i := range truths {
		if r := run(&truths[i]); r != nil {
			runs = append(runs, r)
		}
	}
	from := time.Date(2026, 10, 23, 0, 0, 0, 0, time.UTC)
	for _, how := range []string{"others", "before", "never run"} {
		got, asked := map[estimate.Basis]*accuracy{}, 0
		for i := range truths {
			x := &truths[i]
			if runs[i].StartedAt.Before(from) || x.State != "SUCCEEDED" || x.Reused || x.ScannedBytes == nil || x.Probe || x.SQL == "" || x.StatementType != "DML" || i%5 != 0 {
				continue
			}
			asked++
			plan := estimate.Read(estimate.Query{SQL: x.SQL, Database: x.Database, Account: x.AccountID, Region: x.Region})
			h := estimate.NewHistory(plan, partitioned)
			for _, r := range runs {
				if how == "before" && !r.StartedAt.Before(runs[i].StartedAt) || how == "never run" && r.QueryFingerprint == plan.Fingerprint {
					continue
				}
				if h.Tells(r) {
					h.Add(r)
				}
			}
			e := h.Estimate(prices, athenatrail.DateOf(runs[i].StartedAt), x.QueryExecutionID)
			a := got[e.Basis]
			if a == nil {
				a = new(accuracy)
				got[e.Basis] = a
			}
			a.n++
			if e.Likely == nil {
				continue
			}
			actual, likely := float64(*x.ScannedBytes), float64(*e.Likely)
			if *x.ScannedBytes >= *e.Low && *x.ScannedBytes <= *e.High {
				a.inside++
			}
			a.likely += likely
			a.actual += actual
			a.factors = append(a.factors, math.Exp(math.Abs(math.Log((actual+1)/(likely+1)))))
		}
		var lines []string
		known, inside := 0, 0
		for basis, a := range got {
			line := fmt.Sprintf("| %s | %s | %d |", how, basis, a.n)
			if len(a.factors) > 0 {
				slices.Sort(a.factors)
				line += fmt.Sprintf(" %d %% | %.1f | %.2f |", a.inside*100/len(a.factors), a.factors[len(a.factors)/2], a.likely/a.actual)
				known += len(a.factors)
				inside += a.inside
			}
			lines = append(lines, line)
		}
		slices.Sort(lines)
		t.Logf("%d queries, %d known\n%s", asked, known, strings.Join(lines, "\n"))
		// 85 of 100 are to lie between low and high, since these are the tenth and
		// the ninety-fifth; what other queries of the same tables did tells less.
		least := map[string]float64{"others": 0.8, "before": 0.75, "never run": 0.5}[how]
		if share := float64(inside) / float64(max(known, 1)); share < least || how != "never run" && known*10 < asked*9 {
			t.Errorf("by %s: %d of %d known, %.2f of them between low and high", how, known, asked, share)
		}
	}
}
