package report

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

// heldLake returns a lake of six weeks, over months and a change of clocks.
func heldLake(t *testing.T) *lakeDir {
	l := &lakeDir{t: t, executions: randomExecutions(300)}
	l.sessions, _ = randomSessions(20)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range l.executions {
		e := &l.executions[i]
		e.AccountID = accountA // fewer files
		e.SubmissionDateTime = weekEnd.Add(-time.Duration(r.Int64N(int64(42*24*time.Hour/time.Millisecond))) * time.Millisecond)
	}
	return l
}

// randomWindow returns a window of the lake: on quarter hours, of hours or
// weeks, some of them from midnight to midnight.
func randomWindow(r *rand.Rand, zone *time.Location) (from, to time.Time) {
	for {
		a, b := weekEnd.Add(-time.Duration(r.IntN(44*96))*athenatrail.SlotLength), weekEnd.Add(-time.Duration(r.IntN(44*96))*athenatrail.SlotLength)
		if r.IntN(3) == 0 {
			a, b = lastEdge(byDay, a, zone), lastEdge(byDay, b, zone)
		}
		if r.IntN(4) == 0 {
			b = a.Add(time.Duration(1+r.IntN(200)) * athenatrail.SlotLength)
		}
		if a.Before(b) {
			return a, b
		}
	}
}

// What held roll-ups answer is what the rows answer, for every view of usage,
// random windows, conditions and time zones, and for every role.
func TestHeldEqualsRows(t *testing.T) {
	lake := heldLake(t).write()
	wheres := [][]Condition{
		nil, nil, {{Column: "team", Value: "data"}}, {{Column: "person", Value: "*@example.com"}}, {{Column: "tool", Value: ""}},
		{{Column: "database_name", Value: "sales"}, {Column: "state", Value: "FAILED", Not: true}},
	}
	tries := 2
	if testing.Short() {
		tries = 1
	}
	bys := [][]string{{"month"}, {"hour"}, {"day", "team"}, {"person", "database_name"}, {"cost_basis", "gap"}}
	for n, name := range []string{"America/New_York", "Asia/Kolkata"} {
		in := zone(t, name)
		file := filepath.Join(t.TempDir(), "held")
		if _, err := Hold(context.Background(), lake, file, in, true); err != nil {
			t.Fatal(err)
		}
		scope := Scope{Persons: []string{"alice@example.com", "carol"}}
		if n == 0 {
			scope = Scope{}
		}
		held, err := OpenScoped(context.Background(), lake, Options{TimeZone: in, Held: file}, scope)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		plain, err := OpenScoped(context.Background(), lake, Options{TimeZone: in}, scope)
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		r := rand.New(rand.NewPCG(uint64(n), 5))
		rows := 0
		for i, v := range Views() {
			if !v.rollup || v.source == "tables" {
				continue
			}
			for range tries {
				p := Params{Where: wheres[r.IntN(len(wheres))], Probes: r.IntN(4) == 0, Limit: []int{0, 0, 3}[r.IntN(3)]}
				p.From, p.To = randomWindow(r, in)
				if v.Name == "usage" {
					p.By = bys[(i+r.IntN(len(bys)))%len(bys)]
				}
				got := answer(t, held, v.Name, p)
				p.Rows = true
				want := answer(t, plain, v.Name, p)
				rows += len(want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s %s %+v: rows (-) and held roll-ups (+) differ:\n%s", name, v.Name, p, diff)
				}
			}
		}
		for _, by := range bys {
			p := Params{By: by}
			p.From, p.To = randomWindow(r, in)
			got := answer(t, held, "usage", p)
			p.Rows = true
			if diff := cmp.Diff(answer(t, plain, "usage", p), got); diff != "" {
				t.Errorf("%s usage %+v: rows (-) and held roll-ups (+) differ:\n%s", name, p, diff)
			}
		}
		if rows < 50 {
			t.Errorf("%s: %d rows were compared", name, rows)
		}
	}
}

// What charts and panels ask of held roll-ups, few columns or sections, is what
// stands in the whole answer of the rows, window after window on the same
// connections; and filters offer the same values.
func TestHeldPartsEqualRows(t *testing.T) {
	lake := heldLake(t).write()
	in := zone(t, "Australia/Lord_Howe") // half an hour of summer time
	file := filepath.Join(t.TempDir(), "held")
	if _, err := Hold(context.Background(), lake, file, in, true); err != nil {
		t.Fatal(err)
	}
	for _, scope := range []Scope{{}, {Teams: []string{"data"}}} {
		var dbs []*DB
		for _, o := range []Options{{TimeZone: in, Held: file}, {TimeZone: in}} {
			d, err := OpenScoped(context.Background(), lake, o, scope)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			dbs = append(dbs, d)
		}
		held, plain := dbs[0], dbs[1]
		r := rand.New(rand.NewPCG(8, uint64(len(scope.Teams))))
		asks := []struct {
			view string
			p    Params
		}{
			{"usage", Params{By: []string{"day", "team"}, Columns: []string{"day", "team", "cost", "currency"}}},
			{"usage", Params{By: []string{"person", "day"}, Columns: []string{"day", "person", "failed", "currency", "data_scanned_bytes"}}},
			{"usage", Params{By: []string{"day", "database_name"}, Columns: []string{"day", "database_name", "cost", "currency"}, Where: []Condition{{Column: "kind", Value: "sql"}}}},
			{"usage", Params{By: []string{"hour"}, Columns: []string{"hour", "executions"}, Where: []Condition{{Column: "person", Value: "*@example.com"}}}},
			{"usage", Params{By: []string{"month", "cost_basis", "gap"}, Columns: []string{"month", "cost_basis", "gap", "cost", "executions"}, Probes: true}},
			{"users", Params{Columns: []string{"person", "cost", "currency", "last_seen"}}},
			{"workgroups", Params{Columns: []string{"work_group_name", "p95_ms"}}},
		}
		rows := 0
		for n := range 4 {
			for _, a := range asks {
				p := a.p
				if p.From, p.To = randomWindow(r, in); n == 0 { // plans that are made of nothing hold for what comes
					p.From, p.To = weekEnd.AddDate(1, 0, 0), weekEnd.AddDate(1, 0, 7)
				}
				got := answer(t, held, a.view, p)
				p.Rows, p.Columns = true, nil
				want := answer(t, plain, a.view, p)
				for _, row := range want {
					for name := range row {
						if !slices.Contains(a.p.Columns, name) {
							delete(row, name)
						}
					}
				}
				rows += len(want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%+v: %s %+v: rows (-) and held roll-ups (+) differ:\n%s", scope, a.view, p, diff)
				}
			}
			p := Params{Sections: []string{"gaps", "attribution"}}
			p.From, p.To = randomWindow(r, in)
			got := answer(t, held, "overview", p)
			p.Rows, p.Sections = true, nil
			want := slices.DeleteFunc(answer(t, plain, "overview", p), func(row map[string]any) bool {
				return !slices.Contains([]any{"total", "gaps", "attribution"}, row["section"])
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%+v: sections %+v: rows (-) and held roll-ups (+) differ:\n%s", scope, p, diff)
			}
			columns := []string{"account_id", "team", "person", "state"}
			has, err := held.Values(context.Background(), columns, p.From, p.To, 3)
			if err != nil {
				t.Fatal(err)
			}
			wants, err := plain.Values(context.Background(), columns, p.From, p.To, 3)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wants, has); diff != "" {
				t.Errorf("%+v: values %+v: the lake (-) and held roll-ups (+) differ:\n%s", scope, p, diff)
			}
		}
		if rows < 100 {
			t.Errorf("%+v: %d rows were compared", scope, rows)
		}
	}
}

// Many may ask at a time, each for another window and other conditions, and one
// who gives up leaves nothing behind.
func TestHeldAtATime(t *testing.T) {
	lake := heldLake(t).write()
	file := filepath.Join(t.TempDir(), "held")
	if _, err := Hold(context.Background(), lake, file, nil, true); err != nil {
		t.Fatal(err)
	}
	d := open(t, lake, Options{Held: file})
	type ask struct {
		view string
		p    Params
		want []map[string]any
	}
	var asks []ask
	for n := range 6 {
		for view, p := range map[string]Params{"teams": {}, "users": {}, "usage": {By: []string{"day", "team"}, Columns: []string{"day", "team", "cost", "currency"}}} {
			p.From, p.To = weekEnd.AddDate(0, 0, -5*n-9), weekEnd.AddDate(0, 0, -5*n)
			if n%2 == 1 {
				p.Where = []Condition{{Column: "team", Value: "data"}}
			}
			asks = append(asks, ask{view, p, answer(t, d, view, p)})
		}
	}
	var group sync.WaitGroup
	for n := range 6 {
		group.Go(func() {
			for i := range asks {
				a := asks[(i*(n+1)+n)%len(asks)]
				ctx, cancel := context.WithCancel(context.Background())
				if i%5 == n%5 {
					go cancel()
				}
				r, err := d.Report(ctx, a.view, a.p)
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					cancel()
					continue
				}
				cancel()
				rows, err := r.All()
				if err != nil {
					t.Error(err)
					continue
				}
				var got []map[string]any
				for _, row := range rows {
					m := map[string]any{}
					for j, c := range r.Columns {
						m[c.Name] = row[j]
					}
					got = append(got, m)
				}
				if diff := cmp.Diff(a.want, got); diff != "" {
					t.Errorf("%s %+v: alone (-) and beside others (+) differ:\n%s", a.view, a.p, diff)
				}
			}
		})
	}
	group.Wait()
}

// Views of usage read what is held, and nothing of it goes around a role.
func TestHeldIsRead(t *testing.T) {
	lake := heldLake(t).write()
	file := filepath.Join(t.TempDir(), "held")
	if _, err := Hold(context.Background(), lake, file, nil, true); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(lake, "tables")); err != nil {
		t.Fatal(err)
	}
	if d := open(t, lake, Options{Held: file}); len(answer(t, d, "users", week)) == 0 {
		t.Error("nothing is held")
	}
	for _, s := range []Scope{{Persons: []string{"nobody"}}, {Teams: []string{}}} {
		d, err := OpenScoped(context.Background(), lake, Options{Held: file}, s)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for _, view := range []string{"users", "changes", "workgroups"} {
			if rows := answer(t, d, view, week); len(rows) > 0 {
				t.Errorf("%s for %+v: %v", view, s, rows)
			}
		}
	}
}

// What is held follows the lake: days that change, come and go.
func TestHoldFollowsTheLake(t *testing.T) {
	l := heldLake(t)
	lake := l.write()
	file := filepath.Join(t.TempDir(), "held")
	hold := func(patient bool) bool {
		t.Helper()
		changed, err := Hold(context.Background(), lake, file, nil, patient)
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	same := func(what string) {
		t.Helper()
		d, plain := open(t, lake, Options{Held: file}), open(t, lake, Options{})
		for _, p := range []Params{week, {From: weekStart.AddDate(0, -1, 0), To: weekEnd}} {
			if diff := cmp.Diff(answer(t, plain, "users", p), answer(t, d, "users", p)); diff != "" {
				t.Errorf("%s: the lake (-) and what is held (+) differ:\n%s", what, diff)
			}
		}
	}
	if _, err := Hold(context.Background(), lake, file, nil, false); !errors.Is(err, ErrMuch) {
		t.Errorf("all of a lake at once: %v, want %v", err, ErrMuch)
	}
	if !hold(true) {
		t.Error("a new file did not change anything")
	}
	same("at first")
	if hold(true) {
		t.Error("it changed though the lake did not")
	}

	more := execution(9000, weekEnd.AddDate(0, 0, -30), "new@example.com", 5e9, 7e9)
	l.executions = append(l.executions, more)
	l.executions[0].SubmissionDateTime = weekEnd.Add(-time.Hour)
	next := l.write()
	if err := os.RemoveAll(lake); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, lake); err != nil { // files have new times
		t.Fatal(err)
	}
	day := filepath.Join(lake, "tables/usage_rollup_open", "dt="+weekEnd.AddDate(0, 0, -3).Format(time.DateOnly))
	if err := os.RemoveAll(day); err != nil {
		t.Fatal(err)
	}
	if !hold(true) {
		t.Error("the lake changed and what is held did not")
	}
	same("days that changed and one that went")

	if err := os.WriteFile(file, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !hold(true) {
		t.Error("a damaged file was kept")
	}
	same("made anew after damage")
	if _, err := Hold(context.Background(), lake, file, zone(t, "Asia/Kolkata"), true); err != nil {
		t.Fatal(err)
	}
}
