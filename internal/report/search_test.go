package report

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail"
)

// searched is a lake of executions with SQL.
func searched(t *testing.T) (string, []athenatrail.QueryExecution) {
	t.Helper()
	l := &lakeDir{t: t}
	l.executions = randomExecutions(400)
	for i := range l.executions {
		e := &l.executions[i]
		if e.Gap != "" {
			continue
		}
		e.TextHash, e.TextDt = fmt.Sprintf("%064x", i%40), athenatrail.DateOf(e.SubmissionDateTime).String()
		l.texts = append(l.texts, athenatrail.QueryText{
			Home: athenatrail.NewPartition(e.SubmissionDateTime, e.AccountID, e.RegionName), TextHash: e.TextHash,
			QueryString: fmt.Sprintf("SELECT Über_%d, '%%_' FROM sales.orders WHERE n = %d", i%40, i%40),
		})
	}
	seen := map[string]bool{}
	l.texts = slices.DeleteFunc(l.texts, func(q athenatrail.QueryText) bool {
		key := q.Home.String() + q.TextHash
		defer func() { seen[key] = true }()
		return seen[key]
	})
	return l.write(), l.executions
}

// TestSearchPagesHoldEveryRowOnce walks all pages in every order and compares
// them with one sorted list.
func TestSearchPagesHoldEveryRowOnce(t *testing.T) {
	root, executions := searched(t)
	d := open(t, root, Options{})
	want := 0
	for _, e := range executions {
		if !e.SubmissionDateTime.Before(weekStart) && e.SubmissionDateTime.Before(weekEnd) && !e.Own && !e.Probe {
			want++
		}
	}
	// One of each type, with and without NULL.
	for _, column := range []string{"submission_date_time", "query_execution_id", "person", "tool", "total_ms", "cost", "reused_result"} {
		for _, desc := range []bool{false, true} {
			t.Run(Order{column, desc}.String(), func(t *testing.T) {
				s := Search{From: weekStart, To: weekEnd, Order: Order{column, desc}, Limit: 61}
				seen := map[string]bool{}
				var cells []any
				for pages := 0; ; pages++ {
					f, err := d.Search(context.Background(), s)
					if err != nil {
						t.Fatal(err)
					}
					rows, _ := f.All()
					for _, row := range rows {
						key := fmt.Sprint(row[f.Index("event_id")])
						if seen[key] {
							t.Fatalf("event %s is on two pages", key)
						}
						seen[key] = true
						cells = append(cells, row[f.Index(column)])
					}
					if f.Next == "" {
						break
					}
					if pages > 40 {
						t.Fatal("the pages do not end")
					}
					s.After = f.Next
				}
				if len(seen) != want {
					t.Errorf("the pages have %d rows, want %d", len(seen), want)
				}
				if !slices.IsSortedFunc(cells, func(a, b any) int { return compareCells(a, b, desc) }) {
					t.Errorf("the pages are not in order: %v", cells)
				}
			})
		}
	}
}

func TestSearchFindsTextAndSums(t *testing.T) {
	root, executions := searched(t)
	d := open(t, root, Options{})
	f := func(text string, matches func(i int) bool) {
		t.Helper()
		found, err := d.Search(context.Background(), Search{From: weekStart, To: weekEnd, Text: text, Limit: 1000, Probes: true, Own: true})
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		costs := map[string]athenatrail.Money{}
		for i, e := range executions {
			if e.Gap != "" || !matches(i%40) || e.SubmissionDateTime.Before(weekStart) || !e.SubmissionDateTime.Before(weekEnd) {
				continue
			}
			n++
			if e.Cost != nil && e.CostBasis != athenatrail.BasisCapacity {
				costs[e.Currency] += *e.Cost
			}
		}
		rows, _ := found.All()
		var sum int64
		for _, s := range found.Sums {
			sum += s.Executions
			got, want := new(big.Rat), new(big.Rat).SetFrac64(int64(costs[s.Currency]), athenatrail.MoneyScale)
			if s.Cost != "" {
				got.SetString(string(s.Cost))
			}
			if got.Cmp(want) != 0 {
				t.Errorf("%q: cost in %q is %s, want %s", text, s.Currency, got, want)
			}
		}
		if int64(len(rows)) != n || sum != n {
			t.Errorf("%q: got %d rows and a sum of %d, want %d", text, len(rows), sum, n)
		}
	}
	f(`"n = 7"`, func(i int) bool { return i == 7 })
	f(`select FROM`, func(int) bool { return true })
	f(`ÜBER_3`, func(i int) bool { return i == 3 || i >= 30 })
	f(`%_`, func(int) bool { return true })
	f(`' OR 1=1 --`, func(int) bool { return false })
}

func TestSearchRefusesWhatItCannotDo(t *testing.T) {
	root, _ := searched(t)
	d := open(t, root, Options{})
	f := func(change func(*Search), words ...string) {
		t.Helper()
		s := Search{From: weekStart, To: weekEnd}
		change(&s)
		_, err := d.Search(context.Background(), s)
		mustFail(t, err, words...)
	}
	f(func(s *Search) { s.Order.Column = "query_string" }, "column to sort by")
	f(func(s *Search) { s.Order.Column = "cost; DROP TABLE x" }, "column to sort by")
	f(func(s *Search) { s.After = "zzz" }, "first page")
	f(func(s *Search) { s.After = strings.Repeat("A", 10000) }, "first page")
	f(func(s *Search) { s.Limit = 1001 }, "limit")
	f(func(s *Search) { s.Text = strings.Repeat("a ", 11) }, "11 words")
	f(func(s *Search) { s.Text = "\xff" }, "UTF-8")
	f(func(s *Search) { s.Where = []Condition{{Column: "colour", Value: "x"}} }, "colour")
	f(func(s *Search) { s.From = s.To }, "not before")
	first, err := d.Search(context.Background(), Search{From: weekStart, To: weekEnd, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	f(func(s *Search) { s.After, s.Order = first.Next, Order{"cost", true} }, "first page")
}

func TestSearchByTable(t *testing.T) {
	root, executions := searched(t)
	d := open(t, root, Options{})
	want := 0
	for _, e := range executions {
		if slices.Contains(e.TablesAccessed, "awsdatacatalog.sales.orders") && !e.SubmissionDateTime.Before(weekStart) && e.SubmissionDateTime.Before(weekEnd) {
			want++
		}
	}
	found, err := d.Search(context.Background(), Search{From: weekStart, To: weekEnd, Table: "awsdatacatalog.sales.orders", Limit: 1000, Probes: true, Own: true})
	if err != nil {
		t.Fatal(err)
	}
	if rows, _ := found.All(); len(rows) != want || want == 0 {
		t.Errorf("got %d rows, want %d", len(rows), want)
	}
}

// TestScopeHoldsInEveryView looks for what a scope forbids in every cell of
// every view.
func TestScopeHoldsInEveryView(t *testing.T) {
	root, executions := searched(t)
	for name, scope := range map[string]Scope{
		"team":   {Teams: []string{"data"}},
		"person": {Persons: []string{"alice@example.com"}},
		"nobody": {Teams: []string{}},
		"quoted": {Persons: []string{"x' OR '1'='1"}},
		"no SQL": {HideSQL: true},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := OpenScoped(context.Background(), root, Options{}, scope)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			rows := 0
			for _, v := range Views() {
				p := week
				switch {
				case len(v.By) > 0 && len(v.DefaultBy) == 0:
					p.By = []string{"person", "team"}
				case v.Argument == "TABLE":
					p.Arg = "awsdatacatalog.sales.orders"
				case v.Argument != "":
					continue
				}
				p.Probes, p.Own = true, true
				for _, byRows := range []bool{false, true} {
					p.Rows = byRows
					r, err := d.Report(context.Background(), v.Name, p)
					if err != nil {
						if v.Argument != "" && strings.Contains(err.Error(), "unknown table") {
							continue
						}
						t.Fatal(err)
					}
					list, _ := r.All()
					for _, row := range list {
						rows++
						for i, c := range r.Columns {
							text, _ := row[i].(string)
							if c.Name == "query_string" && scope.HideSQL && text != "" {
								t.Errorf("%s shows SQL: %q", v.Name, text)
							}
							if c.Name == "team" && scope.Teams != nil && text != "data" || c.Name == "person" && scope.Persons != nil && row[i] != nil && text != scope.Persons[0] {
								t.Errorf("%s shows a row of the %s %q", v.Name, c.Name, text)
							}
						}
					}
				}
			}
			for i := 0; i < len(executions); i += 40 {
				e := executions[i]
				_, err := d.Who(context.Background(), e.EventID)
				allowed := (scope.Teams == nil || slices.Contains(scope.Teams, e.Team)) && (scope.Persons == nil || slices.Contains(scope.Persons, e.Person))
				if (err == nil) != allowed {
					t.Fatalf("%s of %s in %s: error %v", e.EventID, e.Person, e.Team, err)
				}
			}
			if rows == 0 && name != "nobody" && name != "quoted" {
				t.Error("no view has a row")
			}
		})
	}
}

func TestSortedOrdersBeforeItCuts(t *testing.T) {
	root, _ := searched(t)
	d := open(t, root, Options{})
	for _, column := range []string{"executions", "cost", "person", "p95_ms", "last_seen", "cost_share_percent"} {
		for _, desc := range []bool{false, true} {
			p := week
			all, err := d.Sorted(context.Background(), "users", p, Order{column, desc})
			if err != nil {
				t.Fatal(err)
			}
			p.Limit = 2
			cut, err := d.Sorted(context.Background(), "users", p, Order{column, desc})
			if err != nil {
				t.Fatal(err)
			}
			rows, _ := all.All()
			few, _ := cut.All()
			at := all.Index(column)
			if !slices.IsSortedFunc(rows, func(a, b []any) int { return compareCells(a[at], b[at], desc) }) {
				t.Errorf("%s: not in order", column)
			}
			if fmt.Sprint(few) != fmt.Sprint(rows[:2]) || !cut.More {
				t.Errorf("%s: the first two of all are %v, got %v", column, rows[:2], few)
			}
		}
	}
	_, err := d.Sorted(context.Background(), "users", week, Order{"colour", false})
	mustFail(t, err, "colour")
}

func TestCompareCells(t *testing.T) {
	f := func(a, b any, desc bool, want int) {
		t.Helper()
		if got := compareCells(a, b, desc); cmp.Compare(got, 0) != want {
			t.Errorf("%v and %v: got %d, want %d", a, b, got, want)
		}
	}
	f(nil, int64(1), false, 1)
	f(nil, int64(1), true, 1)
	f(json.Number("10.5"), json.Number("9"), false, 1)
	f(json.Number("10.5"), json.Number("9"), true, -1)
	f(int64(3), 2.5, false, 1)
	f("b", "a", false, 1)
	f(true, false, false, 1)
}
