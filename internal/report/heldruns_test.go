package report

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

// rowsLake returns a lake of some days of seven weeks, whose executions have
// SQL: the same on many days, kept and not kept, on their own day and beside it.
func rowsLake(t *testing.T) *lakeDir {
	l := &lakeDir{t: t, executions: randomExecutions(300)}
	l.sessions, l.calcs = randomSessions(20)
	r := rand.New(rand.NewPCG(5, 6))
	seen := map[string]bool{}
	for i := range l.executions {
		e := &l.executions[i]
		e.AccountID = accountA // fewer files
		day := []int{0, 0, 1, 1, 2, 6, 7, 13, 30, 48}[r.IntN(10)]
		e.SubmissionDateTime = weekEnd.AddDate(0, 0, -day).Add(-time.Duration(1+r.Int64N(int64(24*time.Hour/time.Millisecond)-1)) * time.Millisecond)
		if e.Gap != "" && e.Gap != athenatrail.GapExpired {
			continue
		}
		home := athenatrail.NewPartition(e.SubmissionDateTime.AddDate(0, 0, r.IntN(3)-1), e.AccountID, e.RegionName)
		n := r.IntN(30)
		e.TextHash, e.TextDt = fmt.Sprintf("%064x", n), home.Date.String()
		text := athenatrail.QueryText{Home: home, TextHash: e.TextHash, QueryString: fmt.Sprintf("SELECT * FROM sales.orders WHERE Über = '100%%_%d' AND it = 'it''s \"so\"\\n'", n)}
		switch n {
		case 3:
			text.QueryString = "" // not kept
		case 4:
			text.QueryString += " -- " + home.Date.String() // masked in another way each day
		case 5:
			text.QueryString = "SELECT '\ufffd\u0000' FROM t" // of bytes that are no text
		}
		if key := home.String() + e.TextHash; !seen[key] && n != 6 {
			seen[key] = true
			l.texts = append(l.texts, text)
		}
	}
	return l
}

// heldOf holds a lake and opens it with what is held and without.
func heldOf(t *testing.T, lake, file string, zone *time.Location, s Scope) (held, plain *DB) {
	t.Helper()
	if _, err := Hold(context.Background(), lake, file, zone, true); err != nil {
		t.Fatal(err)
	}
	var dbs [2]*DB
	for i, o := range []Options{{TimeZone: zone, Held: file}, {TimeZone: zone}} {
		d, err := OpenScoped(context.Background(), lake, o, s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		dbs[i] = d
	}
	return dbs[0], dbs[1]
}

// rowScopes are roles, one of each kind.
var rowScopes = []Scope{{}, {Persons: []string{"alice@example.com", "carol"}}, {Teams: []string{"data"}, HideSQL: true}, {HideSQL: true}}

// Every view answers from held rows what it answers from files, whatever the
// window, the conditions and the role.
func TestHeldRowsEqualFiles(t *testing.T) {
	lake := rowsLake(t).write()
	file := filepath.Join(t.TempDir(), "held")
	in := zone(t, "Europe/Berlin")
	r := rand.New(rand.NewPCG(7, 8))
	windows := []int{7, 14, 50}
	rows := map[string]int{}
	for n, scope := range rowScopes {
		held, plain := heldOf(t, lake, file, in, scope)
		for name, p := range everyView() {
			v, err := Lookup(name)
			if err != nil {
				t.Fatal(err)
			}
			if n > 0 && !slices.Contains([]string{"queries", "patterns", "findings", "roles", "tables", "failures"}, name) {
				continue
			}
			p.From, p.To = weekEnd.AddDate(0, 0, -windows[r.IntN(3)]), weekEnd.Add(-time.Duration(r.IntN(5000))*time.Second)
			p.PartitionColumns = []PartitionColumn{{"awsdatacatalog.sales.orders", "dt"}}
			if _, ok := v.kinds["team"]; ok && r.IntN(3) == 0 && n == 0 {
				p.Where = []Condition{{Column: "team", Value: "data", Not: true}}
			}
			want := answer(t, plain, name, p)
			rows[name] += len(want)
			if diff := cmp.Diff(want, answer(t, held, name, p)); diff != "" {
				t.Errorf("scope %+v, %s %+v: files (-) and held rows (+) differ:\n%s", scope, name, p, diff)
			}
		}
	}
	for _, name := range []string{"queries", "patterns", "findings", "roles", "jobs", "tables", "databases-accessed", "unused", "failures", "who-reads", "users"} {
		if rows[name] == 0 {
			t.Errorf("%s: no rows were compared", name)
		}
	}
}

// A search finds in held texts what it finds in files, page by page.
func TestHeldSearchEqualsFiles(t *testing.T) {
	lake := rowsLake(t).write()
	file := filepath.Join(t.TempDir(), "held")
	searches := []Search{
		{}, {Text: "select orders"}, {Text: "ÜBER", Order: Order{"cost", true}}, {Text: `"100%_1"`}, {Text: "%"}, {Text: "_"}, {Text: "100_"},
		{Text: "it''s"}, {Text: "\x00"}, {Text: "\ufffd"}, {Text: `\n`}, {Text: "'"}, {Text: "-- 2026"}, {Text: "nowhere"}, {Text: strings.Repeat("é", 250)},
		{Text: "select", Table: "awsdatacatalog.sales.orders"}, {Where: []Condition{{Column: "state", Value: "FAILED"}}, Text: "from", Probes: true, Own: true},
		{Text: "from", Order: Order{"person", false}},
	}
	found := 0
	for n, scope := range rowScopes {
		held, plain := heldOf(t, lake, file, nil, scope)
		for i, s := range searches {
			if n > 0 && i%3 != n%3 {
				continue
			}
			s.From, s.To, s.Limit = weekEnd.AddDate(0, 0, -50), weekEnd, 60
			for pages := 0; pages < 5; pages++ {
				want, err := plain.Search(context.Background(), s)
				if err != nil {
					t.Fatal(err)
				}
				got, err := held.Search(context.Background(), s)
				if err != nil {
					t.Fatal(err)
				}
				wantRows, _ := want.All()
				gotRows, _ := got.All()
				if diff := cmp.Diff(wantRows, gotRows); diff != "" || want.Next != got.Next || !cmp.Equal(want.Sums, got.Sums) {
					t.Errorf("scope %+v, %+v: files (-) and held rows (+) differ, sums %v and %v:\n%s", scope, s, want.Sums, got.Sums, diff)
				}
				found += len(wantRows)
				if scope.HideSQL && s.Text != "" && len(gotRows) > 0 {
					t.Errorf("scope %+v: a text that may not be read was searched: %q", scope, s.Text)
				}
				if s.After = want.Next; s.After == "" {
					break
				}
			}
		}
	}
	if found < 500 {
		t.Errorf("%d rows were compared", found)
	}
}

// Held rows follow the lake, move from one file to the other, and what is gone
// from the lake is gone from them, its SQL too.
func TestHoldRowsFollowsTheLake(t *testing.T) {
	l := rowsLake(t)
	lake, file := l.write(), filepath.Join(t.TempDir(), "held")
	ctx := context.Background()
	if _, err := Hold(ctx, lake, file, nil, true); err != nil {
		t.Fatal(err)
	}
	if changed, err := Hold(ctx, lake, file, nil, false); changed || err != nil {
		t.Errorf("held again: changed %t, %v", changed, err)
	}
	count := func(part int, table, where string) (n int) {
		t.Helper()
		d := open(t, lake, Options{Held: file})
		if err := d.db.QueryRow("SELECT count(*) FROM " + heldParts(file)[part].name + "." + table + " WHERE " + where).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	same := func(what string) {
		t.Helper()
		held, plain := open(t, lake, Options{Held: file}), open(t, lake, Options{})
		p := Params{From: weekEnd.AddDate(0, 0, -60), To: weekEnd.AddDate(0, 0, 30)}
		for _, view := range []string{"queries", "tables", "roles"} {
			want := answer(t, plain, view, p)
			if diff := cmp.Diff(want, answer(t, held, view, p)); diff != "" || len(want) == 0 {
				t.Errorf("%s, %s: the lake (-) and what is held (+) differ:\n%s", what, view, diff)
			}
		}
	}
	same("at first")
	old, recent := count(0, "query_executions", "true"), count(1, "query_executions", "true")
	if old == 0 || recent == 0 || old+recent != len(l.executions) {
		t.Errorf("%d old and %d new executions of %d", old, recent, len(l.executions))
	}

	// A text is forgotten.
	const secret = "Über = '100%_7'"
	if n := count(1, "held_texts", "contains(query_string, "+quote(secret)+")"); n != 1 {
		t.Fatalf("the text is held %d times", n)
	}
	l.texts = slices.DeleteFunc(l.texts, func(q athenatrail.QueryText) bool { return strings.Contains(q.QueryString, secret) })
	moveLake(t, l.write(), lake)
	if _, err := Hold(ctx, lake, file, nil, true); err != nil {
		t.Fatal(err)
	}
	same("after a text was forgotten")
	for _, part := range heldParts(file) {
		data, err := os.ReadFile(part.file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), secret) {
			t.Errorf("%s still has what was forgotten", part.name)
		}
	}

	// Three weeks later, days are old that were new.
	for i := range 3 {
		l.executions = append(l.executions, execution(9000+i, weekEnd.AddDate(0, 0, 19+i), "new@example.com", 5e9, 7e9))
	}
	moveLake(t, l.write(), lake)
	if _, err := Hold(ctx, lake, file, nil, true); err != nil {
		t.Fatal(err)
	}
	same("three weeks later")
	if n := count(0, "query_executions", "true"); n <= old {
		t.Errorf("%d old executions, before %d", n, old)
	}

	if err := os.WriteFile(file+".new", []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Hold(ctx, lake, file, nil, true); err != nil {
		t.Fatal(err)
	}
	same("made anew after damage")
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Hold(canceled, lake, file, nil, true); !errors.Is(err, context.Canceled) {
		t.Errorf("held by nobody: %v", err)
	}
}

// moveLake puts a lake in the place of another. Its files have new times.
func moveLake(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
