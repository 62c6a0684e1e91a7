package limit

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
)

// someLimits has limits of every measure, kind of subject and kind of window.
func someLimits(t testing.TB) *Limits {
	t.Helper()
	ls, err := Compile([]Definition{
		{Name: "a", Per: "person", Measure: "scanned_bytes", Window: "day", Timezone: "Europe/Berlin", Amount: "60 kB", Thresholds: []string{"50%: notify", "100%: stop", "150%: block"}},
		{Name: "b", Per: "team", Measure: "cost", Window: "week", Timezone: "America/New_York", Amount: "0.00005 USD",
			Exempt: []Exempt{{Match: Match{Person: []string{"b"}}, Until: "2026-10-30", Reason: "x"}}},
		{Name: "c", Per: "all", Measure: "queries", Window: "7d", Amount: "100", Thresholds: []string{"80%: notify", "100%: block"}},
		{Name: "d", Per: "work_group", Measure: "failed_share", Window: "24h", Amount: "30 %"},
		{Name: "e", Per: "person", Measure: "dpu_time", Window: "month", Amount: "1 h", Match: Match{PersonKind: []string{"human"}}},
		{Name: "f", Per: "person", Measure: "scanned_bytes", Window: "7d", Amount: "80 kB", Match: Match{Team: []string{"t*"}, Database: []string{"x"}}},
		{Name: "g", Per: "team", Measure: "scanned_bytes", Window: "hour", Amount: "20 kB"},
	}, Options{Zone: time.UTC, LoadZone: time.LoadLocation, Protect: []string{"c"}})
	if err != nil {
		t.Fatal(err)
	}
	return ls
}

// summer ends in Berlin on 2026-10-25 and in New York on 2026-11-01.
var epoch = time.Date(2026, 10, 5, 0, 0, 0, 0, time.UTC)

func drawExecutions(r *rapid.T) []Execution {
	n := rapid.IntRange(0, 120).Draw(r, "executions")
	list := make([]Execution, n)
	for i := range list {
		e := &list[i]
		e.SubmissionDateTime = epoch.Add(time.Duration(rapid.IntRange(0, 30*96-1).Draw(r, "slot")) * athenatrail.SlotLength)
		e.QueryExecutionID = fmt.Sprintf("q%03d", i)
		e.Person = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "person")
		e.PersonKind = map[string]string{"a": "human", "b": "human", "c": "service"}[e.Person]
		e.Team = rapid.SampledFrom([]string{"t1", "t2", "u"}).Draw(r, "team")
		e.AccountID, e.RegionName, e.WorkGroupName = "111122223333", "eu-west-1", rapid.SampledFrom([]string{"", "primary"}).Draw(r, "group")
		e.DatabaseName = rapid.SampledFrom([]string{"", "x", "y"}).Draw(r, "database")
		e.State = rapid.SampledFrom([]string{"SUCCEEDED", "FAILED", "CANCELLED", ""}).Draw(r, "state")
		e.Gap = rapid.SampledFrom([]string{"", "", "", "", "not_started", "expired", "pending"}).Draw(r, "gap")
		e.Probe, e.Own = rapid.IntRange(0, 5).Draw(r, "probe") == 0, rapid.IntRange(0, 9).Draw(r, "own") == 0
		if rapid.IntRange(0, 4).Draw(r, "known") > 0 {
			bytes := rapid.Int64Range(0, 30_000).Draw(r, "bytes")
			cost := athenatrail.Money(bytes)
			e.DataScannedBytes, e.Cost, e.CostBasis = &bytes, &cost, rapid.SampledFrom([]string{"list", "custom", "capacity"}).Draw(r, "basis")
			e.Currency = rapid.SampledFrom([]string{"USD", "USD", "EUR"}).Draw(r, "currency")
		}
	}
	return list
}

func rowsOf(list []Execution) []*Usage {
	rows := make([]*Usage, len(list))
	for i := range list {
		u := list[i].usage()
		rows[i] = &u
	}
	return rows
}

// merge adds rows of one key up, as a roll-up does.
func merge(rows []*Usage) []*Usage {
	sums := map[athenatrail.UsageKey]*Usage{}
	var order []*Usage
	for _, u := range rows {
		s := sums[u.UsageKey]
		if s == nil {
			s = &Usage{UsageKey: u.UsageKey}
			sums[u.UsageKey] = s
			order = append(order, s)
		}
		s.Executions += u.Executions
		s.Known += u.Known
		s.Failed += u.Failed
		s.DataScannedBytes += u.DataScannedBytes
		s.Cost += u.Cost
		s.MaxScannedBytes = max(s.MaxScannedBytes, u.MaxScannedBytes)
	}
	return order
}

func reported(ls *Limits, m Moment, rows []*Usage) string {
	meter := ls.Meter(m, true)
	for _, u := range rows {
		meter.Usage(u)
	}
	data, err := json.Marshal(meter.Report(nil))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func simulate(ls *Limits, from, to time.Time, rows []*Usage) []Outcome {
	s := ls.Simulate(from, to)
	for _, u := range rows {
		s.Usage(u)
	}
	return s.Outcomes()
}

// TestAnySplitGivesTheSame gives the same use as single executions, in another
// order, and as roll-ups of any part of it.
func TestAnySplitGivesTheSame(t *testing.T) {
	ls := someLimits(t)
	rapid.Check(t, func(r *rapid.T) {
		list := drawExecutions(r)
		moment := epoch.Add(time.Duration(rapid.IntRange(0, 30*24*60).Draw(r, "at")) * time.Minute)
		m := Moment{Now: moment, At: moment, CompleteTo: moment.Add(-time.Hour), Since: epoch}
		want := reported(ls, m, rowsOf(list))
		outcomes := simulate(ls, epoch.AddDate(0, 0, 7), moment, rowsOf(list))
		shuffled := rapid.Permutation(list).Draw(r, "order")
		cut := rapid.IntRange(0, len(list)).Draw(r, "cut")
		parts := append(merge(rowsOf(shuffled[:cut])), merge(rowsOf(shuffled[cut:]))...)
		for _, rows := range [][]*Usage{rowsOf(shuffled), parts, merge(rowsOf(list))} {
			if got := reported(ls, m, rows); got != want {
				r.Fatalf("another split gives\n%s\nnot\n%s", got, want)
			}
			if diff := cmp.Diff(outcomes, simulate(ls, epoch.AddDate(0, 0, 7), moment, rows), cmp.Comparer(func(a, b *Limit) bool { return a == b })); diff != "" {
				r.Fatalf("another split simulates %s", diff)
			}
		}
	})
}

// TestMoreUseIsNeverLess adds an execution: nobody's use falls, and no threshold
// is un-reached, but of a share.
func TestMoreUseIsNeverLess(t *testing.T) {
	all := someLimits(t)
	ls := all.Only(func(l *Limit) bool { return l.Measure != FailedShare })
	rapid.Check(t, func(r *rapid.T) {
		list := drawExecutions(r)
		moment := epoch.AddDate(0, 0, rapid.IntRange(1, 30).Draw(r, "day"))
		m := Moment{Now: moment, At: moment, CompleteTo: moment, Since: epoch}
		report := func(rows []*Usage) *Report {
			meter := ls.Meter(m, false)
			for _, u := range rows {
				meter.Usage(u)
			}
			return meter.Report(nil)
		}
		before := report(rowsOf(list))
		after := report(rowsOf(append(list, drawExecutions(r)...)))
		for _, b := range before.Statuses {
			i := slices.IndexFunc(after.Statuses, func(s Status) bool { return s.Limit == b.Limit && s.Subject == b.Subject })
			if i < 0 {
				r.Fatalf("%s of %s is gone", b.Subject, b.Limit.Name)
			}
			if a := after.Statuses[i]; a.Used < b.Used || len(a.Reached) < len(b.Reached) || a.Unknown < b.Unknown || a.Count < b.Count {
				r.Fatalf("%s of %s fell from %+v to %+v", b.Subject, b.Limit.Name, b, a)
			}
		}
	})
}

// TestMovingWindowIsASum compares windows that move with a plain sum.
func TestMovingWindowIsASum(t *testing.T) {
	ls := someLimits(t)
	l := ls.Named("f")
	only := ls.Only(func(x *Limit) bool { return x == l })
	rapid.Check(t, func(r *rapid.T) {
		list := drawExecutions(r)
		moment := epoch.Add(time.Duration(rapid.IntRange(0, 30*24*60).Draw(r, "at")) * time.Minute)
		want := map[string]int64{}
		for i := range list {
			e := &list[i]
			if e.Own || e.Gap == "not_started" || e.DatabaseName != "x" || e.Team == "u" || e.SubmissionDateTime.Before(moment.Add(-7*24*time.Hour)) || !e.SubmissionDateTime.Before(moment) {
				continue
			}
			want[e.Person] += 0
			if e.DataScannedBytes != nil {
				want[e.Person] += *e.DataScannedBytes
			}
		}
		meter := only.Meter(Moment{Now: moment, At: moment}, false)
		for _, u := range rowsOf(list) {
			meter.Usage(u)
		}
		got := map[string]int64{}
		for _, s := range meter.Report(nil).Statuses {
			got[s.Subject.Name] = s.Used
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.Fatal(diff)
		}
	})
}

// TestSimulationIsWhatAMeterShows: where nothing acts, a threshold is told of
// in the first quarter hour at whose end a meter shows it reached.
func TestSimulationIsWhatAMeterShows(t *testing.T) {
	ls, err := Compile([]Definition{
		{Name: "a", Per: "person", Measure: "scanned_bytes", Window: "day", Timezone: "Europe/Berlin", Amount: "60 kB", Thresholds: []string{"50%: notify", "100%: notify"}},
		{Name: "c", Per: "team", Measure: "queries", Window: "week", Amount: "10"},
	}, Options{Zone: time.UTC, LoadZone: time.LoadLocation})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		rows := rowsOf(drawExecutions(r))
		type told struct {
			limit     string
			subject   Subject
			threshold Threshold
			start     int64
		}
		got := map[told]time.Time{}
		for _, o := range simulate(ls, epoch, epoch.AddDate(0, 0, 30), rows) {
			key := told{o.Limit.Name, o.Subject, o.Threshold, o.Start.Unix()}
			if _, twice := got[key]; twice {
				r.Fatalf("told twice in one window: %+v", o)
			}
			if o.Prevented.Queries > 0 {
				r.Fatalf("telling prevents %+v", o.Prevented)
			}
			got[key] = o.At
		}
		want := map[told]time.Time{}
		slots := map[int64]bool{}
		for _, u := range rows {
			slots[u.Slot.Unix()] = true
		}
		var order []int64
		for s := range slots {
			order = append(order, s)
		}
		slices.Sort(order)
		for _, s := range order {
			end := time.Unix(s, 0).UTC().Add(athenatrail.SlotLength)
			// A moment before the end, so that the window is the slot's.
			m := Moment{Now: end.Add(-time.Second), At: end.Add(-time.Second)}
			meter := ls.Meter(m, false)
			for _, u := range rows {
				meter.Usage(u)
			}
			for _, st := range meter.Report(nil).Statuses {
				for _, reached := range st.Reached {
					key := told{st.Limit.Name, st.Subject, reached.Threshold, st.Start.Unix()}
					if _, known := want[key]; !known {
						want[key] = end
					}
				}
			}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(told{})); diff != "" {
			r.Fatalf("meter, simulation: %s", diff)
		}
	})
}
