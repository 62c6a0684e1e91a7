package limit

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// A State says how a subject stands.
type State string

// Values of State.
const (
	OK       State = "ok"
	AtRisk   State = "at risk" // three quarters or more are used
	Over     State = "over"    // more is used than allowed
	Exempted State = "exempt"  // all that was used is exempt, and that goes on
	Few      State = "too few" // queries for their share to mean something
)

// riskPercent is from when on a subject is at risk.
const riskPercent = 75

// A Basis says what a forecast rests on.
type Basis string

// Values of Basis.
const (
	ByHabit  Basis = "habit"     // what the same hours of the windows before took
	ByPace   Basis = "pace"      // the window so far, drawn out
	TooEarly Basis = "too early" // less than a tenth of the window is known, and nothing before it
	NoEnd    Basis = "no end"    // the window moves with the clock
	NoSum    Basis = "no sum"    // the measure does not add up over time
)

// A Status is how one subject stands with one limit. Numbers are in the unit of
// the limit's measure.
type Status struct {
	Limit   *Limit
	Subject Subject
	Kind    string // of a person: human, service, agent or unknown

	Used  int64
	State State

	// Estimated is what of Used is a guess at what Running queries will use,
	// because Athena has told of no bytes of theirs yet.
	Estimated int64
	Running   int64

	// Count is how many executions Used is of. Of Unknown others it is not
	// known what they used, and Foreign others cost another currency: neither
	// is in Used.
	Count, Unknown, Foreign int64

	// Largest is the query execution id of the query that Used is of.
	Largest string

	Start, End time.Time // End is zero for a window that moves

	Forecast *int64 // of Used at End
	Basis    Basis
	OverAt   time.Time // when Used goes beyond the amount, by the forecast

	Reached []Reached  // thresholds, in their order
	Next    *Threshold // the first that is not reached

	// ExemptUsed is what was used and is not in Used because of an exemption,
	// of which this is the one that ends last.
	ExemptUsed   int64
	ExemptUntil  time.Time
	ExemptReason string

	// Protected is the pattern because of which nobody acts upon the subject;
	// empty where nothing protects some of what it ran.
	Protected string

	// Nearer is another limit of the same subject of which more is used: it
	// acts first.
	Nearer *Limit
}

// Reached is a threshold that use has come to.
type Reached struct {
	Threshold
	Estimated bool // without what is guessed it would not have
}

// Percent is how much of the amount is used.
func (s *Status) Percent() float64 { return 100 * float64(s.Used) / float64(s.Limit.Amount.Value) }

// ForecastPercent is how much of the amount will be, by the forecast.
func (s *Status) ForecastPercent() float64 {
	if s.Forecast == nil {
		return 0
	}
	return 100 * float64(*s.Forecast) / float64(s.Limit.Amount.Value)
}

// A Report is how all subjects stand with all limits at a moment.
type Report struct {
	Moment   Moment
	Statuses []Status // by limit in its order, the highest share first
	Idle     []string // patterns that matched nothing of what was read, in words
}

// Of returns the statuses of a limit.
func (r *Report) Of(l *Limit) []Status {
	from := slices.IndexFunc(r.Statuses, func(s Status) bool { return s.Limit == l })
	if from < 0 {
		return nil
	}
	to := from
	for to < len(r.Statuses) && r.Statuses[to].Limit == l {
		to++
	}
	return r.Statuses[from:to]
}

// Report returns how things stand. Habits are those of the
// [Meter.Fingerprints]; without them nothing is guessed.
func (m *Meter) Report(h *Habits) *Report {
	for _, d := range m.limits {
		for _, s := range d.subjects {
			s.guess = tally{}
		}
	}
	unknown := map[*subjectSums]int64{}
	for _, r := range m.running {
		u := r.execution.usage()
		for _, d := range r.for_ {
			s := d.subjects[d.subject(&u.UsageKey)]
			if s == nil {
				continue
			}
			guess, ok := h.of(r.execution.QueryFingerprint, d.Amount)
			if !ok {
				unknown[s] = plus(unknown[s], 1)
				continue
			}
			s.guess.add(&tally{count: 1, sum: guess, most: guess, mostID: r.execution.QueryExecutionID})
		}
	}
	report := &Report{Moment: m.moment}
	for _, d := range m.limits {
		list := make([]Status, 0, len(d.subjects))
		for key, s := range d.subjects {
			if s.seen {
				list = append(list, d.status(m.moment, key, s, unknown[s]))
			}
		}
		slices.SortFunc(list, func(a, b Status) int {
			return cmp.Or(cmp.Compare(b.Used, a.Used), a.Subject.compare(b.Subject))
		})
		report.Statuses = append(report.Statuses, list...)
		report.Idle = append(report.Idle, d.idle()...)
	}
	report.nearer()
	return report
}

// idle says which patterns matched nothing.
func (d *metered) idle() (list []string) {
	for _, pattern := range d.matcher.idle() {
		list = append(list, fmt.Sprintf("limit %s: match %s", d.Name, pattern))
	}
	if len(list) > 0 {
		return list // then nothing came to the exemptions either
	}
	for _, e := range d.exempts {
		for _, pattern := range e.idle() {
			list = append(list, fmt.Sprintf("limit %s: exempt %s", d.Name, pattern))
		}
	}
	return list
}

func (d *metered) status(m Moment, key Subject, s *subjectSums, unknown int64) Status {
	sure := s.now
	sure.unknown = plus(sure.unknown, unknown)
	all := sure
	all.add(&tally{sum: s.guess.sum, most: s.guess.most, mostID: s.guess.mostID})
	st := Status{
		Limit: d.Limit, Subject: key,
		Used: all.used(d.Measure), Running: s.guess.count,
		Count: all.count, Unknown: all.unknown, Foreign: all.foreign,
		Start: d.start, End: d.end,
		ExemptUsed: s.free.used(d.Measure),
	}
	st.Estimated = st.Used - sure.used(d.Measure)
	if d.Per == PerPerson {
		st.Kind = s.kind
	}
	if d.Measure == QueryBytes {
		st.Largest = all.mostID
	}
	for _, t := range d.Thresholds {
		if all.reached(d.Limit, t.Percent) {
			st.Reached = append(st.Reached, Reached{t, !sure.reached(d.Limit, t.Percent)})
		} else if st.Next == nil {
			st.Next = &t
		}
	}
	exempt := false
	if s.exemption > 0 {
		e := &d.exempt[s.exemption-1]
		st.ExemptUntil, st.ExemptReason = e.until, e.reason
		exempt = m.At.Before(e.until) && s.now.count == 0
	}
	if !s.open {
		st.Protected = s.protected
	}
	switch {
	case exempt:
		st.State = Exempted
	case all.few(d.Measure):
		st.State = Few
	case reaches(st.Used, d.Amount.Value, 100):
		st.State = Over
	case reaches(st.Used, d.Amount.Value, riskPercent):
		st.State = AtRisk
	default:
		st.State = OK
	}
	if st.Basis = NoSum; d.Measure.adds() {
		d.forecast(m, s, &st)
	}
	return st
}

// forecast says what will be used at the window's end: what is used, and what
// the same hours of the windows before took on average. Of whom nothing is
// known before, the window's pace is drawn out.
func (d *metered) forecast(m Moment, s *subjectSums, st *Status) {
	if d.end.IsZero() {
		st.Basis = NoEnd
		return
	}
	known := m.knownTo()
	if known.After(d.end) {
		known = d.end
	}
	var ever, rest int64
	for i := range d.befores {
		ever = plus(ever, s.before[i].all)
		rest = plus(rest, s.before[i].rest)
	}
	whole, elapsed := d.end.Sub(d.start), known.Sub(d.start)
	var end int64
	switch {
	case ever > 0:
		st.Basis = ByHabit
		end = plus(st.Used, rest/int64(len(d.befores)))
	case elapsed*10 < whole:
		st.Basis = TooEarly
		return
	default:
		st.Basis = ByPace
		f := float64(st.Used) * float64(whole) / float64(elapsed)
		end = int64(math.Min(f, math.MaxInt64/2))
		end = max(end, st.Used)
	}
	st.Forecast = &end
	if allowed := d.Amount.Value; st.Used <= allowed && end > allowed && known.Before(d.end) {
		left := float64(allowed-st.Used) / float64(end-st.Used)
		at := known.Add(time.Duration(left * float64(d.end.Sub(known))))
		st.OverAt = at.Truncate(athenatrail.SlotLength).Add(athenatrail.SlotLength)
		if st.OverAt.After(d.end) {
			st.OverAt = d.end
		}
	}
}

// nearer notes, of subjects that have several limits, which acts first.
func (r *Report) nearer() {
	type who struct {
		per     Per
		subject Subject
	}
	tightest := map[who]int{}
	share := func(i int) float64 { return r.Statuses[i].Percent() }
	counts := func(i int) bool { return r.Statuses[i].State != Exempted && r.Statuses[i].State != Few }
	for i := range r.Statuses {
		key := who{r.Statuses[i].Limit.Per, r.Statuses[i].Subject}
		if best, ok := tightest[key]; counts(i) && (!ok || share(i) > share(best)) {
			tightest[key] = i
		}
	}
	for i := range r.Statuses {
		best, ok := tightest[who{r.Statuses[i].Limit.Per, r.Statuses[i].Subject}]
		if ok && best != i && share(best) > share(i) {
			r.Statuses[i].Nearer = r.Statuses[best].Limit
		}
	}
}

// Note says in words what a reader of a status must know beside its numbers.
func (s *Status) Note() string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if s.Estimated > 0 {
		note("%s of it estimated: %s still running", s.Limit.Amount.Format(s.Estimated), are(s.Running, "query", "queries"))
	}
	if s.Unknown > 0 {
		note("not counted: %s whose use is unknown", counted(s.Unknown, "execution", "executions"))
	}
	if s.Foreign > 0 {
		note("not counted: %s in another currency than %s", counted(s.Foreign, "execution", "executions"), s.Limit.Amount.Unit)
	}
	if !s.ExemptUntil.IsZero() {
		note("%s exempt until %s (%s)", s.Limit.Amount.Format(s.ExemptUsed), s.ExemptUntil.In(s.Limit.Window.zone).Format(time.DateOnly), s.ExemptReason)
	}
	if s.State == Few {
		note("only %s ended, of %d that a share needs", counted(s.Count-s.Unknown, "query", "queries"), leastFinished)
	}
	if s.Protected != "" {
		note("protected by %s", s.Protected)
	}
	if s.Nearer != nil {
		note("%s is nearer", s.Nearer.Name)
	}
	return strings.Join(notes, "; ")
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

func are(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one + " is"
	}
	return thousands(n) + " " + many + " are"
}
