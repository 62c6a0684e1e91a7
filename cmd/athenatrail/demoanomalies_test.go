package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/demo"
)

// An anomalyRow is a row of report anomalies.
type anomalyRow struct {
	Kind     string    `json:"subject_kind"`
	Subject  string    `json:"subject"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	What     string    `json:"what"`
	Also     string    `json:"also"`
	Evidence string    `json:"evidence"`
	Cost     float64   `json:"cost"`
	Excess   float64   `json:"excess_cost"`
}

// TestDemoAnomalies: what internal/anomaly shows of a company's truth holds for
// the lake that is collected of its trail, and the ids lead to the executions.
func TestDemoAnomalies(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole company")
	}
	const seed = 900
	dir := filepath.Join(t.TempDir(), "lake")
	run(t, nil, "demo", "--no-serve", "--anomalies", "900", "--lake", dir).mustEnd(t, 0)
	list := rows[anomalyRow](t, run(t, nil, "report", "anomalies", "--lake", dir, "--from", "2026-10-19", "--to", "2026-11-02", "--output", "jsonl").mustEnd(t, 0).stdout)

	company := demo.Generate(demo.Options{Seed: seed, Anomalies: true})
	costs := map[string]int64{}
	for _, x := range company.Truths() {
		if x.CostNano != nil {
			costs[x.QueryExecutionID] = *x.CostNano
		}
	}
	found, evidence := 0, 0
	for _, want := range company.Anomalies() {
		if want.Kind == demo.AnomalyStory {
			continue
		}
		at := slices.IndexFunc(list, func(a anomalyRow) bool {
			names := append(strings.Split(a.Also, ", "), a.Subject)
			return a.From.Before(want.To) && want.From.Before(a.To) &&
				(slices.Contains(names, want.Name) || slices.Contains(names, want.Subject+" "+want.Name))
		})
		if at < 0 {
			continue
		}
		found++
		for id := range strings.FieldsSeq(list[at].Evidence) {
			if slices.Contains(want.QueryExecutionIDs, id) {
				evidence++
				break
			}
		}
	}
	t.Logf("%d rows, %d of %d found, %d with evidence", len(list), found, demo.Anomalies, evidence)
	if found*10 < demo.Anomalies*8 || evidence < found-1 || len(list) > found*5/4+len(company.Anomalies())-demo.Anomalies {
		t.Errorf("%d rows, %d of %d found, %d with evidence", len(list), found, demo.Anomalies, evidence)
	}
	for _, a := range list {
		var sum float64
		for id := range strings.FieldsSeq(a.Evidence) {
			if cost, ok := costs[id]; ok {
				sum += float64(cost) / 1e9
			}
		}
		if sum > a.Cost+1e-6 || a.Excess > a.Cost+1e-6 || !strings.Contains(a.What, a.Subject) {
			t.Errorf("its executions cost %.2f of %+v", sum, a)
		}
	}
}
