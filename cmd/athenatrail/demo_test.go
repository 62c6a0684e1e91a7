package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/athenatrail/athenatrail/internal/demo"
)

const demoEvents = 2500

// A row is a row of query_executions, as `athenatrail query` prints it.
type row struct {
	ID        string `json:"query_execution_id"`
	EventID   string `json:"event_id"`
	Account   string `json:"account_id"`
	Region    string `json:"region_name"`
	Date      string `json:"dt"`
	Person    string `json:"person"`
	Source    string `json:"person_source"`
	Kind      string `json:"person_kind"`
	WorkGroup string `json:"work_group_name"`
	Database  string `json:"database_name"`
	State     string `json:"state"`
	Gap       string `json:"gap"`
	ErrorCode string `json:"error_code"`
	Type      string `json:"statement_type"`
	Reused    *bool  `json:"reused_result"`
	Scanned   *int64 `json:"data_scanned_bytes"`
	Billed    *int64 `json:"billed_bytes"`
	Cost      string `json:"cost"` // as text, lest a float round it
	Basis     string `json:"cost_basis"`
	SQL       string `json:"query_string"`
	Team      string `json:"team"`
	Tool      string `json:"tool"`
	Detail    string `json:"tool_detail"`
	Probe     bool   `json:"probe"`
}

const rowQuery = `SELECT query_execution_id, event_id, account_id, region_name, dt, person, person_source, person_kind,
	work_group_name, database_name, state, gap, error_code, statement_type, reused_result, data_scanned_bytes, billed_bytes,
	CAST(cost AS VARCHAR) AS cost, cost_basis, query_string, team, tool, tool_detail, probe FROM queries`

// key is what a row is one of: the execution, or the start that never got one.
func (r row) key() string { return cmp.Or(r.ID, r.EventID) }

// personOf returns who the lake should name: the demo's directory knows every
// id that the rungs answer with.
func personOf(x demo.Truth) string {
	if x.Kind == "human" || x.Kind == "agent" {
		return strings.ToLower(x.Person)
	}
	return x.Answer
}

// TestDemo compares the lake of the demo, start by start, with what the
// generator knows and the program never reads.
func TestDemo(t *testing.T) {
	base := t.TempDir()
	dir, trail := filepath.Join(base, "lake"), filepath.Join(base, "trail")
	r := run(t, nil, "demo", "--no-serve", "--events", strconv.Itoa(demoEvents), "--lake", dir, "--out", trail).mustEnd(t, 0)
	readsItsTrail(t, trail, r.stderr)
	company := demo.Generate(demo.Options{Events: demoEvents})
	truths := company.Truths()
	r = run(t, nil, "query", "--lake", dir, "--output", "jsonl", rowQuery).mustEnd(t, 0)
	got := map[string]row{}
	for _, x := range rows[row](t, r.stdout) {
		if _, twice := got[x.key()]; twice {
			t.Errorf("%s has two rows", x.key())
		}
		got[x.key()] = x
	}
	seen := map[string]int{}
	for _, want := range truths {
		x, ok := got[cmp.Or(want.QueryExecutionID, want.EventID)]
		if !ok {
			t.Errorf("no row for the start %s of %s", want.EventID, want.EventTime)
			continue
		}
		delete(got, x.key())
		compareTruth(t, want, x)
		seen[want.Rung]++
		seen["gap "+want.Gap]++
		seen["basis "+want.CostBasis]++
		for _, c := range want.Cases {
			seen[c]++
		}
	}
	for key, x := range got {
		t.Errorf("a row that no start made: %s: %+v", key, x)
	}
	for _, what := range []string{
		"identity_center", "source_identity", "sso_session", "iam_user", "federated_user", "root_user", "role", "query_comment", "role_chain",
		"notebook_session", "forged_comment",
		"gap not_started", "gap pending", "gap expired", "gap ", "basis list", "basis free", "basis capacity",
	} {
		if seen[what] == 0 {
			t.Errorf("the demo has no start with %s: the test shows nothing about it", what)
		}
	}
	t.Run("overview", func(t *testing.T) { overviewAgrees(t, dir, company) })
	t.Run("users", func(t *testing.T) { usersAgree(t, dir, company) })
	t.Run("spark", func(t *testing.T) { sparkAgrees(t, dir, company) })
	t.Run("tables", func(t *testing.T) { tablesAgree(t, dir, company) })
	t.Run("findings", func(t *testing.T) { findingsAgree(t, dir, company) })
	t.Run("unused", func(t *testing.T) { unusedAgrees(t, dir, company) })
	t.Run("unused access", func(t *testing.T) { unusedAccessAgrees(t, dir, company) })
	t.Run("bill", func(t *testing.T) { billAgrees(t, dir, company) })
}

// readsItsTrail checks that the demo read the log files that it kept, all of
// them and nothing else: least of all the truth.
func readsItsTrail(t *testing.T, trail, said string) {
	t.Helper()
	logs := 0
	err := filepath.WalkDir(trail, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.Contains(filepath.Base(path), "_CloudTrail_") {
			logs++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^athenatrail: read ([0-9,]+) log files `).FindStringSubmatch(said)
	if m == nil || strings.ReplaceAll(m[1], ",", "") != strconv.Itoa(logs) {
		t.Errorf("the demo read other files than its %d log files: %s", logs, said)
	}
}

func compareTruth(t *testing.T, want demo.Truth, got row) {
	t.Helper()
	type facts struct {
		Account, Region, Date, State, Gap, ErrorCode, Type, Scanned, Billed, Cost, Basis, SQL string
		Reused                                                                                bool
	}
	number := func(n *int64) string {
		if n == nil {
			return "unknown"
		}
		return fmt.Sprint(*n)
	}
	money := ""
	if n := want.CostNano; n != nil {
		money = fmt.Sprintf("%d.%09d", *n/1e9, *n%1e9)
	}
	scanned := number(want.ScannedBytes)
	if want.Gap == "pending" {
		scanned = number(got.Scanned) // what it had read so far; the truth does not say
	}
	sql := want.SQL
	if want.Gap == "expired" {
		sql = "" // Athena does not know it any more
	}
	w := facts{want.AccountID, want.Region, want.EventTime[:10], want.State, want.Gap, want.ErrorCode, want.StatementType,
		scanned, number(want.BilledBytes), money, want.CostBasis, sql, want.Reused}
	g := facts{got.Account, got.Region, got.Date, got.State, got.Gap, got.ErrorCode, got.Type,
		number(got.Scanned), number(got.Billed), got.Cost, got.Basis, got.SQL, got.Reused != nil && *got.Reused}
	if want.Gap == "expired" {
		w.Type = ""
	}
	if g != w {
		t.Errorf("%s (%v):\n got %+v\nwant %+v", got.key(), want.Cases, g, w)
	}
	if want.WorkGroup != got.WorkGroup || want.Database != got.Database {
		t.Errorf("%s (%v): work group %q, database %q, want %q and %q", got.key(), want.Cases, got.WorkGroup, got.Database, want.WorkGroup, want.Database)
	}
	compareWho(t, want, got)
}

// compareWho compares who it was and with what. The wrong person is worse than
// none, so there is no tolerance for one.
func compareWho(t *testing.T, want demo.Truth, got row) {
	t.Helper()
	rung := want.Rung
	if want.Rung == "iam_user" && want.Kind == "service" {
		rung = "service" // a user that is shared
	}
	if got.Person != personOf(want) || got.Source != rung || got.Kind != want.Kind {
		t.Errorf("%s (%v): %s %q by %s, want %s %q by %s", got.key(), want.Cases, got.Kind, got.Person, got.Source, want.Kind, personOf(want), rung)
	}
	// Two that no rule and no line of the directory is about.
	team := want.Team
	if want.Answer == "lambda-freshness-check" || want.Rung == "root_user" {
		team = "unassigned"
	}
	if got.Team != team {
		t.Errorf("%s (%v): %s is in team %q, want %q", got.key(), want.Cases, got.Person, got.Team, team)
	}
	if slices.Contains(want.Cases, "forged_comment") || want.Gap == "expired" {
		return // the comment, or its absence, speaks of another tool
	}
	detail := want.ToolDetail
	if want.Tool == "dbt" && !strings.Contains(got.SQL, want.Node) {
		detail = "" // dbt writes no comment into DROP and the like
	}
	if want.Tool == "redash" || want.Tool == "ai-agent" {
		detail = got.Detail // the truth does not tell
	}
	if got.Tool != want.Tool || got.Detail != detail || got.Probe != want.Probe {
		t.Errorf("%s (%v): %s %q, probe %t, want %s %q, probe %t", got.key(), want.Cases, got.Tool, got.Detail, got.Probe, want.Tool, detail, want.Probe)
	}
}

// A sum is what views say of a group of starts.
type sum struct {
	Executions int64 `json:"executions"`
	Failed     int64 `json:"failed"`
	NotStarted int64 `json:"not_started"`
	Scanned    int64 `json:"data_scanned_bytes"`
	Billed     int64 `json:"billed_bytes"`
	CostNano   int64 `json:"-"`
}

func (s *sum) add(t demo.Truth) {
	if t.Gap == "not_started" {
		s.NotStarted++
		return
	}
	s.Executions++
	if t.State == "FAILED" {
		s.Failed++
	}
	for _, part := range []struct {
		to *int64
		n  *int64
	}{{&s.Scanned, t.ScannedBytes}, {&s.Billed, t.BilledBytes}, {&s.CostNano, t.CostNano}} {
		if part.n != nil {
			*part.to += *part.n
		}
	}
}

// A viewRow is a row of a view with its name and sums.
type viewRow struct {
	Section string      `json:"section"`
	Name    string      `json:"name"`
	Person  string      `json:"person"`
	Kind    string      `json:"person_kind"`
	Cost    json.Number `json:"cost"`
	sum
}

func (r viewRow) sums(t *testing.T) sum {
	t.Helper()
	s := r.sum
	if r.Cost != "" {
		whole, part, _ := strings.Cut(string(r.Cost), ".")
		if len(part) > 9 {
			t.Fatalf("cost %s: more than nine digits", r.Cost)
		}
		n, err := strconv.ParseInt(whole+part+strings.Repeat("0", 9-len(part)), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		s.CostNano = n
	}
	return s
}

// view asks for a view over all of the demo's days.
func view(t *testing.T, dir, name string, args ...string) []viewRow {
	t.Helper()
	args = append([]string{"report", name, "--lake", dir, "--output", "json", "--from", "2026-09-28", "--to", "2026-11-03"}, args...)
	r := run(t, nil, args...).mustEnd(t, 0)
	var page struct{ Rows []viewRow }
	if err := json.Unmarshal([]byte(r.stdout), &page); err != nil {
		t.Fatal(err)
	}
	return page.Rows
}

// overviewAgrees compares the overview with sums over the truth. A pending
// execution's bytes so far are in the view and not in the truth, so bytes
// scanned are compared without them.
func overviewAgrees(t *testing.T, dir string, company *demo.Company) {
	truths := company.Truths()
	var total sum
	for _, x := range company.SparkTruths() {
		if x.CostNano != nil && x.StartedAt >= "2026-09-28" { // views are asked from then on
			total.CostNano += *x.CostNano
		}
	}
	gaps := map[string]int64{}
	for _, x := range truths {
		total.add(x)
		if x.Gap != "" {
			gaps[x.Gap]++
		}
	}
	type pending struct{ N int64 }
	r := run(t, nil, "query", "--lake", dir, "--output", "jsonl",
		"SELECT coalesce(sum(data_scanned_bytes), 0) AS n FROM query_executions WHERE gap = 'pending'").mustEnd(t, 0)
	total.Scanned += rows[pending](t, r.stdout)[0].N
	attributed, found := int64(0), 0
	for _, x := range view(t, dir, "overview") {
		switch x.Section {
		case "total":
			found++
			if got := x.sums(t); got != total {
				t.Errorf("total %+v, want %+v", got, total)
			}
		case "attribution":
			attributed += x.sums(t).CostNano
		case "gaps":
			found++
			if n := x.Executions + x.NotStarted; n != gaps[x.Name] {
				t.Errorf("%d starts with the gap %s, want %d", n, x.Name, gaps[x.Name])
			}
		}
	}
	if found != 1+len(gaps) {
		t.Errorf("%d rows of totals and gaps, want %d", found, 1+len(gaps))
	}
	if attributed != total.CostNano {
		t.Errorf("the parts by attribution cost %d, the whole %d", attributed, total.CostNano)
	}
}

// usersAgree compares the view users, person by person.
func usersAgree(t *testing.T, dir string, company *demo.Company) {
	truths := company.Truths()
	want := map[string]sum{}
	for _, x := range company.SparkTruths() {
		if x.CostNano != nil && x.Kind == "human" && x.Gap != "no_event" {
			person := strings.ToLower(x.Person)
			s := want[person]
			s.CostNano += *x.CostNano
			want[person] = s
		}
	}
	for _, x := range truths {
		if x.Kind == "human" {
			s := want[personOf(x)]
			s.add(x)
			want[personOf(x)] = s
		}
	}
	compared := 0
	for _, x := range view(t, dir, "users", "--probes", "--own", "--limit", "0") {
		if x.Kind != "human" || hasPending(truths, x.Person) {
			continue
		}
		compared++
		if got := x.sums(t); got != want[x.Person] {
			t.Errorf("%s: %+v, want %+v", x.Person, got, want[x.Person])
		}
	}
	if compared < 10 {
		t.Errorf("only %d persons compared", compared)
	}
}

// hasPending tells whether something of a person still runs: the view counts
// the bytes so far, which the truth does not tell.
func hasPending(truths []demo.Truth, person string) bool {
	return slices.ContainsFunc(truths, func(x demo.Truth) bool { return x.Gap == "pending" && strings.EqualFold(personOf(x), person) })
}

// TestDemoTwice shows that the demo is deterministic, down to the bytes of its
// lake.
func TestDemoTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the demo twice")
	}
	base := t.TempDir()
	dirs := [2]string{filepath.Join(base, "one"), filepath.Join(base, "two")}
	var wg sync.WaitGroup
	for _, dir := range dirs {
		wg.Go(func() {
			if r := ended(t, program(t, t.Context(), "athenatrail", nil, "demo", "--no-serve", "--events", "1000", "--lake", dir)); r.code != 0 {
				t.Errorf("exit code %d: %s", r.code, r.stderr)
			}
		})
	}
	wg.Wait()
	one, two := contents(t, diskLake(t, dirs[0])), contents(t, diskLake(t, dirs[1]))
	if len(one) < 300 {
		t.Errorf("the demo's lake has %d files", len(one))
	}
	mustEqual(t, one, two)
	for _, dir := range dirs {
		mustBeSound(t, diskLake(t, dir))
	}
}
