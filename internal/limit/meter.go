package limit

import (
	"cmp"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail"
)

// A Moment is when limits are looked at, and what the lake knew then.
type Moment struct {
	Now time.Time // the clock's
	At  time.Time // as of when; Now where the lake keeps up with it

	// CompleteTo is up to when the lake is complete; zero when unknown.
	CompleteTo time.Time

	// Since is the first moment of the lake's first day; zero when unknown.
	Since time.Time
}

// stale is how far behind the clock a lake tells how things stand and not how
// they stood.
const stale = 6 * time.Hour

// skew is how far behind the lake a clock may be.
const skew = 30 * time.Minute

// NewMoment returns the moment at which to look at limits: now, if the lake
// keeps up. One that is hours behind, or ahead of a clock that was set back,
// would show that nothing was used yet, so it is looked at as of the time that
// it is complete to.
func NewMoment(now, completeTo, since time.Time) Moment {
	m := Moment{Now: now.UTC(), At: now.UTC(), CompleteTo: completeTo, Since: since}
	if !completeTo.IsZero() && (now.Sub(completeTo) > stale || completeTo.Sub(now) > skew) {
		m.At = completeTo
	}
	return m
}

// knownTo is up to when use is known.
func (m Moment) knownTo() time.Time {
	if m.CompleteTo.IsZero() || m.CompleteTo.After(m.At) {
		return m.At
	}
	return m.CompleteTo
}

// Behind returns why a limit must not be acted upon at this moment, or "".
func (m Moment) Behind(l *Limit) string {
	late := m.Now.Sub(m.CompleteTo)
	switch {
	case m.CompleteTo.IsZero():
		return "it is not known how complete the lake is"
	case late < -skew:
		return "the lake is ahead of this machine's clock by " + roughly(-late)
	case late > l.Window.Tolerance():
		return "the lake is " + roughly(late) + " behind, more than " + roughly(l.Window.Tolerance())
	case !m.At.Equal(m.Now):
		return "it was looked at as of another time than now"
	}
	return ""
}

// roughly writes a length of time in its largest unit.
func roughly(d time.Duration) string {
	for _, u := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int64(d / u.length); n > 1 || n == 1 && u.length != time.Hour {
			if n == 1 {
				return "1 " + u.name
			}
			return thousands(n) + " " + u.name + "s"
		}
	}
	return "1 hour"
}

// Days are days of UTC, of which To is not included.
type Days struct{ From, To athenatrail.Date }

// Needs are the days of each table that are to be given.
type Needs struct {
	Rollup     []Days // of usage_rollup, as Usage
	Tables     []Days // of table_rollup, as TableUsage
	Executions []Days // of query_executions, as Execution
}

// A Meter sums up what was used in the windows of limits at a moment. It is for
// one goroutine. Give it what it [Meter.Needs], then the executions of the
// partitions that it finds [Meter.Unfinished], then the [Meter.Fingerprints]'
// habits, and ask for the [Meter.Report]. Rows of other days do no harm.
type Meter struct {
	moment     Moment
	limits     []*metered
	unfinished map[athenatrail.Partition]struct{}
	running    []running
}

// A metered limit has its window, and the sums of its subjects.
type metered struct {
	*Limit
	start, end time.Time // end zero: it moves
	until      time.Time // what is counted begins before
	befores    []before

	guard    *guard
	matcher  *matcher
	exempts  []*matcher
	subjects map[Subject]*subjectSums
	matched  bool
}

type subjectSums struct {
	now    tally // in the window
	guess  tally // of what runs, estimated
	free   tally // exempt
	before [habitWindows]struct{ all, rest int64 }

	seen      bool   // there is a row in the window
	kind      string // of the person
	exemption int    // index of the last to end, plus 1

	protected string // by what; of several the first
	open      bool   // there is a row in the window that nothing protects
}

// Meter returns a meter of the limits. With forecast it also takes the windows
// before, which tell what is usually used in the hours that are left.
func (ls *Limits) Meter(m Moment, forecast bool) *Meter {
	meter := &Meter{moment: m, unfinished: map[athenatrail.Partition]struct{}{}}
	guard := newGuard(ls.protect)
	for _, l := range ls.list {
		d := &metered{Limit: l, until: m.At, guard: guard, matcher: newMatcher(&l.match), subjects: map[Subject]*subjectSums{}}
		d.start, d.end = l.Window.Bounds(m.At)
		if forecast && l.Measure.adds() {
			d.befores = l.Window.befores(m.knownTo(), m.Since)
		}
		for i := range l.exempt {
			d.exempts = append(d.exempts, newMatcher(&l.exempt[i].match))
		}
		meter.limits = append(meter.limits, d)
	}
	return meter
}

// Needs returns the days that the meter is to be given.
func (m *Meter) Needs() Needs {
	var all [3][]Days
	for _, d := range m.limits {
		list := &all[d.from]
		*list = append(*list, daysOf(d.start, d.until))
		for _, b := range d.befores {
			*list = append(*list, daysOf(b.start, b.end))
		}
	}
	return needs(all)
}

func needs(all [3][]Days) Needs {
	return Needs{merged(all[fromRollup]), merged(all[fromTables]), merged(all[fromExecutions])}
}

// daysOf returns the days that hold [from, to].
func daysOf(from, to time.Time) Days {
	return Days{athenatrail.DateOf(from), athenatrail.DateOf(to) + 1}
}

// merged returns the same days in order and once.
func merged(list []Days) (out []Days) {
	slices.SortFunc(list, func(a, b Days) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	for _, d := range list {
		if n := len(out); n > 0 && d.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, d.To)
		} else {
			out = append(out, d)
		}
	}
	return out
}

// Usage takes a row of usage_rollup.
func (m *Meter) Usage(u *Usage) {
	for _, d := range m.limits {
		if d.from != fromRollup || !d.add(u, nil, u.Slot, "") {
			continue
		}
		m.note(d, u)
	}
}

// Table takes a row of table_rollup.
func (m *Meter) Table(t *TableUsage) {
	tables := []string{t.TableName}
	for _, d := range m.limits {
		if d.from == fromTables && d.add(&t.Usage, tables, t.Slot, "") {
			m.note(d, &t.Usage)
		}
	}
}

// note remembers where there are executions that may still run.
func (m *Meter) note(d *metered, u *Usage) {
	if u.Kind == athenatrail.UsageSQL && isUnfinished(u.Gap) && d.Measure.estimates() {
		m.unfinished[athenatrail.NewPartition(u.Slot, u.AccountID, u.RegionName)] = struct{}{}
	}
}

// Execution takes a row of query_executions of the days that the meter needs.
func (m *Meter) Execution(e *Execution) {
	u := e.usage()
	var for_ []*metered
	for _, d := range m.limits {
		if d.from == fromExecutions && d.add(&u, e.TablesAccessed, e.SubmissionDateTime, e.QueryExecutionID) && e.untold(d.Measure) {
			for_ = append(for_, d)
		}
	}
	m.run(e, for_)
}

// Unfinished returns the partitions in which something may still run. Their
// executions are to be given to [Meter.Running].
func (m *Meter) Unfinished() []athenatrail.Partition {
	list := make([]athenatrail.Partition, 0, len(m.unfinished))
	for p := range m.unfinished {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b athenatrail.Partition) int { return cmp.Compare(a.String(), b.String()) })
	return list
}

// Running takes a row of query_executions of an unfinished partition, once.
func (m *Meter) Running(e *Execution) {
	if !isUnfinished(e.Gap) {
		return
	}
	u := e.usage()
	var for_ []*metered
	for _, d := range m.limits {
		if d.from != fromExecutions && e.untold(d.Measure) && d.holds(u.Slot) && d.matcher.match(&u.UsageKey, e.TablesAccessed) && d.exemption(&u, e.TablesAccessed, u.Slot) < 0 {
			for_ = append(for_, d)
		}
	}
	m.run(e, for_)
}

func (m *Meter) run(e *Execution, for_ []*metered) {
	if len(for_) > 0 {
		m.running = append(m.running, running{*e, for_})
	}
}

// Fingerprints returns those of what runs, in order.
func (m *Meter) Fingerprints() []string {
	var list []string
	for _, r := range m.running {
		if f := r.execution.QueryFingerprint; f != "" {
			list = append(list, f)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// holds tells whether a time lies in the present window.
func (d *metered) holds(at time.Time) bool { return !at.Before(d.start) && at.Before(d.until) }

// exemption returns the index of the exemption that a row falls under, or -1.
func (d *metered) exemption(u *Usage, tables []string, at time.Time) int {
	found := -1
	for i, e := range d.exempts {
		if e.match(&u.UsageKey, tables) && at.Before(d.exempt[i].until) && (found < 0 || d.exempt[i].until.After(d.exempt[found].until)) {
			found = i
		}
	}
	return found
}

// add takes a row at a time, and reports whether it counts in the window.
func (d *metered) add(u *Usage, tables []string, at time.Time, id string) bool {
	t := d.tally(u, true)
	if t.count == 0 {
		return false
	}
	in := d.holds(at)
	earlier := -1
	for i, b := range d.befores {
		if !at.Before(b.start) && at.Before(b.end) {
			earlier = i
		}
	}
	if !in && earlier < 0 || !d.matcher.match(&u.UsageKey, tables) {
		return false
	}
	d.matched = true
	t.mostID = id
	s := d.of(u)
	if exempt := d.exemption(u, tables, at); exempt >= 0 {
		if in {
			s.free.add(&t)
			s.seen = true
			if s.exemption == 0 || d.exempt[exempt].until.After(d.exempt[s.exemption-1].until) {
				s.exemption = exempt + 1
			}
		}
		return false
	}
	if earlier >= 0 {
		b := &s.before[earlier]
		b.all = plus(b.all, t.sum)
		if !at.Before(d.befores[earlier].cut) {
			b.rest = plus(b.rest, t.sum)
		}
	}
	if in {
		s.now.add(&t)
		s.seen = true
		switch by := d.guard.of(u); {
		case by == "":
			s.open = true
		case s.protected == "" || by < s.protected:
			s.protected = by
		}
	}
	return in
}

// of returns the sums of a row's subject.
func (d *metered) of(u *Usage) *subjectSums {
	key := d.subject(&u.UsageKey)
	s := d.subjects[key]
	if s == nil {
		s = &subjectSums{kind: u.PersonKind}
		d.subjects[key] = s
	}
	s.kind = min(s.kind, u.PersonKind) // of several, one that no order of the rows changes
	return s
}
