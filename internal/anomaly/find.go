package anomaly

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// A candidate is a time in which a subject stands out. Several may be of the
// same executions: [Search.Anomalies] tells each once.
type candidate struct {
	Anomaly

	cover      [2]cell // the hours that what was merged into it lies in, both included
	executions []int   // of Search.kept, in order

	// without are the days of a week that are told by themselves.
	without map[day]bool
}

// joinHours is how far apart the hours of one subject may be that are told
// together.
const joinHours = 3

// Standout finds what stands out, and returns the days of UTC whose executions
// tell of what: they are to be given to [Search.Execution].
func (x *Search) Standout() []Days {
	if !x.looked {
		x.looked = true
		for of, s := range x.series {
			before := x.found
			x.found = nil
			x.look(of, s)
			x.found = append(before, x.found...)
		}
		slices.SortFunc(x.found, compareCandidates)
		x.near = map[day][]*candidate{}
		for _, c := range x.found {
			for d := c.cover[0].day(); d <= c.cover[1].day(); d++ {
				x.near[d] = append(x.near[d], c)
			}
		}
	}
	var days []day
	for d := range x.near {
		days = append(days, d)
	}
	slices.Sort(days)
	var list []Days
	for _, d := range days {
		// A day of a zone lies on two of UTC.
		if n := len(list); n > 0 && d-1 <= list[n-1].To {
			list[n-1].To = d + 2
		} else {
			list = append(list, Days{d - 1, d + 2})
		}
	}
	return list
}

func (x *Search) look(of Subject, s *series) {
	if of.Kind == Database || of.Kind == Person {
		if x.lookNew(of, s) || of.Kind == Database {
			return
		}
	}
	x.lookHours(of, s)
	for d := x.eve; d <= x.last; d++ {
		x.lookDay(of, s, d)
	}
	x.lookWeeks(of, s)
}

// stands tells whether a cost is far enough above what is usual.
func (x *Search) stands(h habit, cost int64) bool {
	return h.score >= x.score && cost-h.usual >= int64(x.s.Floor)
}

func (x *Search) lookHours(of Subject, s *series) {
	var cells []cell
	for c, u := range s.hours {
		if c.day() >= x.eve && u.cost >= int64(x.s.Floor) {
			cells = append(cells, c)
		}
	}
	slices.Sort(cells)
	var last *candidate
	for _, c := range cells {
		u := *s.hours[c]
		h, ok := x.hourHabit(of, s, c, u.cost)
		if !ok || !x.stands(h, u.cost) || x.atTurn(c.day(), u.cost, s.mostHour) {
			continue
		}
		if last != nil && c-last.cover[1] <= joinHours {
			// What lies between is a part of it.
			for b := last.cover[1] + 1; b < c; b++ {
				if between := s.hours[b]; between != nil {
					last.take(*between, habit{})
				}
			}
			last.take(u, h)
			last.cover[1], last.To = c, x.start(c).Add(time.Hour)
			continue
		}
		last = x.candidate(of, Hours, c, c)
		last.take(u, h)
	}
}

func (x *Search) lookDay(of Subject, s *series, d day) {
	u := s.days[d]
	if u == nil || u.cost < int64(x.s.Floor) {
		return
	}
	h, ok := x.dayHabit(of, s, d, u.cost)
	if ok && x.stands(h, u.cost) && !x.atTurn(d, u.cost, s.on) {
		x.candidate(of, Day, cellAt(d, 0), cellAt(d, 23)).take(*u, h)
	}
}

// lookWeeks takes, of weeks that overlap, the one that is furthest above the
// usual one.
func (x *Search) lookWeeks(of Subject, s *series) {
	alone := map[day]bool{}
	for _, c := range x.found {
		if c.Subject == of {
			for d := c.cover[0].day(); d <= c.cover[1].day(); d++ {
				alone[d] = true
			}
		}
	}
	var last *candidate
	for d := x.judged; d <= x.last; d++ {
		without := s.sticking(d, alone)
		h, all, ok := x.weekHabit(of, s, d, without)
		if !ok || !x.stands(h, all.cost) {
			continue
		}
		if last != nil && last.cover[1].day() >= d-week+1 {
			if int64(last.Excess) >= all.cost-h.usual {
				continue
			}
			x.found = x.found[:len(x.found)-1]
		}
		last = x.candidate(of, Week, cellAt(d-week+1, 0), cellAt(d, 23))
		last.without = without
		last.Without = slices.Sorted(maps.Keys(without))
		last.take(all, h)
	}
}

// newDays is within how many days what is new has to be dear, and ninth which
// of ten days of other people it has to cost more than.
const (
	newDays = 2
	ninth   = 0.9
)

// lookNew looks at a person or database of whom the lake knew nothing, and
// reports whether it is one.
func (x *Search) lookNew(of Subject, s *series) bool {
	if s.first < x.eve || s.first > x.last {
		return false
	}
	var all sum
	end := cellAt(s.first, 0)
	begin := cellAt(s.first+newDays, 0)
	for c, u := range s.hours {
		if c.day() < s.first+newDays {
			all.add(*u)
			begin, end = min(begin, c), max(end, c)
		}
	}
	others := int64(0)
	if of.Kind == Person {
		others = x.othersAt(of, s.first)
	}
	if all.cost < max(int64(x.s.Floor), others) {
		return true
	}
	c := x.candidate(of, New, begin, end)
	c.take(all, habit{days: int(s.first - max(s.first-day(x.s.Lookback), x.first))})
	c.Others = athenatrail.Money(others)
	return true
}

// othersAt returns what nine of ten days of people cost at most in the days
// before one.
func (x *Search) othersAt(of Subject, d day) int64 {
	var costs []int64
	for other, s := range x.series {
		if other.Kind != Person || other.Currency != of.Currency || other == of {
			continue
		}
		for b, u := range s.days {
			if b < d && b >= d-day(x.s.Lookback) {
				costs = append(costs, u.cost)
			}
		}
	}
	if len(costs) == 0 {
		return 0
	}
	slices.Sort(costs)
	return costs[int(float64(len(costs)-1)*ninth)]
}

func (x *Search) candidate(of Subject, scale Scale, first, last cell) *candidate {
	c := &candidate{cover: [2]cell{first, last}}
	c.Subject, c.Scale = of, scale
	c.From, c.To = x.start(first), x.start(last+1)
	x.found = append(x.found, c)
	return c
}

// take adds what was used, and what would have been usual.
func (c *candidate) take(u sum, h habit) {
	c.Cost = athenatrail.Money(plus(int64(c.Cost), u.cost))
	c.Bytes, c.Executions = plus(c.Bytes, u.bytes), plus(c.Executions, u.count)
	c.Usual = athenatrail.Money(plus(int64(c.Usual), h.usual))
	c.Most = max(c.Most, athenatrail.Money(h.most))
	c.Score, c.LookedBack = max(c.Score, h.score), max(c.LookedBack, h.days)
	c.Excess = max(c.Cost-c.Usual, 0)
}

// ranks are how narrow a subject is: what is new explains most, then people.
func (c *candidate) rank() int {
	switch {
	case c.Scale == New && c.Subject.Kind == Person:
		return 0
	case c.Scale == New:
		return 1
	}
	return 2 + slices.Index([]Kind{Person, Role, Table, Team, Database}, c.Subject.Kind)
}

var scaleOrder = []Scale{New, Hours, Day, Week}

// compareCandidates orders the narrowest first; of those that are alike, the
// dearest.
func compareCandidates(a, b *candidate) int {
	return cmp.Or(
		cmp.Compare(a.rank(), b.rank()),
		cmp.Compare(slices.Index(scaleOrder, a.Scale), slices.Index(scaleOrder, b.Scale)),
		cmp.Compare(b.Excess, a.Excess),
		a.From.Compare(b.From),
		a.Subject.compare(b.Subject),
	)
}

func (s Subject) compare(o Subject) int {
	for _, f := range [...][2]string{{string(s.Kind), string(o.Kind)}, {s.Name, o.Name}, {s.Account, o.Account}, {s.Region, o.Region}, {s.Currency, o.Currency}} {
		if c := strings.Compare(f[0], f[1]); c != 0 {
			return c
		}
	}
	return 0
}
