package report

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

// amount returns a money cell in billionths, 0 for NULL.
func amount(t *testing.T, v any) *big.Int {
	t.Helper()
	if v == nil {
		return new(big.Int)
	}
	r, ok := new(big.Rat).SetString(string(v.(json.Number)))
	if !ok {
		t.Fatalf("amount %v", v)
	}
	r.Mul(r, big.NewRat(athenatrail.MoneyScale, 1))
	if !r.IsInt() {
		t.Fatalf("amount %v has more than nine digits", v)
	}
	return r.Num()
}

// total adds up a column of counts and one of money by currency.
func total(t *testing.T, rows []map[string]any, count, money string) (n int64, byCurrency map[any]string) {
	t.Helper()
	sums := map[any]*big.Int{}
	for _, r := range rows {
		n += r[count].(int64)
		if r["currency"] == nil {
			if r[money] != nil && amount(t, r[money]).Sign() != 0 {
				t.Errorf("money without a currency: %v", r)
			}
			continue
		}
		if sums[r["currency"]] == nil {
			sums[r["currency"]] = new(big.Int)
		}
		sums[r["currency"]].Add(sums[r["currency"]], amount(t, r[money]))
	}
	byCurrency = map[any]string{}
	for c, s := range sums {
		byCurrency[c] = s.String()
	}
	return n, byCurrency
}

// However the same executions are ranked, they are the same executions: the
// rankings' totals are equal, for any window and any condition.
func TestRankingsHaveOneTotal(t *testing.T) {
	l := &lakeDir{t: t, executions: randomExecutions(600)}
	l.sessions, l.calcs = randomSessions(200)
	d := open(t, l.write(), Options{})
	windows := []Params{
		week,
		{From: weekStart.Add(-3 * time.Hour), To: weekEnd.Add(-30 * time.Hour)},
		{From: weekStart.Add(11*time.Hour + 7*time.Millisecond), To: weekStart.Add(59 * time.Hour)}, // not on slots
		{From: weekStart.AddDate(0, 0, -8), To: weekEnd, Probes: true, Own: true},
		{From: weekStart, To: weekEnd, Where: []Condition{{Column: "person_kind", Value: "human"}, {Column: "team", Value: "data", Not: true}}},
	}
	for i, p := range windows {
		executions, costs := total(t, answer(t, d, "users", p), "executions", "cost")
		if executions == 0 || len(costs) != 2 {
			t.Fatalf("window %d: %d executions, %v", i, executions, costs)
		}
		for _, view := range []string{"teams", "roles", "tools"} {
			n, c := total(t, answer(t, d, view, p), "executions", "cost")
			if n != executions || !cmp.Equal(c, costs) {
				t.Errorf("window %d: %s: %d executions, %v; of users %d, %v", i, view, n, c, executions, costs)
			}
		}
		// Every dimension of changes tells of all of them, now and before.
		before := p
		before.From, before.To = p.From.Add(p.From.Sub(p.To)), p.From
		executionsBefore, costsBefore := total(t, answer(t, d, "users", before), "executions", "cost")
		changes := answer(t, d, "changes", p)
		for _, dimension := range []string{"person", "team", "role_name", "tool", "work_group_name", "database_name"} {
			rows := slices.DeleteFunc(slices.Clone(changes), func(r map[string]any) bool { return r["dimension"] != dimension })
			n, c := total(t, rows, "executions", "cost")
			nBefore, cBefore := total(t, rows, "executions_before", "cost_before")
			if n != executions || nBefore != executionsBefore {
				t.Errorf("window %d: changes by %s: %d and before %d executions; want %d and %d", i, dimension, n, nBefore, executions, executionsBefore)
			}
			for currency := range c {
				for got, want := range map[string]string{"now " + c[currency]: "now " + orZero(costs[currency]), "before " + cBefore[currency]: "before " + orZero(costsBefore[currency])} {
					if got != want {
						t.Errorf("window %d: changes by %s in %v: %s, want %s", i, dimension, currency, got, want)
					}
				}
			}
		}
	}
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

// The order of a view's rows is total: in which order the files hold theirs does
// not show, nor how the engine divides the work.
func TestOrderIsTotal(t *testing.T) {
	list := slices.Concat(randomExecutions(200), equalExecutions(120))
	l := &lakeDir{t: t, executions: list}
	l.sessions, l.calcs = randomSessions(120)
	l.activity = notebookCalls(l.sessions)
	one := open(t, l.write(), Options{Threads: 1})
	slices.Reverse(l.executions)
	slices.Reverse(l.sessions)
	slices.Reverse(l.calcs)
	slices.Reverse(l.activity)
	other := open(t, l.write(), Options{Threads: 4})
	for _, v := range Views() {
		p := everyView()[v.Name]
		if d := cmp.Diff(answer(t, one, v.Name, p), answer(t, other, v.Name, p)); d != "" {
			t.Errorf("%s (+ is of rows in reverse):\n%s", v.Name, d)
		}
	}
}

// equalExecutions returns executions that differ in keys alone.
func equalExecutions(n int) (list []athenatrail.QueryExecution) {
	for i := range n {
		e := execution(10_000+i, weekStart.Add(time.Hour), fmt.Sprintf("p%d", i%6), 100, 1000)
		e.Team, e.Tool, e.ToolDetail = fmt.Sprintf("t%d", i%5), fmt.Sprintf("tool%d", i%10), fmt.Sprintf("job %d", i%12)
		e.RoleName, e.DatabaseName, e.WorkGroupName = fmt.Sprintf("r%d", i%4), fmt.Sprintf("d%d", i%6), fmt.Sprintf("w%d", i%2)
		list = append(list, e)
	}
	return list
}

func TestChangesAgainstGo(t *testing.T) {
	list := randomExecutions(900)
	for i := range list {
		if list[i].Currency != "" {
			list[i].Currency = "USD"
		}
	}
	d := open(t, (&lakeDir{t: t, executions: list}).write(), Options{})
	ranked := slices.DeleteFunc(slices.Clone(list), func(e athenatrail.QueryExecution) bool { return e.Probe || e.Own })
	dimensions := map[string]func(athenatrail.QueryExecution) string{
		"person": func(e athenatrail.QueryExecution) string { return e.Person },
		"team":   func(e athenatrail.QueryExecution) string { return e.Team },
		"work_group_name": func(e athenatrail.QueryExecution) string {
			return e.WorkGroupName + " " + e.AccountID + " " + e.RegionName
		},
		"account_id": func(e athenatrail.QueryExecution) string { return e.AccountID },
	}
	before := Params{From: weekStart.AddDate(0, 0, -7), To: weekStart}
	for _, rows := range []bool{false, true} {
		p := week
		p.Rows = rows
		p.By = sortedKeys(dimensions)
		got := answer(t, d, "changes", p)
		if !slices.IsSortedFunc(got, func(a, b map[string]any) int {
			return amount(t, b["cost_difference"]).CmpAbs(amount(t, a["cost_difference"]))
		}) {
			t.Error("not by how much the cost differs")
		}
		for dimension, key := range dimensions {
			now, then, found := group(ranked, week, key), group(ranked, before, key), 0
			for _, r := range got {
				if r["dimension"] != dimension {
					continue
				}
				found++
				name, _ := r["name"].(string)
				if dimension == "work_group_name" {
					name = fmt.Sprintf("%s %s %s", name, r["account_id"], r["region_name"])
				} else if r["account_id"] != nil || r["region_name"] != nil {
					t.Errorf("%s of an account: %v", dimension, r)
				}
				n, b := now[name], then[name]
				if n == nil || b == nil {
					t.Errorf("unexpected %v", r)
					continue
				}
				difference := *n.Cost - *b.Cost
				want := []any{nil, money(n.Cost), money(b.Cost), money(&difference), n.Scanned, b.Scanned, n.Executions, b.Executions}
				have := []any{r["status"], r["cost"], r["cost_before"], r["cost_difference"], r["data_scanned_bytes"], r["data_scanned_bytes_before"], r["executions"], r["executions_before"]}
				if d := cmp.Diff(want, have); d != "" {
					t.Errorf("%s %q: Go (-) and view (+):\n%s", dimension, name, d)
				}
				percent := float64(difference) * 100 / float64(*b.Cost)
				if math.Abs(r["cost_change_percent"].(float64)-percent) > 0.001 {
					t.Errorf("%s %q: %v percent, want %v", dimension, name, r["cost_change_percent"], percent)
				}
			}
			if found != len(now) {
				t.Errorf("%s has %d rows, want %d", dimension, found, len(now))
			}
		}
	}
}

// What is new, gone, or of unknown cost is said, and a comparison with a time
// that the lake does not hold is not made.
func TestChangesOfWhatIsNotThere(t *testing.T) {
	old := weekStart.AddDate(0, 0, -3)
	unknown := execution(5, weekStart, "unpriced", 100, 0)
	unknown.Cost, unknown.Currency, unknown.CostBasis = nil, "", athenatrail.BasisCapacity
	refused := execution(7, weekStart, "refused", 0, 0)
	refused.Gap, refused.QueryExecutionID, refused.State = athenatrail.GapNotStarted, "", ""
	refused.Cost, refused.Currency, refused.CostBasis, refused.DataScannedBytes, refused.BilledBytes = nil, "", "", nil, nil
	l := &lakeDir{t: t, executions: []athenatrail.QueryExecution{
		execution(1, weekStart, "newcomer", 10, 2e9), execution(2, old, "leaver", 10, 9e9),
		execution(3, weekStart, "steady", 10, 5e9), execution(4, old, "steady", 30, 4e9),
		unknown, execution(6, old, "unpriced", 10, 3e9), refused,
	}}
	d := open(t, l.write(), Options{})
	type row struct{ name, status, cost, before, difference, percent, executionsBefore any }
	f := func(p Params, want ...row) {
		t.Helper()
		p.By = []string{"person"}
		var got []row
		for _, r := range answer(t, d, "changes", p) {
			got = append(got, row{r["name"], r["status"], r["cost"], r["cost_before"], r["cost_difference"], r["cost_change_percent"], r["executions_before"]})
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(row{})); d != "" {
			t.Error(d)
		}
	}
	f(week,
		row{"leaver", "gone", json.Number("0"), json.Number("9"), json.Number("-9"), -100.0, int64(1)},
		row{"unpriced", nil, nil, json.Number("3"), nil, nil, int64(1)}, // capacity is not free
		row{"newcomer", "new", json.Number("2"), json.Number("0"), json.Number("2"), nil, int64(0)},
		row{"steady", nil, json.Number("5"), json.Number("4"), json.Number("1"), 25.0, int64(1)},
	)
	p := week
	p.CompleteFrom = weekStart.AddDate(0, 0, -4)
	f(p,
		row{"steady", nil, json.Number("5"), nil, nil, nil, nil},
		row{"newcomer", nil, json.Number("2"), nil, nil, nil, nil},
		row{"unpriced", nil, nil, nil, nil, nil, nil},
	)
}

// A job's cost is that of all its executions, and its days are those of the
// time zone asked for.
func TestJobs(t *testing.T) {
	job := func(n int, at time.Time, detail string, cost athenatrail.Money) athenatrail.QueryExecution {
		e := execution(n, at, "DbtRole", 100, cost)
		e.PersonKind, e.PersonSource, e.Tool, e.ToolDetail, e.RoleName = athenatrail.PersonService, athenatrail.SourceRole, "dbt", detail, "DbtRole"
		return e
	}
	late := weekStart.Add(23*time.Hour + 30*time.Minute) // the next day in Berlin
	pending := job(4, late, "model.shop.orders", 0)
	pending.Cost, pending.Currency, pending.CostBasis, pending.DataScannedBytes, pending.BilledBytes, pending.Gap = nil, "", "", nil, nil, athenatrail.GapPending
	probe := job(5, late, "model.shop.orders", 1e9)
	probe.Probe = true
	other := job(6, late, "model.shop.orders", 1e9)
	other.Tool = "elementary"
	application := execution(9, weekStart, "alice", 100, 10e9)
	application.Tool, application.ToolDetail = "jdbc", "SqlWorkbench" // uses a driver, and is no job
	l := &lakeDir{t: t, executions: []athenatrail.QueryExecution{
		job(1, weekStart.Add(time.Hour), "model.shop.orders", 1e9),   // of an incremental model: the temporary table,
		job(2, weekStart.Add(2*time.Hour), "model.shop.orders", 7e9), // the merge
		job(3, late, "model.shop.orders", 1e9),                       // and what dbt reports, the last
		pending, probe, other,
		job(7, weekStart.AddDate(0, 0, -2), "model.shop.orders", 5e9), job(8, weekStart.AddDate(0, 0, -2), "model.shop.gone", 5e9),
		application,
	}}
	root := l.write()
	type row struct{ tool, detail, days, executions, cost, share, before, each, day, id any }
	for name, days := range map[string]int64{"UTC": 1, "Europe/Berlin": 2} {
		var got []row
		for _, r := range answer(t, open(t, root, Options{TimeZone: zone(t, name)}), "jobs", week) {
			got = append(got, row{r["tool"], r["tool_detail"], r["days"], r["executions"], r["cost"], r["cost_share_percent"], r["cost_before"], r["cost_per_execution"], r["cost_per_day"], r["query_execution_id"]})
		}
		perDay := json.Number("10")
		if days == 2 {
			perDay = "5"
		}
		want := []row{
			{"dbt", "model.shop.orders", days, int64(5), json.Number("10"), 47.619, json.Number("5"), json.Number("2.5"), perDay, l.executions[1].QueryExecutionID},
			{"elementary", "model.shop.orders", int64(1), int64(1), json.Number("1"), 4.7619, nil, json.Number("1"), json.Number("1"), other.QueryExecutionID},
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(row{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// A role that several people share shows how each of them is known.
func TestRolesTellHowPeopleAreKnown(t *testing.T) {
	in := func(n int, who, source, trust, account, team string) athenatrail.QueryExecution {
		e := execution(n, weekStart, who, 100, 1e9)
		e.RoleName, e.PersonSource, e.PersonTrust, e.AccountID, e.Team = "Shared", source, trust, account, team
		return e
	}
	nobody := in(5, "Shared", athenatrail.SourceRole, athenatrail.TrustVouched, accountA, "data")
	nobody.PersonKind = athenatrail.PersonUnknown
	refused := in(6, "eve", athenatrail.SourceSessionName, athenatrail.TrustSession, accountA, "data")
	refused.Gap, refused.QueryExecutionID, refused.State, refused.Cost, refused.Currency, refused.CostBasis = athenatrail.GapNotStarted, "", "", nil, "", ""
	l := &lakeDir{t: t, executions: []athenatrail.QueryExecution{
		in(1, "alice", athenatrail.SourceSSOSession, athenatrail.TrustVouched, accountA, "data"),
		in(2, "bob", athenatrail.SourceRoleChain, athenatrail.TrustVouched, accountA, "data"),
		in(3, "carol", athenatrail.SourceRoleChain, athenatrail.TrustSession, accountB, "data"),
		in(4, "dave", athenatrail.SourceQueryComment, athenatrail.TrustAsserted, accountA, "web"),
		nobody, refused,
		execution(7, weekStart, "frank", 100, 1e9), // an IAM user
	}}
	d := open(t, l.write(), Options{})
	rows := answer(t, d, "roles", week)
	if len(rows) != 2 {
		t.Fatalf("%d rows: %v", len(rows), rows)
	}
	pick := func(r map[string]any, names ...string) (cells []any) {
		for _, name := range names {
			cells = append(cells, r[name])
		}
		return cells
	}
	columns := []string{"role_name", "account_id", "accounts", "people", "vouched_percent", "session_percent", "asserted_percent", "unnamed_percent", "team", "executions", "unattributed_cost"}
	want := [][]any{
		{"Shared", "(several)", int64(2), int64(5), 40.0, 20.0, 20.0, 20.0, "(several)", int64(5), json.Number("1")},
		{nil, accountA, int64(1), int64(1), 100.0, 0.0, 0.0, 0.0, "unassigned", int64(1), nil},
	}
	for i := range want {
		if d := cmp.Diff(want[i], pick(rows[i], columns...)); d != "" {
			t.Error(d)
		}
	}
	p := week
	p.Where = []Condition{{Column: "person", Value: "eve"}}
	if rows := answer(t, d, "roles", p); len(rows) != 1 || rows[0]["vouched_percent"] != nil || rows[0]["not_started"] != int64(1) {
		t.Errorf("of calls that were refused alone: %v", rows)
	}
}

func TestTeamsAndTools(t *testing.T) {
	in := func(n int, who, kind, team, tool string, cost athenatrail.Money) athenatrail.QueryExecution {
		e := execution(n, weekStart.Add(time.Duration(n)*time.Hour), who, 100, cost)
		e.PersonKind, e.Team, e.Tool = kind, team, tool
		return e
	}
	failed := in(5, "alice", athenatrail.PersonHuman, "data", "console", 0)
	failed.State = "FAILED"
	reused := in(6, "alice", athenatrail.PersonHuman, "data", "console", 0)
	reused.ReusedResult = ptr(true)
	l := &lakeDir{t: t, executions: []athenatrail.QueryExecution{
		in(1, "alice", athenatrail.PersonHuman, "data", "console", 2e9), in(2, "alice", athenatrail.PersonHuman, "data", "console", 2e9),
		in(3, "etl", athenatrail.PersonService, "data", "glue", 3e9),
		in(4, "bob", athenatrail.PersonHuman, athenatrail.TeamUnassigned, "", 8e9),
		failed, reused,
	}}
	d := open(t, l.write(), Options{})
	var teams, tools [][]any
	for _, r := range answer(t, d, "teams", week) {
		teams = append(teams, []any{r["team"], r["people"], r["others"], r["executions"], r["cost"], r["top_person"], r["last_seen"]})
	}
	hour := func(n int) time.Time { return weekStart.Add(time.Duration(n) * time.Hour) }
	want := [][]any{
		{"unassigned", int64(1), int64(0), int64(1), json.Number("8"), "bob", hour(4)},
		{"data", int64(1), int64(1), int64(5), json.Number("7"), "alice", hour(6)},
	}
	if d := cmp.Diff(want, teams); d != "" {
		t.Error(d)
	}
	for _, r := range answer(t, d, "tools", week) {
		tools = append(tools, []any{r["tool"], r["people"], r["executions"], r["failed_percent"], r["reused_percent"], r["cost"]})
	}
	want = [][]any{
		{nil, int64(1), int64(1), 0.0, 0.0, json.Number("8")},
		{"console", int64(1), int64(4), 25.0, 25.0, json.Number("4")},
		{"glue", int64(0), int64(1), 0.0, 0.0, json.Number("3")},
	}
	if d := cmp.Diff(want, tools); d != "" {
		t.Error(d)
	}
}

// Rankings leave probes and our own out, the whole does not, and says how much
// that is.
func TestWhatIsLeftOut(t *testing.T) {
	probe, own := execution(1, weekStart, "alice", 100, 1e9), execution(2, weekStart, "alice", 100, 2e9)
	probe.Probe, own.Own = true, true
	for _, e := range []*athenatrail.QueryExecution{&probe, &own} {
		e.Tool, e.ToolDetail = "redash", "query 1"
	}
	l := &lakeDir{t: t, executions: []athenatrail.QueryExecution{probe, own, execution(3, weekStart, "bob", 100, 4e9)}}
	d := open(t, l.write(), Options{})
	executions := func(view string, p Params) (n int64) {
		if view == "usage" {
			p.By = []string{"person"}
		} else if view == "changes" {
			p.By = []string{"team"}
		}
		for _, r := range answer(t, d, view, p) {
			if section, ok := r["section"]; ok && section != "total" {
				continue
			}
			if e, ok := r["executions"].(int64); ok {
				n += e
			} else {
				n++ // the rows are executions
			}
		}
		return n
	}
	rankings := []string{"users", "teams", "roles", "tools", "users-databases", "databases", "workgroups", "usage", "changes", "queries"}
	all := week
	all.Probes, all.Own = true, true
	for _, view := range rankings {
		if n := executions(view, week); n != 1 {
			t.Errorf("%s counts %d executions", view, n)
		}
		if n := executions(view, all); n != 3 {
			t.Errorf("%s counts %d executions with those of tools", view, n)
		}
	}
	for view, want := range map[string]int64{"overview": 3, "spend": 3, "jobs": 2} {
		if n := executions(view, week); n != want {
			t.Errorf("%s counts %d executions, want %d", view, n, want)
		}
	}
	left := map[any]any{}
	for _, r := range answer(t, d, "overview", Params{From: week.From, To: week.To, Limit: 5}) {
		if r["section"] == "left_out_of_rankings" {
			left[r["name"]] = r["cost"]
		}
	}
	if d := cmp.Diff(map[any]any{"probes": json.Number("1"), "athenatrail itself": json.Number("2")}, left); d != "" {
		t.Error(d)
	}
}
