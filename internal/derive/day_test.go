package derive

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/price"
)

// unfailing stands for a testing.TB inside a property, whose helpers cannot fail.
type unfailing struct{ testing.TB }

func (unfailing) Helper()           {}
func (unfailing) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// drawFacts returns facts about a few executions around the tests' day, and
// what must be known before them.
func drawFacts(t *rapid.T) (known, facts []any) {
	ids := []string{q1, q2, q3, "not-a-uuid", "NOT-A-UUID"}
	id := rapid.SampledFrom(ids)
	person := rapid.SampledFrom([]string{"rosa", "redash", "ana"})
	seconds := rapid.IntRange(0, 86399)
	n := 0
	eventID := func() string { n++; return fmt.Sprintf("e%d", n) }

	for range rapid.IntRange(0, 2).Draw(t, "earlier") {
		known = append(known, earlier(id.Draw(t, "earlier id")))
	}
	if rapid.Bool().Draw(t, "elsewhere") {
		known = append(known, elsewhere("s1"))
	}
	for range rapid.IntRange(0, 8).Draw(t, "starts") {
		queryID := rapid.OneOf(id, rapid.Just("")).Draw(t, "started")
		when := midnight.Add(time.Duration(seconds.Draw(t, "second")) * time.Second)
		members := object{"userIdentity": object{"type": "IAMUser", "userName": person.Draw(t, "person"), "accountId": rapid.SampledFrom([]string{account, other}).Draw(t, "caller")}}
		if queryID == "" {
			members["errorCode"] = "AccessDenied"
		}
		if rapid.Bool().Draw(t, "shared") {
			members["sharedEventID"] = rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "shared id")
		}
		e := event("StartQueryExecution", eventID(), queryID, when, members)
		if rapid.Bool().Draw(t, "clear") {
			e.TextHash = rapid.SampledFrom([]string{"aa", "bb"}).Draw(t, "event text")
		}
		facts = append(facts, e)
	}
	if rapid.Bool().Draw(t, "poll") {
		facts = append(facts, event("GetQueryExecution", eventID(), q1, at("12:00:00"), nil))
	}
	for range rapid.IntRange(0, 6).Draw(t, "details") {
		queryID := id.Draw(t, "detail")
		if rapid.Bool().Draw(t, "unanswered") {
			facts = append(facts, outcome(queryID, rapid.SampledFrom([]string{athenatrail.OutcomeTooOld, athenatrail.OutcomeNotFound, athenatrail.OutcomeUnprocessed, athenatrail.OutcomeDenied, athenatrail.OutcomeNoRole}).Draw(t, "outcome")))
			continue
		}
		when := midnight.Add(time.Duration(rapid.IntRange(-86400, 2*86400-1).Draw(t, "submitted")) * time.Second)
		det := answer(queryID, when, object{
			"StatementType": rapid.SampledFrom([]string{"DML", "DDL", ""}).Draw(t, "type"),
			"Status":        object{"State": rapid.SampledFrom([]string{"SUCCEEDED", "FAILED", "CANCELLED", "RUNNING"}).Draw(t, "state"), "SubmissionDateTime": when.Unix()},
			"Statistics": object{"DataScannedInBytes": rapid.OneOf(rapid.Int64Range(-1, 1<<41), rapid.Just(int64(math.MaxInt64))).Draw(t, "bytes"),
				"TotalExecutionTimeInMillis": rapid.Int64Range(-1, 1e9).Draw(t, "ms"), "ResultReuseInformation": object{"ReusedPreviousResult": rapid.Bool().Draw(t, "reused")}},
		})
		det.Final = rapid.Bool().Draw(t, "final")
		det.TextHash = rapid.SampledFrom([]string{"", "aa", "bb"}).Draw(t, "detail text")
		facts = append(facts, det)
	}
	for range rapid.IntRange(0, 3).Draw(t, "texts") {
		facts = append(facts, held{rapid.SampledFrom([]string{"aa", "bb"}).Draw(t, "text"), today + athenatrail.Date(rapid.IntRange(-2, 2).Draw(t, "on"))})
	}
	if rapid.Bool().Draw(t, "beside") {
		facts = append(facts, beside(id.Draw(t, "beside id")))
	}
	return known, facts
}

// The rows are a function of the set of facts: neither order nor repeats
// change a byte of them.
func TestOrderAndRepeatsChangeNothing(t *testing.T) {
	settings := newSettings(t, price.Settings{})
	rapid.Check(t, func(t *rapid.T) {
		known, facts := drawFacts(t)
		rows, usage := feedDay(unfailing{}, NewDay(home, settings), slices.Concat(known, facts)...).Tables()

		again := slices.Concat(facts, facts[:rapid.IntRange(0, len(facts)).Draw(t, "repeated")])
		again = rapid.Permutation(again).Draw(t, "order")
		known = append(known, known...)
		rows2, usage2 := feedDay(unfailing{}, NewDay(home, settings), slices.Concat(rapid.Permutation(known).Draw(t, "known"), again)...).Tables()
		if d := cmp.Diff(rows, rows2); d != "" {
			t.Fatalf("rows: %s", d)
		}
		if d := cmp.Diff(usage, usage2); d != "" {
			t.Fatalf("usage: %s", d)
		}
		sorted := slices.IsSortedFunc(rows, func(a, b athenatrail.QueryExecution) int { return a.SubmissionDateTime.Compare(b.SubmissionDateTime) })
		if !sorted {
			t.Fatal("rows are not in the order of their submission")
		}
	})
}

// Every start ends as exactly one row, here or, when told so, elsewhere.
func TestEveryStartIsOneRow(t *testing.T) {
	settings := newSettings(t, price.Settings{})
	rapid.Check(t, func(t *rapid.T) {
		known, facts := drawFacts(t)
		want := map[string]int{}
		for _, f := range facts {
			e, ok := f.(*athenatrail.Event)
			if !ok || e.Name != "StartQueryExecution" || slices.Contains(known, any(earlier(e.QueryExecutionID))) {
				continue
			}
			if e.SharedEventID == "s1" && slices.Contains(known, any(elsewhere("s1"))) && callerOf(e) != account {
				continue
			}
			if e.QueryExecutionID == "" {
				want[e.ID] = 1
			} else {
				want[e.QueryExecutionID] = 1
			}
		}
		got := map[string]int{}
		rows, _ := feedDay(unfailing{}, NewDay(home, settings), slices.Concat(known, facts)...).Tables()
		for _, r := range rows {
			switch {
			case r.Gap == athenatrail.GapNoEvent:
			case r.QueryExecutionID == "":
				got[r.EventID]++
			default:
				got[r.QueryExecutionID]++
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

// callerOf returns the account of an event's caller.
func callerOf(e *athenatrail.Event) string {
	var record struct{ UserIdentity struct{ AccountID string } }
	if err := json.Unmarshal([]byte(e.Record), &record); err != nil {
		panic(err)
	}
	return record.UserIdentity.AccountID
}

// The roll-up of a day says what its rows say.
func TestUsageEqualsRows(t *testing.T) {
	settings := newSettings(t, price.Settings{})
	rapid.Check(t, func(t *rapid.T) {
		known, facts := drawFacts(t)
		rows, usage := feedDay(unfailing{}, NewDay(home, settings), slices.Concat(known, facts)...).Tables()

		add := func(a, b int64) int64 {
			if a > math.MaxInt64-b {
				return math.MaxInt64
			}
			return a + b
		}
		for i := range usage.Rollup {
			u := usage.Rollup[i]
			want := athenatrail.UsageRollup{UsageKey: u.UsageKey}
			for _, r := range rows {
				start := r.SubmissionDateTime
				for _, f := range facts {
					if e, ok := f.(*athenatrail.Event); ok && r.EventID == e.ID {
						start = e.Time
					}
				}
				slot := time.Date(2026, 5, 4, start.Hour(), start.Minute()/15*15, 0, 0, time.UTC)
				key := athenatrail.UsageKey{Slot: slot, Kind: "sql", Person: r.Person, PersonKind: r.PersonKind, PersonSource: r.PersonSource, Team: r.Team,
					RoleName: r.RoleName, AccountID: r.AccountID, RegionName: r.RegionName, WorkGroupName: r.WorkGroupName, Tool: r.Tool,
					DatabaseName: r.DatabaseName, State: r.State, Gap: r.Gap, CostBasis: r.CostBasis, Currency: r.Currency, Probe: r.Probe, Own: r.Own}
				if key != u.UsageKey {
					continue
				}
				want.Executions++
				if r.DataScannedBytes != nil {
					want.Known++
					want.DataScannedBytes = add(want.DataScannedBytes, *r.DataScannedBytes)
					want.MaxScannedBytes = max(want.MaxScannedBytes, *r.DataScannedBytes)
				}
				if r.State == "FAILED" || r.Gap == athenatrail.GapNotStarted {
					want.Failed++
				}
				if r.ReusedResult != nil && *r.ReusedResult {
					want.Reused++
				}
				if r.BilledBytes != nil {
					want.BilledBytes = add(want.BilledBytes, *r.BilledBytes)
				}
				if r.Cost != nil {
					want.Cost += *r.Cost
				}
				if r.TotalMillis != nil {
					want.TotalMillis = add(want.TotalMillis, *r.TotalMillis)
					*want.Latency(athenatrail.LatencyBucket(*r.TotalMillis))++
				}
			}
			if d := cmp.Diff(want, u); d != "" {
				t.Fatal(d)
			}
			if i > 0 && usage.Rollup[i-1].UsageKey.Compare(&u.UsageKey) >= 0 {
				t.Fatal("usage is not in the order of its keys")
			}
		}
		var executions int64
		for _, u := range usage.Rollup {
			executions += u.Executions
		}
		if executions != int64(len(rows)) {
			t.Fatalf("%d executions in usage, %d rows", executions, len(rows))
		}
	})
}

func TestExecutionsStopsAtAnError(t *testing.T) {
	d := feedDay(t, NewDay(home, newSettings(t, price.Settings{})), startOf("e1", q1, at("10:00:00")), startOf("e2", q2, at("10:00:01")))
	calls := 0
	_, err := d.Executions(func(*athenatrail.QueryExecution) error { calls++; return fmt.Errorf("disk full") })
	if err == nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// A large day: what each start costs in memory until its row is written.
func TestMemoryOfALargeDay(t *testing.T) {
	if testing.Short() {
		t.Skip("builds 20,000 executions")
	}
	const n = 20_000
	d := NewDay(home, newSettings(t, price.Settings{}))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		when := midnight.Add(time.Duration(i) * time.Second / 10)
		queryID := fmt.Sprintf("%08x-0000-4000-8000-000000000001", i)
		det := answer(queryID, when, nil)
		det.TextHash = athenatrail.HashText(queryID)
		d.Detail(det)
		d.Text(&athenatrail.QueryText{Home: home, TextHash: det.TextHash})
		e := event("StartQueryExecution", fmt.Sprintf("%08x-0000-4000-8000-00000000000e", i), queryID, when, nil)
		if _, err := d.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%d bytes for each execution", each)
	if each > 1000 {
		t.Errorf("an execution takes %d bytes", each)
	}
	if rows, _ := d.Tables(); len(rows) != n {
		t.Errorf("%d rows", len(rows))
	}
}

// A day of 72,000 events of which a quarter are starts.
func BenchmarkDay(b *testing.B) {
	settings := newSettings(b, price.Settings{})
	const n = 72_000
	var events []*athenatrail.Event
	var details []*athenatrail.Detail
	for i := range n {
		when := midnight.Add(time.Duration(i) * time.Second)
		queryID := fmt.Sprintf("%08x-0000-4000-8000-000000000001", i/4)
		name := "GetQueryExecution"
		if i%4 == 0 {
			name = "StartQueryExecution"
			details = append(details, answer(queryID, when, nil))
		}
		events = append(events, event(name, fmt.Sprintf("%08x-0000-4000-8000-00000000000e", i), queryID, when, nil))
	}
	b.ReportAllocs()
	for b.Loop() {
		d := NewDay(home, settings)
		for _, det := range details {
			d.Detail(det)
		}
		for _, e := range events {
			if _, err := d.Event(e); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := d.Executions(func(*athenatrail.QueryExecution) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
