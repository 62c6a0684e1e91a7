package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
)

func records(t testing.TB, columns []format.Column, all func() ([][]any, error)) []map[string]any {
	t.Helper()
	rows, err := all()
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	for _, row := range rows {
		m := map[string]any{}
		for i, c := range columns {
			m[c.Name] = row[i]
		}
		list = append(list, m)
	}
	return list
}

// everyView returns each view with parameters that it takes.
func everyView() map[string]Params {
	m := map[string]Params{}
	for _, v := range Views() {
		p := week
		if len(v.By) > 0 && len(v.DefaultBy) == 0 {
			p.By = []string{"person", "day"}
		}
		if v.Argument != "" {
			p.Arg = map[string]string{"NOTEBOOK": bookID, "TABLE": "orders"}[v.Argument]
		}
		m[v.Name] = p
	}
	return m
}

func TestColumnsOfEveryKind(t *testing.T) {
	want := map[string]string{
		"query_execution_id": "VARCHAR", "hour": "INTEGER", "person": "VARCHAR", "mfa": "BOOLEAN", "console": "BOOLEAN",
		"tables_accessed": "VARCHAR[]", "submission_date_time": "TIMESTAMP", "error_category": "INTEGER",
		"data_scanned_bytes": "BIGINT", "cost": "DECIMAL(18,9)", "dpu_count": "DOUBLE", "reused_result": "BOOLEAN",
	}
	got := map[string]string{}
	for _, c := range tableNamed("query_executions").columns {
		if _, ok := want[c.name]; ok {
			got[c.name] = c.sql
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if n := len(tableNamed("usage_rollup").columns); n != 18+10+40 {
		t.Errorf("usage_rollup has %d columns", n)
	}
}

func TestEmptyLake(t *testing.T) {
	d := open(t, t.TempDir(), Options{})
	for view, p := range everyView() {
		if p.Arg != "" { // there is nothing that it could be about
			_, err := d.Report(context.Background(), view, p)
			mustFail(t, err, "unknown "+map[string]string{bookID: "notebook", "orders": "table"}[p.Arg])
			continue
		}
		rows := answer(t, d, view, p)
		want := 0
		if view == "spend" {
			want = 7 // days without spend are days
		}
		if len(rows) != want {
			t.Errorf("%s of an empty lake: %v", view, rows)
		}
	}
	for _, name := range sqlViews() {
		r, err := d.Query(context.Background(), "SELECT * FROM "+name, 0)
		if err != nil {
			t.Fatal(err)
		}
		if rows, err := r.All(); err != nil || len(rows) != 0 {
			t.Errorf("%s: %v, %v", name, rows, err)
		}
	}
}

// An older lake's files lack columns that were added since, and a newer one's
// may have more.
func TestFilesThatLackColumns(t *testing.T) {
	type old struct {
		QueryExecutionID   string             `parquet:"query_execution_id,optional"`
		AccountID          string             `parquet:"account_id"`
		RegionName         string             `parquet:"region_name"`
		Person             string             `parquet:"person"`
		SubmissionDateTime time.Time          `parquet:"submission_date_time,timestamp(millisecond:local)"`
		State              string             `parquet:"state,optional"`
		Cost               *athenatrail.Money `parquet:"cost,optional,decimal(9:18)"`
		Currency           string             `parquet:"currency,optional"`
		CostBasis          string             `parquet:"cost_basis,optional"`
		Later              string             `parquet:"added_by_a_newer_version"`
	}
	l := &lakeDir{t: t, noRollup: true, executions: []athenatrail.QueryExecution{execution(1, weekStart, "alice", 100, 5e9)}}
	root := l.write()
	writeFile(t, filepath.Join(root, "tables/query_executions_open/dt=2026-11-02/"+accountB+"_us-east-1.parquet"),
		[]old{{"old-query-1", accountB, "us-east-1", "bob", weekStart.AddDate(0, 0, 1), "SUCCEEDED", ptr(athenatrail.Money(7e9)), "USD", "list", "x"}})
	d := open(t, root, Options{})
	p := week
	p.Rows = true
	for view, p := range everyView() {
		if p.Rows = true; p.Arg != "" {
			continue
		}
		answer(t, d, view, p)
	}
	rows := answer(t, d, "users", p)
	if len(rows) != 2 || rows[0]["person"] != "bob" || rows[0]["cost"] != json.Number("7") || rows[0]["data_scanned_bytes"] != nil ||
		rows[0]["coverage_percent"] != 0.0 || rows[1]["coverage_percent"] != 100.0 {
		t.Errorf("got %v", rows)
	}
	r, err := d.Query(context.Background(), "SELECT query_execution_id, tool, mfa, tables_accessed, dt FROM query_executions ORDER BY 1", 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.All()
	want := [][]any{
		{execution(1, weekStart, "", 0, 0).QueryExecutionID, nil, nil, []any{"awsdatacatalog.sales.orders"}, weekStart},
		{"old-query-1", nil, nil, nil, weekStart.AddDate(0, 0, 1)},
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
	// The roll-up is not there at all: the views that stand on it are empty,
	// not broken.
	if rows := answer(t, d, "users", week); len(rows) != 0 {
		t.Errorf("got %v", rows)
	}
}

// What the roll-up answers is what the rows answer, for every view, with and
// without conditions.
func TestRollupEqualsRows(t *testing.T) {
	l := &lakeDir{t: t, executions: randomExecutions(400)}
	l.sessions, l.calcs = randomSessions(150)
	d := open(t, l.write(), Options{TimeZone: zone(t, "America/New_York")})
	try := func(view string, p Params) {
		t.Helper()
		fromRollup := answer(t, d, view, p)
		p.Rows = true
		fromRows := answer(t, d, view, p)
		if len(fromRollup) == 0 {
			t.Errorf("%s %+v: nothing", view, p)
		}
		if diff := cmp.Diff(fromRows, fromRollup); diff != "" {
			t.Errorf("%s %+v: rows (-) and roll-up (+) differ:\n%s", view, p, diff)
		}
	}
	wheres := [][]Condition{
		{{Column: "person", Value: "*@example.com"}}, {{Column: "tool", Value: ""}}, {{Column: "tool", Value: "", Not: true}},
		{{Column: "database_name", Value: "sales"}, {Column: "database_name", Value: "web"}, {Column: "state", Value: "FAILED", Not: true}},
		{{Column: "probe", Value: "true"}}, {{Column: "kind", Value: "spark"}},
	}
	for i, v := range Views() {
		p := everyView()[v.Name]
		if !v.rollup {
			continue
		}
		try(v.Name, p)
		if p.Probes, p.Own, p.Where = true, true, wheres[i%len(wheres)]; v.sqlOnly && p.Where[0].Column == "kind" {
			p.Where = wheres[0]
		}
		try(v.Name, p)
	}
	for _, where := range wheres {
		p := week
		if p.Where = where; where[0].Column == "kind" {
			try("users", p) // users-databases knows no Spark
			continue
		}
		try("users-databases", p)
	}
	for _, by := range [][]string{{"month"}, {"hour"}, {"day", "team"}, {"account_id", "region_name", "gap"}, {"cost_basis"}, {"probe", "own"}, {"kind", "gap"}} {
		p := week
		p.By = by
		try("usage", p)
	}
}

// The roll-up is what the views read: with the rows gone they still answer.
func TestRollupIsRead(t *testing.T) {
	l := &lakeDir{t: t, executions: randomExecutions(50)}
	root := l.write()
	if err := os.RemoveAll(filepath.Join(root, "tables/query_executions_open")); err != nil {
		t.Fatal(err)
	}
	d := open(t, root, Options{})
	if len(answer(t, d, "users", week)) == 0 {
		t.Error("nothing from the roll-up")
	}
	p := week
	p.Where = []Condition{{Column: "source_ip", Value: "192.0.2.1"}}
	if len(answer(t, d, "users", p)) != 0 {
		t.Error("a condition that the roll-up cannot answer was answered from it")
	}
	p = week
	p.From = p.From.Add(time.Minute)
	if len(answer(t, d, "users", p)) != 0 {
		t.Error("a window that the roll-up cannot answer was answered from it")
	}
}

// sums is what plain Go makes of some executions.
type sums struct {
	Executions, Failed, NotStarted, Known, Scanned, Billed int64
	Cost                                                   *athenatrail.Money
	People                                                 map[string]bool
	latency                                                []int64
}

func (s *sums) add(e athenatrail.QueryExecution) {
	if e.Gap == athenatrail.GapNotStarted {
		s.NotStarted++
	} else {
		s.Executions++
	}
	if e.State == "FAILED" {
		s.Failed++
	}
	if e.PersonKind == athenatrail.PersonHuman {
		if s.People == nil {
			s.People = map[string]bool{}
		}
		s.People[e.Person] = true
	}
	if e.DataScannedBytes != nil {
		s.Known++
		s.Scanned += *e.DataScannedBytes
	}
	if e.BilledBytes != nil {
		s.Billed += *e.BilledBytes
	}
	if e.Cost != nil {
		if s.Cost == nil {
			s.Cost = new(athenatrail.Money)
		}
		*s.Cost += *e.Cost
	}
	if e.TotalMillis != nil {
		s.latency = append(s.latency, *e.TotalMillis)
	}
}

// group sums the window's executions of one currency; those without one are
// left out, since the views give them to another row's currency.
func group(list []athenatrail.QueryExecution, p Params, key func(athenatrail.QueryExecution) string) map[string]*sums {
	groups := map[string]*sums{}
	for _, e := range list {
		if e.SubmissionDateTime.Before(p.From) || !e.SubmissionDateTime.Before(p.To) {
			continue
		}
		k := key(e)
		if groups[k] == nil {
			groups[k] = &sums{}
		}
		groups[k].add(e)
	}
	return groups
}

func money(m *athenatrail.Money) any {
	if m == nil {
		return nil
	}
	return decimalText(big.NewInt(int64(*m)), 9)
}

// Every view's sums against plain Go's. One currency, so that every execution
// has its row.
func TestTotalsAgainstGo(t *testing.T) {
	list := randomExecutions(900)
	for i := range list {
		if list[i].Currency != "" {
			list[i].Currency = "USD"
		}
	}
	l := &lakeDir{t: t, executions: list}
	d := open(t, l.write(), Options{})
	shown := func(e athenatrail.QueryExecution) bool { return !e.Probe && !e.Own }
	text := func(v any) string {
		if v == nil {
			return ""
		}
		return fmt.Sprint(v)
	}
	check := func(view string, p Params, row func(map[string]any) string, key func(athenatrail.QueryExecution) string, filter func(athenatrail.QueryExecution) bool) {
		t.Helper()
		var kept []athenatrail.QueryExecution
		for _, e := range list {
			if filter(e) {
				kept = append(kept, e)
			}
		}
		want := group(kept, p, key)
		rows := answer(t, d, view, p)
		if len(rows) != len(want) {
			t.Errorf("%s: %d rows, want %d", view, len(rows), len(want))
		}
		for _, r := range rows {
			w := want[row(r)]
			if w == nil {
				t.Errorf("%s: unexpected row %v", view, r)
				continue
			}
			got := []any{r["executions"], r["failed"], r["not_started"], r["data_scanned_bytes"], r["billed_bytes"], r["cost"]}
			plain := []any{w.Executions, w.Failed, w.NotStarted, w.Scanned, w.Billed, money(w.Cost)}
			if d := cmp.Diff(plain, got); d != "" {
				t.Errorf("%s of %q: Go (-) and view (+):\n%s", view, row(r), d)
			}
			if n, ok := r["people"]; ok && n != int64(len(w.People)) {
				t.Errorf("%s of %q: %v people, want %d", view, row(r), n, len(w.People))
			}
			if v, ok := r["p95_ms"]; ok {
				if d := cmp.Diff(percentileOf(w.latency, 95), v); d != "" {
					t.Errorf("%s of %q: p95: %s", view, row(r), d)
				}
				if d := cmp.Diff(percentileOf(w.latency, 50), r["p50_ms"]); d != "" {
					t.Errorf("%s of %q: p50: %s", view, row(r), d)
				}
			}
			if v, ok := r["avg_scanned_mb"].(float64); ok && math.Abs(v-float64(w.Scanned)/float64(w.Known)/1e6) > 0.001 {
				t.Errorf("%s of %q: avg_scanned_mb %v", view, row(r), v)
			}
			if v, ok := r["coverage_percent"].(float64); ok && math.Abs(v-float64(w.Known)/float64(w.Executions)*100) > 0.001 {
				t.Errorf("%s of %q: coverage_percent %v", view, row(r), v)
			}
		}
	}
	for _, rows := range []bool{false, true} {
		p := week
		p.Rows = rows
		check("users", p, func(r map[string]any) string { return text(r["person"]) }, func(e athenatrail.QueryExecution) string { return e.Person }, shown)
		check("teams", p, func(r map[string]any) string { return text(r["team"]) }, func(e athenatrail.QueryExecution) string { return e.Team }, shown)
		check("roles", p, func(r map[string]any) string { return text(r["role_name"]) }, func(e athenatrail.QueryExecution) string { return e.RoleName }, shown)
		check("tools", p, func(r map[string]any) string { return text(r["tool"]) }, func(e athenatrail.QueryExecution) string { return e.Tool }, shown)
		check("jobs", p, func(r map[string]any) string { return text(r["tool"]) + "/" + text(r["tool_detail"]) },
			func(e athenatrail.QueryExecution) string { return e.Tool + "/" + e.ToolDetail }, func(e athenatrail.QueryExecution) bool { return e.ToolDetail != "" })
		check("databases", p, func(r map[string]any) string { return text(r["database_name"]) }, func(e athenatrail.QueryExecution) string { return e.DatabaseName }, shown)
		check("users-databases", p, func(r map[string]any) string { return text(r["person"]) + "/" + text(r["database_name"]) },
			func(e athenatrail.QueryExecution) string { return e.Person + "/" + e.DatabaseName }, shown)
		check("workgroups", p, func(r map[string]any) string {
			return text(r["account_id"]) + text(r["region_name"]) + text(r["work_group_name"])
		}, func(e athenatrail.QueryExecution) string { return e.AccountID + e.RegionName + e.WorkGroupName }, shown)
		check("spend", p, func(r map[string]any) string { return r["day"].(time.Time).Format(time.DateOnly) },
			func(e athenatrail.QueryExecution) string { return e.SubmissionDateTime.Format(time.DateOnly) }, func(athenatrail.QueryExecution) bool { return true })
		p.By = []string{"tool", "month"}
		check("usage", p, func(r map[string]any) string { return text(r["tool"]) + text(r["month"]) },
			func(e athenatrail.QueryExecution) string { return e.Tool + e.SubmissionDateTime.Format("2006-01") }, shown)
	}

	// The totals of the overview leave nothing out.
	want := group(list, week, func(athenatrail.QueryExecution) string { return "" })[""]
	before := group(list, Params{From: weekStart.AddDate(0, 0, -7), To: weekStart}, func(athenatrail.QueryExecution) string { return "" })[""]
	for _, r := range answer(t, d, "overview", Params{From: week.From, To: week.To, Limit: 3}) {
		if r["section"] != "total" {
			continue
		}
		got := []any{r["executions"], r["data_scanned_bytes"], r["cost"], r["cost_before"], r["people"]}
		if d := cmp.Diff([]any{want.Executions, want.Scanned, money(want.Cost), money(before.Cost), int64(len(want.People))}, got); d != "" {
			t.Errorf("overview: %s", d)
		}
	}

	// queries and failures are the rows themselves.
	n, failures, dearest := 0, 0, athenatrail.Money(0)
	for _, e := range list {
		if in := !e.SubmissionDateTime.Before(weekStart) && e.SubmissionDateTime.Before(weekEnd); in {
			if shown(e) {
				n++
				if e.Cost != nil {
					dearest = max(dearest, *e.Cost)
				}
			}
			if e.State == "FAILED" || e.Gap == athenatrail.GapNotStarted {
				failures++
			}
		}
	}
	queries := answer(t, d, "queries", week)
	if len(queries) != n || queries[0]["cost"] != money(&dearest) {
		t.Errorf("queries: %d rows from %v, want %d from %v", len(queries), queries[0]["cost"], n, dearest)
	}
	if got := len(answer(t, d, "failures", week)); got != failures {
		t.Errorf("failures: %d rows, want %d", got, failures)
	}
}

// percentileOf is the rule in Go: the upper edge of the bucket of the rank.
func percentileOf(ms []int64, p int) any {
	if len(ms) == 0 {
		return nil
	}
	counts := make([]int, athenatrail.LatencyBuckets+1)
	for _, m := range ms {
		counts[athenatrail.LatencyBucket(m)]++
	}
	rank := (len(ms)*p + 99) / 100
	for k := 1; ; k++ {
		if rank -= counts[k]; rank <= 0 {
			return athenatrail.LatencyEdge(k)
		}
	}
}

func TestCurrenciesAreNotAdded(t *testing.T) {
	euro := execution(2, weekStart, "alice", 100, 3e9)
	euro.Currency = "EUR"
	pending := execution(3, weekStart, "alice", 0, 0)
	pending.DataScannedBytes, pending.BilledBytes, pending.Cost, pending.Currency, pending.CostBasis, pending.Gap = nil, nil, nil, "", "", athenatrail.GapPending
	nothing := pending
	nothing.Person, nothing.QueryExecutionID = "bob", "bob-only"
	l := &lakeDir{t: t, executions: []athenatrail.QueryExecution{execution(1, weekStart, "alice", 100, 5e9), euro, pending, nothing}}
	d := open(t, l.write(), Options{})
	type row struct{ person, currency, cost, executions, share any }
	var got []row
	for _, r := range answer(t, d, "users", week) {
		got = append(got, row{r["person"], r["currency"], r["cost"], r["executions"], r["cost_share_percent"]})
	}
	want := []row{
		{"alice", "USD", json.Number("5"), int64(1), 100.0},
		{"alice", "EUR", json.Number("3"), int64(2), 100.0}, // with the one whose cost is unknown
		{"bob", nil, nil, int64(1), nil},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestWindowIsHalfOpen(t *testing.T) {
	var list []athenatrail.QueryExecution
	for i, at := range []time.Time{weekStart.Add(-time.Millisecond), weekStart, weekEnd.Add(-time.Millisecond), weekEnd} {
		list = append(list, execution(i+1, at, fmt.Sprintf("p%d", i), 1, 1))
	}
	d := open(t, (&lakeDir{t: t, executions: list}).write(), Options{})
	for _, rows := range []bool{false, true} {
		for _, view := range []string{"users", "queries"} {
			p := week
			p.Rows = rows
			var got []string
			for _, r := range answer(t, d, view, p) {
				got = append(got, r["person"].(string))
			}
			if d := cmp.Diff([]string{"p1", "p2"}, sorted(got)); d != "" {
				t.Errorf("%s: %s", view, d)
			}
		}
	}
	// The window's edges need not lie on the roll-up's slots.
	p := Params{From: weekEnd.Add(-time.Millisecond), To: weekEnd}
	if rows := answer(t, d, "users", p); len(rows) != 1 || rows[0]["person"] != "p2" {
		t.Errorf("got %v", rows)
	}
}

func sorted(s []string) []string {
	m := map[string]int{}
	for _, v := range s {
		m[v]++
	}
	return sortedKeys(m)
}

// A row lies on the day of its event, which can be the day before or after
// that of Athena's own time.
func TestRowOnTheDayBeside(t *testing.T) {
	l := &lakeDir{t: t, executions: []athenatrail.QueryExecution{execution(1, weekStart, "alice", 1, 1)}}
	root := l.write()
	for _, table := range []string{"query_executions_open", "usage_rollup_open"} {
		from := filepath.Join(root, "tables", table, "dt=2026-11-01")
		if err := os.Rename(from, filepath.Join(root, "tables", table, "dt=2026-10-31")); err != nil {
			t.Fatal(err)
		}
	}
	d := open(t, root, Options{})
	for _, view := range []string{"users", "queries"} {
		if rows := answer(t, d, view, week); len(rows) != 1 {
			t.Errorf("%s: %v", view, rows)
		}
	}
}

func TestConditions(t *testing.T) {
	l := &lakeDir{t: t}
	for i, who := range []string{"alice", "al_ce", "alice' OR '1'='1", "bob%", "a*b", `back\slash`} {
		l.executions = append(l.executions, execution(i+1, weekStart, who, 1, 1))
	}
	l.executions[1].WorkGroupName = ""
	l.executions[2].ErrorCategory = ptr(int32(2))
	l.executions[3].Console = true
	d := open(t, l.write(), Options{})
	f := func(where string, want ...string) {
		t.Helper()
		p := week
		for part := range strings.SplitSeq(where, "&&") {
			c, err := ParseCondition(part)
			if err != nil {
				t.Fatal(err)
			}
			p.Where = append(p.Where, c)
		}
		var got []string
		for _, r := range answer(t, d, "users", p) {
			got = append(got, r["person"].(string))
		}
		if d := cmp.Diff(sorted(want), sorted(got)); d != "" {
			t.Errorf("%s: %s", where, d)
		}
	}
	f("person=alice", "alice")
	f("person=alice' OR '1'='1", "alice' OR '1'='1")
	f("person=' OR 1=1 --")
	f("person=a*", "alice", "al_ce", "alice' OR '1'='1", "a*b")
	f("person=al_c*", "al_ce")
	f("person=bob%", "bob%")
	f("person=b*%", "bob%")
	f(`person=back\*`, `back\slash`)
	f("person!=a*", "bob%", `back\slash`)
	f("person=alice&&person=bob%", "alice", "bob%")
	f("person!=alice&&person!=a*b&&person=a*", "al_ce", "alice' OR '1'='1")
	f("work_group_name=", "al_ce")
	f("work_group_name!=&&person=al*", "alice", "alice' OR '1'='1")
	f("work_group_name!=primary", "al_ce")
	f("error_category=2", "alice' OR '1'='1")
	f("console=true", "bob%")

	fails := func(c Condition, words ...string) {
		t.Helper()
		p := week
		p.Where = []Condition{c}
		_, err := d.Report(context.Background(), "users", p)
		mustFail(t, err, words...)
		if !errors.Is(err, ErrUsage) {
			t.Errorf("%v is no usage error", err)
		}
	}
	fails(Condition{Column: "persn", Value: "x"}, `unknown column "persn": did you mean person`)
	fails(Condition{Column: "1=1; DROP VIEW queries; --", Value: "x"}, "unknown column")
	fails(Condition{Column: "console", Value: "maybe"}, "want true or false")
	fails(Condition{Column: "error_category", Value: "user"}, "want a number")
	fails(Condition{Column: "person", Value: strings.Repeat("x", 5000)}, "longer than 4096 bytes")
	if _, err := ParseCondition("person"); err == nil || !errors.Is(err, ErrUsage) {
		t.Errorf("got %v", err)
	}
}

func TestUsageErrors(t *testing.T) {
	d := open(t, t.TempDir(), Options{})
	f := func(view string, p Params, words ...string) {
		t.Helper()
		_, err := d.Report(context.Background(), view, p)
		mustFail(t, err, words...)
		if !errors.Is(err, ErrUsage) {
			t.Errorf("%v is no usage error", err)
		}
	}
	f("user", week, `unknown view "user": did you mean users`)
	f("zzz", week, `unknown view "zzz": want one of overview, users`)
	f("../parts", week, "unknown view")
	f("users", Params{}, "window")
	f("users", Params{From: weekEnd, To: weekStart}, "not before")
	f("users", Params{From: weekStart, To: weekEnd, By: []string{"person"}}, "--by is for these views: changes, accounts, usage")
	f("changes", Params{From: weekStart, To: weekEnd, By: []string{"day"}}, `unknown column to group by "day"`)
	f("changes", Params{From: weekStart, To: weekEnd, By: []string{"team", "team"}}, "twice")
	f("users", Params{From: weekStart, To: weekEnd, Limit: -1}, "limit -1")
	f("usage", week, "needs --by")
	f("notebook-activity", week, "needs a NOTEBOOK")
	f("users", Params{From: weekStart, To: weekEnd, Arg: "alice"}, "takes no")
	f("usage", Params{From: weekStart, To: weekEnd, By: []string{"perso"}}, "did you mean person")
	f("usage", Params{From: weekStart, To: weekEnd, By: []string{"person", "person"}}, "twice")
	f("usage", Params{From: weekStart, To: weekEnd, By: []string{"day", "hour"}}, "one of hour, day and month")
	f("usage", Params{From: weekStart, To: weekEnd.AddDate(5, 0, 0), By: []string{"hour"}}, "more than 10000")
}

func TestOpenErrors(t *testing.T) {
	if _, err := Open(context.Background(), filepath.Join(t.TempDir(), "absent"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	strange := filepath.Join(t.TempDir(), "la[k]e")
	if err := os.Mkdir(strange, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Open(context.Background(), strange, Options{})
	mustFail(t, err, "patterns")
	quoted := filepath.Join(t.TempDir(), "bob's lake")
	if err := os.Rename((&lakeDir{t: t, executions: randomExecutions(5)}).write(), quoted); err != nil {
		t.Fatal(err)
	}
	if rows := answer(t, open(t, quoted, Options{}), "queries", Params{From: weekStart.AddDate(0, 0, -30), To: weekEnd, Probes: true, Own: true}); len(rows) != 5 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestDamagedFileIsNamed(t *testing.T) {
	l := &lakeDir{t: t, executions: []athenatrail.QueryExecution{execution(1, weekStart, "alice", 1, 1)}}
	root := l.write()
	bad := filepath.Join(root, "tables/usage_rollup_open/dt=2026-11-02", accountB+"_eu-west-1.parquet")
	if err := os.MkdirAll(filepath.Dir(bad), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte("not a Parquet file"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, root, Options{}).Report(context.Background(), "users", week)
	mustFail(t, err, "report users: ", bad)
	if errors.Is(err, ErrUsage) {
		t.Errorf("%v is a usage error", err)
	}
}

// Help and the API's description are made from the registry: it is complete
// and agrees with the SQL, which [DB.Report] checks at each answer.
func TestRegistry(t *testing.T) {
	names := map[string]bool{}
	for _, v := range Views() {
		if names[v.Name] || v.Summary == "" || len(v.Columns) == 0 || len(v.Where) == 0 || strings.Contains(v.Summary, "\n") {
			t.Errorf("view %+v", v)
		}
		names[v.Name] = true
		width, seen := 0, map[string]bool{}
		for _, c := range v.Columns {
			if seen[c.Name] || c.Kind == "" || c.Name != strings.ToLower(c.Name) || strings.ContainsAny(c.Name, " -") {
				t.Errorf("view %s: column %+v", v.Name, c)
			}
			seen[c.Name] = true
			if !c.Wide {
				width += len(c.Title) + 2
			}
		}
		if width > 120 {
			t.Errorf("view %s: the table's names alone take %d cells", v.Name, width)
		}
	}
	want := "overview users teams roles tools jobs changes users-databases databases workgroups queries spend failures denied notebooks calculations notebook-activity findings usage tables databases-accessed who-reads unused patterns"
	for name := range strings.FieldsSeq(want) {
		if !names[name] {
			t.Errorf("no view %s", name)
		}
	}
}

func TestLimitAndOrder(t *testing.T) {
	l := &lakeDir{t: t}
	for i, who := range []string{"b", "a", "c", "d"} {
		l.executions = append(l.executions, execution(i+1, weekStart, who, 100, 1000)) // all equal: the key decides
	}
	d := open(t, l.write(), Options{})
	for limit, want := range map[int]string{0: "abcd", 1: "a", 3: "abc", 4: "abcd", 9: "abcd"} {
		p := week
		p.Limit = limit
		r, err := d.Report(context.Background(), "users", p)
		if err != nil {
			t.Fatal(err)
		}
		rows, _ := r.All()
		got := ""
		for _, row := range rows {
			got += row[0].(string)
		}
		if got != want || r.More != (limit > 0 && limit < 4) {
			t.Errorf("limit %d: %s, more %t", limit, got, r.More)
		}
	}
}
