package report

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

// touchTables gives an execution tables, a fingerprint and a text, by its
// number.
func touchTables(e *athenatrail.QueryExecution, i int) {
	const orders, visits, odd = "awsdatacatalog.sales.orders", "awsdatacatalog.web.visits", `awsdatacatalog.web."a.b"`
	switch i % 6 {
	case 0:
		e.TablesAccessed, e.DatabasesAccessed = []string{orders, visits}, []string{"awsdatacatalog.sales", "awsdatacatalog.web"}
	case 1:
		e.TablesAccessed, e.TablesWritten, e.DatabasesAccessed = []string{orders, visits}, []string{visits}, []string{"awsdatacatalog.sales", "awsdatacatalog.web"}
		e.SubstatementType = "INSERT"
	case 2:
		e.TablesAccessed, e.TablesWritten, e.DatabasesAccessed = []string{odd}, []string{odd}, []string{"awsdatacatalog.web"}
	case 3:
		e.TablesAccessed, e.TablesSource, e.DatabasesAccessed = nil, "", []string{"awsdatacatalog.web"} // SHOW TABLES
	default:
		e.DatabasesAccessed = []string{"awsdatacatalog.sales"}
	}
	if i%7 != 0 {
		e.QueryFingerprint = fmt.Sprintf("%032x", i%11)
		e.TextHash = fmt.Sprintf("%064x", i%23)
	}
}

// tableRollup sums executions by table as the design says.
func tableRollup(executions []athenatrail.QueryExecution) []athenatrail.TableRollup {
	var list []athenatrail.TableRollup
	type key struct {
		table   string
		written bool
	}
	byTable := map[key][]athenatrail.QueryExecution{}
	for _, e := range executions {
		for _, table := range e.TablesAccessed {
			k := key{table, slices.Contains(e.TablesWritten, table)}
			byTable[k] = append(byTable[k], e)
		}
	}
	for k, its := range byTable {
		for _, u := range rollup(its, nil) {
			list = append(list, athenatrail.TableRollup{TableName: k.table, Written: k.written, UsageRollup: u})
		}
	}
	return list
}

// A touched is what plain Go makes of a table's executions, by who reads it.
type touched struct {
	sums
	reads, writes      int64
	readers, writers   map[string]bool
	days               map[string]map[string]bool
	lastRead, lastSeen time.Time
	teams              map[string]int64
}

// oneCurrency makes all executions cost dollars, so that each has its row.
func oneCurrency(list []athenatrail.QueryExecution) []athenatrail.QueryExecution {
	for i := range list {
		if list[i].Currency != "" {
			list[i].Currency = "USD"
		}
	}
	return list
}

func sumTouched(list []athenatrail.QueryExecution, p Params, zone *time.Location, names func(athenatrail.QueryExecution) []string) map[string]*touched {
	all := map[string]*touched{}
	for _, e := range list {
		if e.SubmissionDateTime.Before(p.From) || !e.SubmissionDateTime.Before(p.To) || e.Probe || e.Own || e.Gap == athenatrail.GapNotStarted {
			continue
		}
		for _, name := range names(e) {
			key := strings.Join([]string{name, e.AccountID, e.RegionName}, " ")
			x := all[key]
			if x == nil {
				x = &touched{readers: map[string]bool{}, writers: map[string]bool{}, days: map[string]map[string]bool{}, teams: map[string]int64{}}
				all[key] = x
			}
			x.add(e)
			slot := e.SubmissionDateTime.Truncate(athenatrail.SlotLength)
			if slot.After(x.lastSeen) {
				x.lastSeen = slot
			}
			if slices.Contains(e.TablesWritten, name) {
				x.writes++
				x.writers[e.Person] = true
				continue
			}
			x.reads++
			x.teams[e.Team]++
			if slot.After(x.lastRead) {
				x.lastRead = slot
			}
			if e.PersonKind == athenatrail.PersonHuman {
				x.readers[e.Person] = true
				day := e.SubmissionDateTime.In(zone).Format(time.DateOnly)
				if x.days[day] == nil {
					x.days[day] = map[string]bool{}
				}
				x.days[day][e.Person] = true
			}
		}
	}
	return all
}

func timeOrNil(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at
}

func TestTablesAgainstGo(t *testing.T) {
	list := oneCurrency(randomExecutions(900))
	newYork := zone(t, "America/New_York")
	d := open(t, (&lakeDir{t: t, executions: list}).write(), Options{TimeZone: newYork})
	p := week
	want := sumTouched(list, p, newYork, func(e athenatrail.QueryExecution) []string { return e.TablesAccessed })
	before := Params{From: p.From.AddDate(0, 0, -7), To: p.From}
	wantBefore := sumTouched(list, before, newYork, func(e athenatrail.QueryExecution) []string { return e.TablesAccessed })
	rows := answer(t, d, "tables", p)
	if len(rows) != len(want) || len(rows) < 9 {
		t.Errorf("%d rows, want %d", len(rows), len(want))
	}
	for i, r := range rows {
		key := fmt.Sprint(r["table_name"], " ", r["account_id"], " ", r["region_name"])
		w := want[key]
		if w == nil {
			t.Errorf("an unexpected row %v", r)
			continue
		}
		personDays, most := 0, 0
		for _, people := range w.days {
			personDays += len(people)
			most = max(most, len(people))
		}
		var costBefore any
		if b := wantBefore[key]; b != nil {
			costBefore = money(b.Cost)
		}
		topTeam, _ := r["top_team"].(string)
		got := []any{r["readers"], r["readers_per_day"], r["readers_most"], r["executions"], r["failed"], r["reads"], r["writes"], r["writers"],
			r["data_scanned_bytes"], r["cost"], r["cost_before"], r["last_read"], w.teams[topTeam]}
		// Seven days to midnight in UTC are eight days in New York.
		expected := []any{int64(len(w.readers)), math.Round(float64(personDays)/8*100) / 100, int64(most), w.Executions, w.Failed, w.reads, w.writes, int64(len(w.writers)),
			w.Scanned, money(w.Cost), costBefore, timeOrNil(w.lastRead), int64(0)}
		for _, n := range w.teams {
			expected[12] = max(expected[12].(int64), n)
		}
		if diff := gocmp.Diff(expected, got); diff != "" {
			t.Errorf("%s (- is Go's):\n%s", key, diff)
		}
		if i > 0 && amount(t, rows[i-1]["cost"]).Cmp(amount(t, r["cost"])) < 0 {
			t.Errorf("row %d costs more than the one before", i)
		}
		if base, _, _ := strings.Cut(key, " "); r["database_accessed"] != map[string]string{
			"awsdatacatalog.sales.orders": "awsdatacatalog.sales", "awsdatacatalog.web.visits": "awsdatacatalog.web", `awsdatacatalog.web."a.b"`: "awsdatacatalog.web",
		}[base] {
			t.Errorf("%s is in %v", base, r["database_accessed"])
		}
	}
	// A condition on the table, and one that the roll-up cannot answer.
	p.Where = []Condition{{Column: "table_name", Value: "*.visits"}}
	if n := len(answer(t, d, "tables", p)); n != 4 {
		t.Errorf("%d rows of visits", n)
	}
	p.Where = append(p.Where, Condition{Column: "source_ip", Value: "192.0.2.1"})
	if n := len(answer(t, d, "tables", p)); n != 4 {
		t.Errorf("%d rows of visits from one address", n)
	}
}

func TestDatabasesAccessedAgainstGo(t *testing.T) {
	list := oneCurrency(randomExecutions(900))
	d := open(t, (&lakeDir{t: t, executions: list}).write(), Options{})
	want := sumTouched(list, week, time.UTC, func(e athenatrail.QueryExecution) []string { return e.DatabasesAccessed })
	rows := answer(t, d, "databases-accessed", week)
	if len(rows) != len(want) {
		t.Errorf("%d rows, want %d", len(rows), len(want))
	}
	for _, r := range rows {
		key := fmt.Sprint(r["database_accessed"], " ", r["account_id"], " ", r["region_name"])
		w := want[key]
		if w == nil {
			t.Errorf("an unexpected row %v", r)
			continue
		}
		got := []any{r["people"], r["executions"], r["failed"], r["data_scanned_bytes"], r["cost"], r["last_seen"]}
		if diff := gocmp.Diff([]any{int64(len(w.People)), w.Executions, w.Failed, w.Scanned, money(w.Cost), w.lastSeen}, got); diff != "" {
			t.Errorf("%s (- is Go's):\n%s", key, diff)
		}
	}
}

func TestWhoReadsAgainstGo(t *testing.T) {
	list := oneCurrency(randomExecutions(900))
	d := open(t, (&lakeDir{t: t, executions: list}).write(), Options{})
	p := week
	for _, said := range []string{"visits", "WEB.Visits", "awsdatacatalog.web.visits"} {
		p.Arg = said
		var executions, reads, writes int64
		newest := map[any]time.Time{}
		cost := athenatrail.Money(0)
		for _, e := range list {
			if e.SubmissionDateTime.Before(p.From) || !e.SubmissionDateTime.Before(p.To) || e.Probe || e.Own || e.Gap == athenatrail.GapNotStarted ||
				!slices.Contains(e.TablesAccessed, "awsdatacatalog.web.visits") {
				continue
			}
			executions++
			if slices.Contains(e.TablesWritten, "awsdatacatalog.web.visits") {
				writes++
			} else {
				reads++
			}
			if e.Cost != nil {
				cost += *e.Cost
			}
			newest[e.QueryExecutionID] = e.SubmissionDateTime
		}
		rows := answer(t, d, "who-reads", p)
		n, money := total(t, rows, "executions", "cost")
		for _, r := range rows {
			reads -= r["reads"].(int64)
			writes -= r["writes"].(int64)
			if at, ok := newest[r["query_execution_id"]]; !ok || !at.Equal(r["last_run"].(time.Time)) || r["first_seen"].(time.Time).After(at) {
				t.Errorf("%v is of %v", r, at)
			}
		}
		if n != executions || reads != 0 || writes != 0 || money["USD"] != fmt.Sprint(int64(cost)) {
			t.Errorf("%s: %d executions, %v; want %d, %d", said, n, money, executions, cost)
		}
	}
	for said, want := range map[string]string{"nothing": "unknown table", "": "needs a TABLE"} {
		p.Arg = said
		_, err := d.Report(context.Background(), "who-reads", p)
		mustFail(t, err, want)
	}
	twice := []athenatrail.QueryExecution{execution(1, weekStart, "alice", 1, 1), execution(2, weekStart, "alice", 1, 1)}
	twice[1].TablesAccessed = []string{"awsdatacatalog.archive.orders"}
	p.Arg = "orders"
	_, err := open(t, (&lakeDir{t: t, executions: twice}).write(), Options{}).Report(context.Background(), "who-reads", p)
	mustFail(t, err, "2 tables", "awsdatacatalog.archive.orders, awsdatacatalog.sales.orders")
}

func TestPatternsAgainstGo(t *testing.T) {
	list := oneCurrency(randomExecutions(900))
	for i := range list {
		if list[i].TextHash != "" {
			list[i].TextDt = list[i].SubmissionDateTime.Format(time.DateOnly)
		}
	}
	l := &lakeDir{t: t, executions: list}
	for _, e := range list {
		if e.TextDt != "" {
			l.texts = append(l.texts, athenatrail.QueryText{Home: athenatrail.NewPartition(e.SubmissionDateTime, e.AccountID, e.RegionName),
				TextHash: e.TextHash, QueryString: "SELECT " + e.TextHash[60:]})
		}
	}
	slices.SortFunc(l.texts, func(a, b athenatrail.QueryText) int {
		return cmp.Or(cmp.Compare(a.Home.Date, b.Home.Date), strings.Compare(a.Home.Name(), b.Home.Name()), strings.Compare(a.TextHash, b.TextHash))
	})
	l.texts = slices.CompactFunc(l.texts, func(a, b athenatrail.QueryText) bool { return a.Home == b.Home && a.TextHash == b.TextHash })
	d := open(t, l.write(), Options{})
	shown := slices.DeleteFunc(slices.Clone(list), func(e athenatrail.QueryExecution) bool { return e.Probe || e.Own })
	want := group(shown, week, func(e athenatrail.QueryExecution) string { return e.QueryFingerprint })
	newest := map[string]athenatrail.QueryExecution{}
	for _, e := range shown {
		if e.SubmissionDateTime.Before(week.From) || !e.SubmissionDateTime.Before(week.To) {
			continue
		}
		if old, ok := newest[e.QueryFingerprint]; !ok || e.SubmissionDateTime.After(old.SubmissionDateTime) {
			newest[e.QueryFingerprint] = e
		}
	}
	rows := answer(t, d, "patterns", week)
	if len(rows) != len(want) {
		t.Errorf("%d rows, want %d", len(rows), len(want))
	}
	for _, r := range rows {
		key, _ := r["query_fingerprint"].(string)
		w := want[key]
		if w == nil {
			t.Errorf("an unexpected row %v", r)
			continue
		}
		got := []any{r["people"], r["executions"], r["failed"], r["not_started"], r["data_scanned_bytes"], r["cost"], r["p95_ms"], r["scanned_per_execution"]}
		each := int64(math.Round(float64(w.Scanned) / float64(w.Known)))
		if diff := gocmp.Diff([]any{int64(len(w.People)), w.Executions, w.Failed, w.NotStarted, w.Scanned, money(w.Cost), edge(w.latency, 95), each}, got); diff != "" {
			t.Errorf("%s (- is Go's):\n%s", key, diff)
		}
		var text any
		if key != "" {
			text = "SELECT " + newest[key].TextHash[60:]
		}
		if r["query_string"] != text {
			t.Errorf("%s: sample %v, want %v", key, r["query_string"], text)
		}
	}
}

// edge is the upper edge of the bucket that holds the rank.
func edge(latency []int64, percent int) any {
	if len(latency) == 0 {
		return nil
	}
	latency = slices.Sorted(slices.Values(latency))
	rank := (len(latency)*percent + 99) / 100
	return athenatrail.LatencyEdge(athenatrail.LatencyBucket(latency[rank-1]))
}

func TestUnused(t *testing.T) {
	n := 0
	at := func(days int, who string, cost athenatrail.Money, table string, write, drop bool) athenatrail.QueryExecution {
		n++
		e := execution(n, weekEnd.AddDate(0, 0, -days), who, 100, cost)
		e.TablesAccessed = []string{"awsdatacatalog.sales." + table}
		if write || drop {
			e.TablesWritten = e.TablesAccessed
		}
		if e.SubstatementType = "SELECT"; drop {
			e.SubstatementType, e.StatementType = "DROP_TABLE", "DDL"
		}
		return e
	}
	own := at(2, "alice", 5, "only_us", false, false)
	own.Own = true
	list := []athenatrail.QueryExecution{
		at(30, "alice", 5, "old", false, false), at(29, "bob", 5, "old", false, false), // not read for long
		at(40, "alice", 5, "dearly_written", false, false), at(3, "etl", 7e9, "dearly_written", true, false), at(2, "etl", 8e9, "dearly_written", true, false),
		at(3, "etl", 9e9, "read", true, false), at(2, "bob", 5, "read", false, false),
		at(3, "etl", 9e9, "gone", true, false), at(2, "etl", 0, "gone", false, true), // dropped
		at(3, "etl", 0, "back", false, true), at(2, "etl", 1e9, "back", true, false), // dropped, and made again
		at(12, "etl", 4e9, "never_read", true, false), own,
	}
	d := open(t, (&lakeDir{t: t, executions: list}).write(), Options{})
	var got []string
	for _, r := range answer(t, d, "unused", week) {
		got = append(got, fmt.Sprintf("%s unread %v read %v readers %v writes %v for %v", strings.TrimPrefix(r["table_name"].(string), "awsdatacatalog.sales."), r["days_unread"], r["last_read"] != nil, r["readers_before"], r["writes"], r["write_cost"]))
	}
	want := []string{
		"dearly_written unread 40 read true readers 1 writes 2 for " + string(json.Number("15")),
		"back unread 3 read false readers 0 writes 2 for 1",
		"old unread 29 read true readers 2 writes 0 for <nil>",
		"never_read unread 12 read false readers 0 writes 0 for <nil>",
		"only_us unread 2 read false readers 0 writes 0 for <nil>",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(- is wanted):\n%s", diff)
	}
	p := week
	p.Where = []Condition{{Column: "table_name", Value: "*_read"}}
	if rows := answer(t, d, "unused", p); len(rows) != 1 {
		t.Errorf("%v", rows)
	}
}
