package demo

import (
	"slices"
	"strings"
	"testing"
)

// Each finding about executions has a case that is one and one that is none,
// and what it costs is what its executions cost.
func TestQueryFindings(t *testing.T) {
	c := Generate(small)
	truths := map[string]Truth{}
	for _, x := range c.Truths() {
		truths[x.QueryExecutionID] = x
	}
	fires := map[string][2]int{}
	for _, f := range c.QueryFindings() {
		n, mark := fires[f.Finding], "no_finding_"+f.Finding
		if f.Fires {
			n[0]++
			mark = "finding_" + f.Finding
		} else {
			n[1]++
		}
		fires[f.Finding] = n
		var sum int64
		last := ""
		for i, id := range f.QueryExecutionIDs {
			x, ok := truths[id]
			if !ok || x.AccountID != f.AccountID || x.Region != f.Region || !slices.Contains(x.Cases, mark) || x.EventTime < last {
				t.Errorf("%s: %s is %+v", f.Finding, id, x)
			}
			if last = x.EventTime; i > 0 && x.CostNano != nil {
				sum += *x.CostNano
			}
		}
		if f.Finding == FindingRepeatedQuery && f.SavingNano != nil && *f.SavingNano != sum {
			t.Errorf("%s saves %d, want %d", f.Finding, *f.SavingNano, sum)
		}
	}
	for _, name := range []string{FindingRepeatedQuery, FindingSelectStar, FindingSmallScans, FindingCancelledQueries, FindingRepeatedFailures, FindingSharedAccess, FindingFirstAccess,
		FindingTextFormats, FindingOnDemandCapacity, FindingReservedCapacity} {
		if n := fires[name]; n[0] == 0 || n[1] == 0 {
			t.Errorf("%s: %d cases that are one, %d that are none", name, n[0], n[1])
		}
	}
	for id, x := range truths {
		if slices.ContainsFunc(x.Cases, func(s string) bool { return strings.HasSuffix(s, "finding_"+FindingCancelledQueries) }) && x.State != "CANCELLED" {
			t.Errorf("%s is %s", id, x.State)
		}
		if slices.ContainsFunc(x.Cases, func(s string) bool { return strings.HasSuffix(s, "finding_"+FindingRepeatedFailures) }) && x.State != "FAILED" {
			t.Errorf("%s is %s", id, x.State)
		}
	}
}
