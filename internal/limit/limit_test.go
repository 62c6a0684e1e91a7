package limit

import (
	"math"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
)

func TestAmounts(t *testing.T) {
	f := func(m Measure, text string, value int64, shown string) {
		t.Helper()
		a, want := parseAmount(m, text)
		if want != "" || a.Value != value || a.String() != shown {
			t.Errorf("%s %q: %d %q (%s), want %d %q", m, text, a.Value, a, want, value, shown)
		}
	}
	f(ScannedBytes, "2TB", 2e12, "2 TB")
	f(ScannedBytes, "2 TiB", 2<<40, "2 TiB")
	f(ScannedBytes, "1.5tb", 15e11, "1.5 TB")
	f(QueryBytes, "500 GB", 5e11, "500 GB")
	f(QueryBytes, "0.5 PiB", 1<<49, "512 TiB")
	f(Cost, "50 USD", 50_000_000_000, "$50.00")
	f(Cost, "1234.5EUR", 1_234_500_000_000, "1,234.50 EUR")
	f(Cost, "0.001 USD", 1_000_000, "<$0.01")
	f(Queries, "500", 500, "500 queries")
	f(Queries, "1", 1, "1 query")
	f(DPUTime, "10 h", 36_000_000, "10 h")
	f(DPUTime, "90min", 5_400_000, "1.5 h")
	f(FailedShare, "20 %", 200_000, "20 %")
	f(FailedShare, "2.5%", 25_000, "2.5 %")

	bad := func(m Measure, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if a, want := parseAmount(m, text); want == "" {
				t.Errorf("%s %q: %d, want an error", m, text, a.Value)
			}
		}
	}
	bad(ScannedBytes, "", "2", "2 XB", "TB", "-2 TB", "0 TB", "1e3 TB", "2 TB TB", "1.2.3 TB", ".5 TB", "99999999999 PB", "0.0000000000001 kB")
	bad(Cost, "50", "$50", "50 usd", "50 DOLLARS", "0 USD", "-1 USD", "10000000000 USD")
	bad(Queries, "1.5", "0", "-3", "many", "3 TB")
	bad(DPUTime, "10", "10 d", "0 h", "h")
	bad(FailedShare, "20", "0 %", "100 %", "0.00001 %", "120 %")
}

func TestFormatOfUse(t *testing.T) {
	a, _ := parseAmount(ScannedBytes, "2 TB")
	for v, want := range map[int64]string{0: "0 B", 999: "999 B", 1940e9: "1.94 TB", 689_100_000_000: "689 GB", 12_400_000_000: "12.4 GB", math.MaxInt64: "9223 PB"} {
		if got := a.Format(v); got != want {
			t.Errorf("%d: %s, want %s", v, got, want)
		}
	}
}

// TestReaches is about the edge: all that is allowed may be used.
func TestReaches(t *testing.T) {
	f := func(used, allowed, percent int64, want bool) {
		t.Helper()
		if got := reaches(used, allowed, percent); got != want {
			t.Errorf("%d of %d at %d %%: %v", used, allowed, percent, got)
		}
	}
	f(500, 500, 100, false)
	f(501, 500, 100, true)
	f(250, 500, 50, true)
	f(249, 500, 50, false)
	f(600, 500, 120, false)
	f(math.MaxInt64, math.MaxInt64/2, 200, true)
	f(math.MaxInt64/2, math.MaxInt64/2, 100, false)
}

func compile(t testing.TB, definitions ...Definition) *Limits {
	t.Helper()
	ls, err := Compile(definitions, Options{Zone: time.UTC, LoadZone: time.LoadLocation})
	if err != nil {
		t.Fatal(err)
	}
	return ls
}

// row returns a row of usage_rollup of some queries of a person.
func row(slot time.Time, person string, executions, bytes int64) *Usage {
	return &Usage{UsageKey: athenatrail.UsageKey{
		Slot: slot, Kind: athenatrail.UsageSQL, Person: person, PersonKind: "human", Team: "sales", AccountID: "111122223333", RegionName: "eu-west-1",
		WorkGroupName: "primary", DatabaseName: "sales", State: "SUCCEEDED", CostBasis: athenatrail.BasisList, Currency: "USD",
	}, Executions: executions, Known: executions, DataScannedBytes: bytes, MaxScannedBytes: bytes, Cost: athenatrail.Money(bytes)}
}

var (
	noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC) // a Tuesday
	// fresh is a moment at which the lake keeps up.
	fresh = Moment{Now: noon, At: noon, CompleteTo: noon, Since: noon.AddDate(0, -2, 0)}
)

func people(amount string, more ...func(*Definition)) Definition {
	d := Definition{Name: "people", Per: "person", Measure: "scanned_bytes", Window: "day", Amount: amount, Thresholds: []string{"50%: notify", "100%: stop", "120%: block"}}
	for _, f := range more {
		f(&d)
	}
	return d
}

func statusOf(t testing.TB, r *Report, name string) *Status {
	t.Helper()
	for i := range r.Statuses {
		if r.Statuses[i].Subject.Name == name {
			return &r.Statuses[i]
		}
	}
	t.Fatalf("no status of %q in %+v", name, r.Statuses)
	return nil
}

func TestStates(t *testing.T) {
	m := compile(t, people("100 GB")).Meter(fresh, false)
	for name, gb := range map[string]int64{"a": 10, "b": 50, "c": 75, "d": 100, "e": 101, "f": 121} {
		m.Usage(row(noon.Add(-time.Hour), name, 1, gb*1e9))
		m.Usage(row(noon.Add(-13*time.Hour), name, 1, 500e9)) // yesterday
		m.Usage(row(noon, name, 1, 500e9))                    // not before the moment
	}
	r := m.Report(nil)
	for name, want := range map[string]struct {
		state   State
		reached int
		next    string
	}{"a": {OK, 0, "50%: notify"}, "b": {OK, 1, "100%: stop"}, "c": {AtRisk, 1, "100%: stop"}, "d": {AtRisk, 1, "100%: stop"}, "e": {Over, 2, "120%: block"}, "f": {Over, 3, ""}} {
		s := statusOf(t, r, name)
		next := ""
		if s.Next != nil {
			next = s.Next.String()
		}
		if s.State != want.state || len(s.Reached) != want.reached || next != want.next {
			t.Errorf("%s: %s, %d reached, next %q; want %+v", name, s.State, len(s.Reached), next, want)
		}
	}
	if r.Statuses[0].Subject.Name != "f" || r.Statuses[5].Subject.Name != "a" {
		t.Errorf("the highest share does not come first: %+v", r.Statuses)
	}
}

// TestWhatCounts gives each measure one row of every kind.
func TestWhatCounts(t *testing.T) {
	slot := noon.Add(-time.Hour)
	with := func(f func(*Usage)) *Usage {
		u := row(slot, "rosa", 4, 1e9)
		f(u)
		return u
	}
	rows := []*Usage{
		row(slot, "rosa", 20, 50e9),
		with(func(u *Usage) { u.Own = true }),
		with(func(u *Usage) { u.Gap, u.State, u.Known, u.CostBasis, u.Failed = "not_started", "", 0, "", 4 }),
		with(func(u *Usage) { u.Probe, u.DataScannedBytes, u.Cost = true, 3, 7 }),
		with(func(u *Usage) {
			u.State, u.Failed, u.DataScannedBytes, u.Cost, u.CostBasis = "FAILED", 4, 2e9, 0, "free"
		}),
		with(func(u *Usage) {
			u.Gap, u.State, u.Known, u.DataScannedBytes, u.Cost, u.CostBasis, u.Currency = "expired", "", 0, 0, 0, "", ""
		}),
		with(func(u *Usage) { u.CostBasis, u.Currency, u.Cost = "capacity", "", 0 }),
		with(func(u *Usage) { u.Currency = "EUR" }),
		with(func(u *Usage) {
			u.Kind, u.DPUMillis, u.Known, u.DataScannedBytes, u.Cost, u.State, u.DatabaseName = "spark", 7_200_000, 3, 0, 5, "TERMINATED", ""
		}),
		with(func(u *Usage) { u.Executions, u.DataScannedBytes = -3, -5 }), // damaged
	}
	f := func(measure, amount string, used, count, unknown, foreign int64) {
		t.Helper()
		m := compile(t, Definition{Name: "x", Per: "person", Measure: measure, Window: "day", Amount: amount}).Meter(fresh, false)
		for _, u := range rows {
			m.Usage(u)
		}
		s := statusOf(t, m.Report(nil), "rosa")
		if s.Used != used || s.Count != count || s.Unknown != unknown || s.Foreign != foreign {
			t.Errorf("%s: used %d of %d, unknown %d, foreign %d; want %d, %d, %d, %d", measure, s.Used, s.Count, s.Unknown, s.Foreign, used, count, unknown, foreign)
		}
	}
	f("scanned_bytes", "1 TB", 54e9+3, 40, 4, 0)
	f("cost", "1 USD", 50e9+7+5, 44, 8, 4)
	f("queries", "100", 36, 36, 0, 0)
	f("failed_share", "20 %", 4*million/32, 36, 4, 0)
	f("dpu_time", "1 h", 7_200_000, 4, 1, 0)
}

func TestFewQueriesHaveNoShare(t *testing.T) {
	ls := compile(t, Definition{Name: "x", Per: "person", Measure: "failed_share", Window: "day", Amount: "20 %", Thresholds: []string{"100%: notify"}})
	for n, want := range map[int64]State{9: Few, 10: Over} {
		m := ls.Meter(fresh, false)
		u := row(noon.Add(-time.Hour), "rosa", n, 1)
		u.State, u.Failed = "FAILED", n
		m.Usage(u)
		if s := statusOf(t, m.Report(nil), "rosa"); s.State != want || len(s.Reached) != map[State]int{Few: 0, Over: 1}[want] {
			t.Errorf("%d failures: %s, reached %v", n, s.State, s.Reached)
		}
	}
}

func TestForecast(t *testing.T) {
	ls := compile(t, people("100 GB"))
	f := func(name string, m Moment, rows []*Usage, want int64, basis Basis, overAt string) {
		t.Helper()
		meter := ls.Meter(m, true)
		for _, u := range rows {
			meter.Usage(u)
		}
		s := statusOf(t, meter.Report(nil), "rosa")
		if s.Basis != basis || (s.Forecast == nil) != (want < 0) || s.Forecast != nil && *s.Forecast != want {
			t.Errorf("%s: forecast %v by %s, want %d by %s", name, s.Forecast, s.Basis, want, basis)
		}
		if overAt == "" != s.OverAt.IsZero() || overAt != "" && !s.OverAt.Equal(at(t, overAt)) {
			t.Errorf("%s: over at %s, want %s", name, s.OverAt, overAt)
		}
	}
	today := row(noon.Add(-time.Hour), "rosa", 1, 40e9)
	f("pace", fresh, []*Usage{today}, 80e9, ByPace, "")
	f("pace beyond", fresh, []*Usage{today, row(noon.Add(-2*time.Hour), "rosa", 1, 20e9)}, 120e9, ByPace, "2026-11-03 20:15")
	// Of the Tuesdays before, the afternoons took 30 GB on average; the mornings
	// and the Mondays do not matter.
	habit := []*Usage{today}
	for k := 1; k <= 4; k++ {
		habit = append(habit, row(noon.AddDate(0, 0, -7*k).Add(3*time.Hour), "rosa", 1, int64(k)*12e9),
			row(noon.AddDate(0, 0, -7*k).Add(-3*time.Hour), "rosa", 1, 90e9), row(noon.AddDate(0, 0, -7*k-1), "rosa", 1, 90e9))
	}
	f("habit", fresh, habit, 70e9, ByHabit, "")
	early := Moment{Now: noon, At: noon.Add(-10 * time.Hour), CompleteTo: noon, Since: noon}
	f("early", early, []*Usage{row(noon.Add(-11*time.Hour), "rosa", 1, 40e9)}, -1, TooEarly, "")
	// A lake that is three hours behind knows nine hours and not twelve.
	late := fresh
	late.CompleteTo = noon.Add(-3 * time.Hour)
	f("late", late, []*Usage{row(noon.Add(-4*time.Hour), "rosa", 1, 30e9)}, 80e9, ByPace, "")
}

func TestExemptionEnds(t *testing.T) {
	ls := compile(t, people("100 GB", func(d *Definition) {
		d.Window, d.Timezone = "month", "Europe/Berlin"
		d.Exempt = []Exempt{{Match: Match{Person: []string{"rosa"}}, Until: "2026-11-03", Reason: "closing"}}
	}))
	end := time.Date(2026, 11, 2, 23, 0, 0, 0, time.UTC) // midnight in Berlin
	meter := func(m Moment) *Report {
		meter := ls.Meter(m, false)
		meter.Usage(row(end.Add(-15*time.Minute), "rosa", 1, 500e9))
		meter.Usage(row(end, "rosa", 1, 30e9))
		meter.Usage(row(end.Add(-15*time.Minute), "vera", 1, 500e9))
		return meter.Report(nil)
	}
	before := fresh
	before.At = end.Add(-time.Minute)
	if s := statusOf(t, meter(before), "rosa"); s.State != Exempted || s.Used != 0 || s.ExemptUsed != 500e9 || !s.ExemptUntil.Equal(end) || s.ExemptReason != "closing" || len(s.Reached) > 0 {
		t.Errorf("before its end: %+v", s)
	}
	if s := statusOf(t, meter(fresh), "rosa"); s.State != OK || s.Used != 30e9 || s.ExemptUsed != 500e9 {
		t.Errorf("after its end: %+v", s)
	}
	if s := statusOf(t, meter(fresh), "vera"); s.State != Over || s.ExemptUsed != 0 {
		t.Errorf("somebody else: %+v", s)
	}
}

func stillRunning(id, person, fingerprint string, bytes *int64) *Execution {
	return &Execution{
		QueryExecutionID: id, AccountID: "111122223333", RegionName: "eu-west-1", Gap: athenatrail.GapPending, Person: person, PersonKind: "human",
		State: "RUNNING", QueryFingerprint: fingerprint, SubmissionDateTime: noon.Add(-20 * time.Minute), DataScannedBytes: bytes,
	}
}

// TestRunningQueriesCount gives one that told its bytes, one whose like is known,
// and one of which nothing is.
func TestRunningQueriesCount(t *testing.T) {
	some, none := int64(7e9), int64(0)
	executions := []*Execution{stillRunning("1", "rosa", "f", &some), stillRunning("2", "rosa", "f", &none), stillRunning("3", "rosa", "g", nil)}
	for _, definitions := range [][]Definition{
		{people("100 GB")},
		{people("100 GB", func(d *Definition) { d.Match.Table = []string{"raw.*"} })},
	} {
		meter := compile(t, definitions...).Meter(fresh, false)
		rollup := row(noon.Add(-30*time.Minute), "rosa", 3, 7e9)
		rollup.State, rollup.Gap, rollup.Known, rollup.CostBasis = "RUNNING", athenatrail.GapPending, 2, ""
		meter.Usage(rollup)
		for _, e := range executions {
			e.TablesAccessed = []string{"awsdatacatalog.raw.clicks", "awsdatacatalog.raw.visits"}
			meter.Execution(e)
		}
		if p := meter.Unfinished(); definitions[0].Match.Table == nil && (len(p) != 1 || p[0].String() != "2026-11-03/111122223333_eu-west-1") {
			t.Errorf("unfinished: %v", p)
		}
		for _, e := range executions {
			meter.Running(e)
		}
		if f := meter.Fingerprints(); len(f) != 2 || f[0] != "f" || f[1] != "g" {
			t.Errorf("fingerprints: %v", f)
		}
		habits := NewHabits(meter.Fingerprints())
		for i := int64(1); i <= 40; i++ {
			bytes := i * 3e9
			habits.Add(&Execution{QueryFingerprint: "f", State: "SUCCEEDED", DataScannedBytes: &bytes})
			habits.Add(&Execution{QueryFingerprint: "g", State: "FAILED", DataScannedBytes: &bytes})
			habits.Add(&Execution{QueryFingerprint: "h", State: "SUCCEEDED", DataScannedBytes: &bytes})
		}
		s := statusOf(t, meter.Report(habits), "rosa")
		if s.Used != 7e9+38*3e9 || s.Estimated != 38*3e9 || s.Running != 1 || s.Count != 3 || s.Unknown != 1 {
			t.Errorf("%+v", s)
		}
		for _, r := range s.Reached {
			if !r.Estimated {
				t.Errorf("%s is reached without what is guessed", r.Threshold)
			}
		}
		if s = statusOf(t, meter.Report(nil), "rosa"); s.Used != 7e9 || s.Unknown != 2 || s.Running != 0 {
			t.Errorf("without habits: %+v", s)
		}
	}
}

// TestCostOfRunningQueries: bytes so far are no cost, so it is guessed or unknown.
func TestCostOfRunningQueries(t *testing.T) {
	bytes, cost := int64(7e9), athenatrail.Money(40_000_000)
	e := stillRunning("1", "rosa", "f", &bytes)
	rollup := row(noon.Add(-30*time.Minute), "rosa", 1, 7e9)
	rollup.State, rollup.Gap, rollup.Cost, rollup.CostBasis, rollup.Currency = "RUNNING", athenatrail.GapPending, 0, "", ""
	meter := compile(t, Definition{Name: "x", Per: "person", Measure: "cost", Window: "day", Amount: "1 USD"}).Meter(fresh, false)
	meter.Usage(rollup)
	meter.Running(e)
	if s := statusOf(t, meter.Report(nil), "rosa"); s.Used != 0 || s.Unknown != 1 || s.Count != 1 {
		t.Errorf("without habits: %+v", s)
	}
	habits := NewHabits(meter.Fingerprints())
	habits.Add(&Execution{QueryFingerprint: "f", State: "SUCCEEDED", DataScannedBytes: &bytes, Cost: &cost, Currency: "USD", CostBasis: "list"})
	if s := statusOf(t, meter.Report(habits), "rosa"); s.Used != int64(cost) || s.Estimated != int64(cost) || s.Running != 1 || s.Unknown != 0 {
		t.Errorf("%+v", s)
	}
}

// TestTables counts a query once, however many tables of the pattern it reads.
func TestTables(t *testing.T) {
	table := func(pattern string) Definition {
		return people("100 GB", func(d *Definition) { d.Match.Table = []string{pattern} })
	}
	bytes := int64(10e9)
	e := &Execution{Person: "rosa", State: "SUCCEEDED", SubmissionDateTime: noon.Add(-time.Hour), DataScannedBytes: &bytes,
		TablesAccessed: []string{"awsdatacatalog.raw.clicks", "awsdatacatalog.raw.visits"}}
	meter := compile(t, table("raw.*")).Meter(fresh, false)
	if n := meter.Needs(); len(n.Executions) != 1 || n.Rollup != nil || n.Tables != nil {
		t.Errorf("a pattern needs %+v", n)
	}
	meter.Execution(e)
	if s := statusOf(t, meter.Report(nil), "rosa"); s.Used != 10e9 || s.Count != 1 {
		t.Errorf("%+v", s)
	}
	meter = compile(t, table("RAW.clicks")).Meter(fresh, false)
	if n := meter.Needs(); len(n.Tables) != 1 || n.Rollup != nil || n.Executions != nil {
		t.Errorf("one table needs %+v", n)
	}
	for _, name := range e.TablesAccessed {
		meter.Table(&TableUsage{TableName: name, Usage: *row(noon.Add(-time.Hour), "rosa", 1, 10e9)})
	}
	if s := statusOf(t, meter.Report(nil), "rosa"); s.Used != 10e9 || s.Count != 1 {
		t.Errorf("%+v", s)
	}
}

func TestLargestQuery(t *testing.T) {
	meter := compile(t, people("100 GB", func(d *Definition) { d.Measure = "query_bytes" })).Meter(fresh, false)
	for id, bytes := range map[string]int64{"a": 5e9, "b": 120e9, "c": 120e9, "d": 7e9} {
		meter.Execution(&Execution{QueryExecutionID: id, Person: "rosa", State: "SUCCEEDED", SubmissionDateTime: noon.Add(-time.Hour), DataScannedBytes: &bytes})
	}
	if s := statusOf(t, meter.Report(nil), "rosa"); s.Used != 120e9 || s.Largest != "b" || s.State != Over || s.Basis != NoSum {
		t.Errorf("%+v", s)
	}
}

func TestNearerAndIdle(t *testing.T) {
	ls := compile(t, people("100 GB", func(d *Definition) { d.Match.Team = []string{"sales", "nobody-*"} }),
		people("1 TB", func(d *Definition) { d.Name, d.Window = "week", "week" }))
	meter := ls.Meter(fresh, false)
	meter.Usage(row(noon.Add(-time.Hour), "rosa", 1, 90e9))
	r := meter.Report(nil)
	if first, second := r.Statuses[0], r.Statuses[1]; first.Nearer != nil || second.Nearer != first.Limit {
		t.Errorf("nearer: %v and %v", first.Nearer, second.Nearer)
	}
	if len(r.Idle) != 1 || r.Idle[0] != `limit people: match team "nobody-*"` {
		t.Errorf("idle: %q", r.Idle)
	}
}

func TestProtected(t *testing.T) {
	p := newProtected([]string{"boss@example.com", "close-*", "arn:aws:iam::111122223333:role/teams/etl-nightly", "arn:aws:iam::*:user/deploy"})
	f := func(person, role, account, arn, want string) {
		t.Helper()
		if got := p.By(person, role, account, arn); got != want {
			t.Errorf("%s %s %s %s: %q, want %q", person, role, account, arn, got, want)
		}
	}
	f("boss@example.com", "Analyst", "111122223333", "", "boss@example.com")
	f("rosa@example.com", "close-writer", "444455556666", "", "close-*")
	f("etl", "etl-nightly", "111122223333", "", "arn:aws:iam::111122223333:role/teams/etl-nightly")
	f("etl", "etl-nightly", "444455556666", "", "")
	f("deploy", "", "444455556666", "", "arn:aws:iam::*:user/deploy")
	f("rosa@example.com", "Analyst", "111122223333", "arn:aws:iam::111122223333:role/Analyst", "")
	f("", "", "", "", "")
}
