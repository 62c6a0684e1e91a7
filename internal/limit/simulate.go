package limit

import (
	"cmp"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail"
)

// A Simulation tells what limits would have done, had they been enforced,
// whatever their mode. It is for one goroutine. Give it the rows of what it
// [Simulation.Needs] and ask for the [Simulation.Outcomes].
//
// It sees quarter hours. What crossed a threshold in one is acted upon at its
// end; from then on, until the window ends or, where it moves, until enough of
// it is past, what starts is taken not to have run, after a stop as after a
// block. Who is protected is told and not acted upon.
type Simulation struct {
	from, to time.Time
	limits   []*simulated
}

type simulated struct {
	*Limit
	guard    *guard
	matcher  *matcher
	exempts  []*matcher
	subjects map[Subject]map[time.Time]*cell
}

// A cell is a subject's quarter hour.
type cell struct {
	free, held part // held: by whom nobody acts upon
	by         string
}

type part struct {
	tally
	prevented Prevented
}

func (p *part) add(o *part) {
	p.tally.add(&o.tally)
	p.prevented.add(&o.prevented)
}

// Prevented is what would not have run.
type Prevented struct {
	Queries  int64
	Sessions int64 // of Spark
	Bytes    int64 // scanned
	Cost     []Cash
	Unknown  int64 // of the queries and sessions, those whose cost is not known
}

// Cash is an amount of a currency.
type Cash struct {
	Currency string
	Amount   athenatrail.Money
}

// String writes the amounts: $12.50 + 3.00 EUR.
func (p *Prevented) Money() (text string) {
	for _, c := range p.Cost {
		if text != "" {
			text += " + "
		}
		text += formatMoney(c.Amount, c.Currency)
	}
	return text
}

func (p *Prevented) add(o *Prevented) {
	p.Queries = plus(p.Queries, o.Queries)
	p.Sessions = plus(p.Sessions, o.Sessions)
	p.Bytes = plus(p.Bytes, o.Bytes)
	p.Unknown = plus(p.Unknown, o.Unknown)
	for _, c := range o.Cost {
		i, found := slices.BinarySearchFunc(p.Cost, c.Currency, func(c Cash, name string) int { return cmp.Compare(c.Currency, name) })
		if !found {
			p.Cost = slices.Insert(slices.Clip(p.Cost), i, Cash{Currency: c.Currency})
		}
		p.Cost[i].Amount = athenatrail.Money(plus(int64(p.Cost[i].Amount), int64(c.Amount)))
	}
}

// Add is for sums of several outcomes.
func (p *Prevented) Add(o *Prevented) { p.add(o) }

func preventedOf(u *Usage) (p Prevented) {
	if u.Kind == athenatrail.UsageSpark {
		p.Sessions = u.Executions
	} else {
		p.Queries, p.Bytes = u.Executions, max(u.DataScannedBytes, 0)
	}
	if isPriced(u.CostBasis) {
		if u.Cost > 0 {
			p.Cost = []Cash{{u.Currency, u.Cost}}
		}
	} else {
		p.Unknown = u.Executions
	}
	return p
}

// Simulate returns a simulation of the limits over [from, to).
func (ls *Limits) Simulate(from, to time.Time) *Simulation {
	s := &Simulation{from: from, to: to}
	guard := newGuard(ls.protect)
	for _, l := range ls.list {
		d := &simulated{Limit: l, guard: guard, matcher: newMatcher(&l.match), subjects: map[Subject]map[time.Time]*cell{}}
		for i := range l.exempt {
			d.exempts = append(d.exempts, newMatcher(&l.exempt[i].match))
		}
		s.limits = append(s.limits, d)
	}
	return s
}

// Needs returns the days that the simulation is to be given: from the beginning
// of the windows on that were open when it begins.
func (s *Simulation) Needs() Needs {
	var all [3][]Days
	for _, d := range s.limits {
		start, _ := d.Window.Bounds(s.from)
		all[d.from] = append(all[d.from], daysOf(start, s.to))
	}
	return needs(all)
}

// Usage takes a row of usage_rollup.
func (s *Simulation) Usage(u *Usage) {
	for _, d := range s.limits {
		if d.from == fromRollup {
			s.add(d, u, nil)
		}
	}
}

// Table takes a row of table_rollup.
func (s *Simulation) Table(t *TableUsage) {
	tables := []string{t.TableName}
	for _, d := range s.limits {
		if d.from == fromTables {
			s.add(d, &t.Usage, tables)
		}
	}
}

// Execution takes a row of query_executions.
func (s *Simulation) Execution(e *Execution) {
	u := e.usage()
	for _, d := range s.limits {
		if d.from == fromExecutions {
			s.add(d, &u, e.TablesAccessed)
		}
	}
}

func (s *Simulation) add(d *simulated, u *Usage, tables []string) {
	start, _ := d.Window.Bounds(s.from)
	t := d.tally(u, false)
	if t.count == 0 || u.Slot.Before(start) || !u.Slot.Before(s.to) || !d.matcher.match(&u.UsageKey, tables) {
		return
	}
	for i, e := range d.exempts {
		if e.match(&u.UsageKey, tables) && u.Slot.Before(d.exempt[i].until) {
			return
		}
	}
	key := d.subject(&u.UsageKey)
	slots := d.subjects[key]
	if slots == nil {
		slots = map[time.Time]*cell{}
		d.subjects[key] = slots
	}
	at := u.Slot.UTC()
	c := slots[at]
	if c == nil {
		c = &cell{}
		slots[at] = c
	}
	into := &c.free
	if by := d.guard.of(u); by != "" {
		into = &c.held
		if c.by == "" || by < c.by {
			c.by = by
		}
	}
	into.add(&part{t, preventedOf(u)})
}

// An Outcome is the first crossing of a threshold by a subject in a window, and
// what came of it.
type Outcome struct {
	Limit     *Limit
	Subject   Subject
	Threshold Threshold

	At         time.Time // the end of the quarter hour in which it was crossed
	Start, End time.Time // of the window; End is zero for one that moves
	Used       int64     // at At

	// Prevented is what would not have run because of it, in the time that is
	// simulated. Of several thresholds that act, the first has it.
	Prevented Prevented

	// Protected is the pattern because of which nothing would have been done
	// but to tell.
	Protected string
}

// Percent is how much of the amount was used.
func (o *Outcome) Percent() float64 { return 100 * float64(o.Used) / float64(o.Limit.Amount.Value) }

// Outcomes returns what would have been done, by limit in its order, time,
// subject and threshold.
func (s *Simulation) Outcomes() (all []Outcome) {
	for _, d := range s.limits {
		var list []Outcome
		for key, slots := range d.subjects {
			list = append(list, s.play(d, key, slots)...)
		}
		slices.SortFunc(list, func(a, b Outcome) int {
			return cmp.Or(a.At.Compare(b.At), a.Subject.compare(b.Subject), a.Threshold.compare(b.Threshold))
		})
		all = append(all, list...)
	}
	return all
}

// Unknown returns how many executions and sessions of a limit in the time that
// is simulated counted for nothing, because what they used is not known or
// cost another currency.
func (s *Simulation) Unknown(l *Limit) (unknown, foreign int64) {
	for _, d := range s.limits {
		if d.Limit != l {
			continue
		}
		for _, slots := range d.subjects {
			for at, c := range slots {
				if !at.Before(s.from) {
					unknown = plus(unknown, plus(c.free.unknown, c.held.unknown))
					foreign = plus(foreign, plus(c.free.foreign, c.held.foreign))
				}
			}
		}
	}
	return unknown, foreign
}

// Idle returns the patterns that matched nothing, in words.
func (s *Simulation) Idle() (list []string) {
	for _, d := range s.limits {
		for _, pattern := range d.matcher.idle() {
			list = append(list, "limit "+d.Name+": match "+pattern)
		}
	}
	return list
}

// A stage is one subject's way through the slots.
type stage struct {
	d       *simulated
	start   time.Time // of the window that a calendar cuts
	end     time.Time
	used    tally
	counted []countedSlot // of a window that moves
	crossed map[Threshold]*Outcome
	acting  *Outcome
}

type countedSlot struct {
	at time.Time
	t  tally
}

func (s *Simulation) play(d *simulated, key Subject, slots map[time.Time]*cell) []Outcome {
	order := make([]time.Time, 0, len(slots))
	for at := range slots {
		order = append(order, at)
	}
	slices.SortFunc(order, time.Time.Compare)
	st := &stage{d: d, crossed: map[Threshold]*Outcome{}}
	var all []*Outcome
	for _, at := range order {
		c := slots[at]
		st.move(at)
		t := c.held.tally
		if st.acting == nil {
			t.add(&c.free.tally)
		} else if !at.Before(s.from) {
			st.acting.Prevented.add(&c.free.prevented)
		}
		st.count(at, &t)
		all = append(all, st.cross(key, at, c)...)
	}
	var told []Outcome
	for _, o := range all {
		if !o.At.Before(s.from) || o.Prevented.Queries > 0 || o.Prevented.Sessions > 0 {
			told = append(told, *o)
		}
	}
	return told
}

// move comes to a slot: a new window begins, or what one that moves has left
// behind goes, and with it the thresholds that no longer hold.
func (st *stage) move(at time.Time) {
	if !st.d.Window.Rolling() {
		if st.end.IsZero() || !at.Before(st.end) {
			st.start, st.end = st.d.Window.Bounds(at)
			st.used, st.acting = tally{}, nil
			clear(st.crossed)
		}
		return
	}
	st.start, _ = st.d.Window.Bounds(at)
	gone := 0
	for gone < len(st.counted) && st.counted[gone].at.Before(st.start) {
		gone++
	}
	if gone == 0 {
		return
	}
	st.counted = st.counted[gone:]
	st.used = tally{}
	for i := range st.counted {
		st.used.add(&st.counted[i].t)
	}
	for threshold := range st.crossed {
		percent := threshold.Percent
		if threshold.Action == Notify {
			percent = percent * rearmPercent / 100
		}
		if !st.used.reached(st.d.Limit, percent) {
			delete(st.crossed, threshold)
		}
	}
	st.acting = st.last()
}

// rearmPercent is below what part of a threshold use must fall, in a window
// that moves, before it is told of again. Use that hovers would be told of all
// day.
const rearmPercent = 90

// last returns the outcome that acts; of several that hold, the last.
func (st *stage) last() (acting *Outcome) {
	for _, threshold := range st.d.Thresholds {
		if o := st.crossed[threshold]; o != nil && threshold.Action.Acts() && o.Protected == "" {
			acting = o
		}
	}
	return acting
}

func (st *stage) count(at time.Time, t *tally) {
	st.used.add(t)
	if st.d.Window.Rolling() {
		st.counted = append(st.counted, countedSlot{at, *t})
	}
}

// cross returns the thresholds that are crossed now.
func (st *stage) cross(key Subject, at time.Time, c *cell) (list []*Outcome) {
	for _, threshold := range st.d.Thresholds {
		if st.crossed[threshold] != nil || !st.used.reached(st.d.Limit, threshold.Percent) {
			continue
		}
		o := &Outcome{
			Limit: st.d.Limit, Subject: key, Threshold: threshold, Start: st.start, End: st.end,
			At: at.Add(athenatrail.SlotLength), Used: st.used.used(st.d.Measure),
		}
		if st.d.Per == PerPerson && c.free.count == 0 {
			o.Protected = c.by
		}
		st.crossed[threshold] = o
		list = append(list, o)
	}
	st.acting = st.last()
	return list
}
