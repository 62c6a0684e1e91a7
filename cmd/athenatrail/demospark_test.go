package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/demo"
)

// A sparkRow is a row of sessions or calculations, as `athenatrail query`
// prints it.
type sparkRow struct {
	ID          string `json:"id"`
	Session     string `json:"session_id"`
	Account     string `json:"account_id"`
	Region      string `json:"region_name"`
	Person      string `json:"person"`
	Source      string `json:"person_source"`
	Team        string `json:"team"`
	Notebook    string `json:"notebook_id"`
	WorkGroup   string `json:"work_group_name"`
	Role        string `json:"execution_role"`
	Gap         string `json:"gap"`
	State       string `json:"state"`
	Started     string `json:"started"`
	Ended       string `json:"ended"`
	EndedBy     string `json:"ended_by"`
	Timeout     *int   `json:"idle_timeout_minutes"`
	DPUMillis   *int64 `json:"dpu_ms"`
	Idle        *int64 `json:"idle_dpu_ms"`
	Cost        string `json:"cost"`
	IdleCost    string `json:"idle_cost"`
	Basis       string `json:"cost_basis"`
	Description string `json:"description"`
	Progress    string `json:"progress"`
}

const (
	sessionQuery = `SELECT session_id AS id, session_id, account_id, region_name, person, person_source, team, notebook_id, work_group_name,
		execution_role, gap, state, strftime(started_at, '%Y-%m-%dT%H:%M:%S.%gZ') AS started, strftime(ended_at, '%Y-%m-%dT%H:%M:%S.%gZ') AS ended,
		ended_by, idle_timeout_minutes, dpu_ms, idle_dpu_ms, CAST(cost AS VARCHAR) AS cost, CAST(idle_cost AS VARCHAR) AS idle_cost, cost_basis
		FROM sessions`
	calculationQuery = `SELECT calculation_execution_id AS id, session_id, account_id, region_name, person, person_source, team, notebook_id,
		gap, state, progress, description, strftime(submitted_at, '%Y-%m-%dT%H:%M:%S.%gZ') AS started,
		strftime(completed_at, '%Y-%m-%dT%H:%M:%S.%gZ') AS ended, dpu_ms, CAST(cost_share AS VARCHAR) AS cost FROM calculations`
)

func sparkRows(t *testing.T, dir, query string) map[string]sparkRow {
	t.Helper()
	r := run(t, nil, "query", "--lake", dir, "--output", "jsonl", query).mustEnd(t, 0)
	out := map[string]sparkRow{}
	for _, x := range rows[sparkRow](t, r.stdout) {
		if _, twice := out[x.ID]; twice && x.ID != "" {
			t.Errorf("%s has two rows", x.ID)
		}
		out[x.ID] = x
	}
	return out
}

func moment(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

func nanoText(n *int64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprintf("%d.%09d", *n/1e9, *n%1e9)
}

// sparkAgrees compares every session and calculation with the truth.
func sparkAgrees(t *testing.T, dir string, company *demo.Company) {
	sessions := sparkRows(t, dir, sessionQuery)
	people := map[string]string{} // of sessions whose start the trail holds
	for _, want := range company.SparkTruths() {
		got, ok := sessions[want.SessionID]
		if !ok {
			if slices.Contains(want.Cases, "forgotten") || want.Gap != "" && want.State == "" {
				continue // neither the trail nor Athena tells of it
			}
			t.Errorf("no row for the session %s (%v)", want.SessionID, want.Cases)
			continue
		}
		delete(sessions, want.SessionID)
		compareSession(t, want, got)
		if want.Gap != "no_event" {
			people[want.SessionID] = want.Person
		}
	}
	for id, x := range sessions {
		if x.Gap != "not_started" {
			t.Errorf("a session that nobody started: %s: %+v", id, x)
		}
	}
	calculations := sparkRows(t, dir, calculationQuery)
	for _, want := range company.CalculationTruths() {
		got, ok := calculations[want.CalculationID]
		if !ok {
			t.Errorf("no row for the calculation %s (%v)", want.CalculationID, want.Cases)
			continue
		}
		delete(calculations, want.CalculationID)
		compareCalculation(t, want, got)
	}
	for id, x := range calculations {
		t.Errorf("a calculation that nobody asked for: %s: %+v", id, x)
	}
	if len(people) < 10 {
		t.Errorf("only %d sessions have a human", len(people))
	}
}

func sparkPerson(kind, person, rung, answer string) string {
	if rung == "role" || kind == "service" {
		return answer
	}
	return strings.ToLower(person)
}

func compareSession(t *testing.T, want demo.SparkTruth, got sparkRow) {
	t.Helper()
	type facts struct {
		Account, Region, Person, Source, Notebook, WorkGroup, Gap, State, Started, Ended, DPU, Cost, Basis string
	}
	number := func(n *int64) string {
		if n == nil {
			return ""
		}
		return fmt.Sprint(*n)
	}
	person, rung := sparkPerson(want.Kind, want.Person, want.Rung, want.Answer), want.Rung
	if want.Gap == "no_event" {
		person, rung = "unknown", "none"
	}
	w := facts{want.AccountID, want.Region, person, rung, want.NotebookID, want.WorkGroup, want.Gap, want.State,
		moment(want.StartedAtMillis), moment(want.EndedAtMillis), number(want.DPUMillis), nanoText(want.CostNano), want.CostBasis}
	g := facts{got.Account, got.Region, got.Person, got.Source, got.Notebook, got.WorkGroup, got.Gap, got.State,
		got.Started, got.Ended, number(got.DPUMillis), got.Cost, got.Basis}
	if want.Gap == "pending" {
		w.DPU = g.DPU // so far, which the truth does not tell
	}
	if want.Gap == "expired" {
		w.Started, w.Ended, w.State, w.WorkGroup, w.Notebook = g.Started, g.Ended, g.State, g.WorkGroup, g.Notebook
	}
	if g != w {
		t.Errorf("session %s (%v):\n got %+v\nwant %+v", want.SessionID, want.Cases, g, w)
	}
	if want.DPUMillis != nil && got.Idle != nil && want.NotebookID != "" && want.Gap == "" {
		if idle := max(0, *want.DPUMillis-want.CalculationDPUMillis); *got.Idle != idle {
			t.Errorf("session %s (%v): idle %d, want %d", want.SessionID, want.Cases, *got.Idle, idle)
		}
	}
	if want.EndedBy != "" && want.Kind == "human" && !strings.EqualFold(got.EndedBy, want.EndedBy) && want.Gap == "" {
		t.Errorf("session %s (%v): ended by %q, want %q", want.SessionID, want.Cases, got.EndedBy, want.EndedBy)
	}
}

func compareCalculation(t *testing.T, want demo.CalculationTruth, got sparkRow) {
	t.Helper()
	person := sparkPerson("", want.Person, want.Rung, want.Answer)
	type facts struct{ Session, Account, Region, Person, Source, Gap, State, Progress string }
	w := facts{want.SessionID, want.AccountID, want.Region, person, want.Rung, want.Gap, want.State, want.Progress}
	g := facts{got.Session, got.Account, got.Region, got.Person, got.Source, got.Gap, got.State, got.Progress}
	if g != w {
		t.Errorf("calculation %s (%v):\n got %+v\nwant %+v", want.CalculationID, want.Cases, g, w)
	}
}
