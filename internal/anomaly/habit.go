package anomaly

import (
	"math"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail"
)

// What is usual for a subject at some hour is asked of three groups of hours
// before, and it has to stand out against each of them:
//
//	the like     the same hour of the same weekday and the two around it; where
//	             fewer weeks than four are known, of all working days, or all
//	             days of rest
//	the weekly   the same hour of the same weekday alone: what happens once a
//	             week is no surprise
//	the active   all hours in which it did anything: who now and then spends
//	             much at any hour does so at this one
//
// Costs are compared by their logarithms, since they spread by factors and not
// by amounts, softened by a tenth of the floor so that cents and nothing are
// alike. The centre is the median and the spread the median absolute deviation
// (times 1.4826, which makes it the standard deviation of a normal spread), so
// that one odd day before does not hide the next.

const (
	// hourSpread and daySpread are the least that logarithms are taken to
	// spread by: below it a few equal days would make any other one an outlier.
	hourSpread = 0.4
	daySpread  = 0.3

	// madScale makes a median absolute deviation a standard deviation.
	madScale = 1.4826

	// leastLike is how many hours or days the like group must have, or it is
	// widened; leastActive likewise of the active group.
	leastLike      = 12
	leastLikeDays  = 8
	leastActive    = 8
	leastRecurring = 3

	// guard is how much of the score the weekly and the active group ask for:
	// they are there to excuse what happens again.
	guard = 0.5

	week = 7

	// leastKnown is how long a subject must be known to have a habit.
	leastKnown = 7
)

// A norm is the centre and the spread of a group of costs, as logarithms.
type norm struct {
	centre, spread float64
	median         int64
	n              int
}

func (x *Search) soft() float64 { return float64(x.s.Floor) / 10 }

func (x *Search) log(cost int64) float64 { return math.Log(float64(cost) + x.soft()) }

// norm returns that of a group, which is taken to spread by least at least.
func (x *Search) norm(costs []int64, least float64) norm {
	if len(costs) == 0 {
		return norm{centre: x.log(0), spread: least}
	}
	slices.Sort(costs)
	logs := make([]float64, len(costs))
	for i, c := range costs {
		logs[i] = x.log(c)
	}
	n := norm{centre: middle(logs), median: costs[(len(costs)-1)/2], n: len(costs)}
	for i := range logs {
		logs[i] = math.Abs(logs[i] - n.centre)
	}
	slices.Sort(logs)
	n.spread = max(madScale*middle(logs), least)
	return n
}

// middle returns the median of what is in order.
func middle(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// over is how many spreads a cost is above a norm.
func (x *Search) over(cost int64, n norm) float64 { return (x.log(cost) - n.centre) / n.spread }

// above is the same against a group that may be small: of one that is not enough
// for a norm the highest counts.
func (x *Search) above(cost int64, group []int64, enough int, least float64) float64 {
	switch {
	case len(group) == 0:
		return math.Inf(1)
	case len(group) < enough:
		return (x.log(cost) - x.log(slices.Max(group))) / least
	}
	return x.over(cost, x.norm(group, least))
}

// A habit is what was usual, and how far a cost is from it.
type habit struct {
	usual, most int64
	score       float64
	days        int // looked back
}

// past returns the days that tell of a subject's habit on a day: those of the
// look-back in which the lake, and the subject, were there. A table that was
// never read has the habit of not being read.
func (x *Search) past(of Subject, s *series, d day) (from, to day) {
	from = max(d-day(x.s.Lookback), x.first)
	if of.Kind != Table {
		from = max(from, s.first)
	}
	return from, d
}

func (s *series) at(c cell) int64 {
	if u := s.hours[c]; u != nil {
		return u.cost
	}
	return 0
}

func (s *series) on(d day) int64 {
	if u := s.days[d]; u != nil {
		return u.cost
	}
	return 0
}

// hourHabit compares what a subject cost in an hour. It reports false where the
// subject is not known for long enough.
func (x *Search) hourHabit(of Subject, s *series, c cell, cost int64) (h habit, ok bool) {
	d, hour := c.day(), c.hour()
	from, to := x.past(of, s, d)
	if to-from < leastKnown {
		return h, false
	}
	var same, alikes, like, wide []int64
	for b := from; b < to; b++ {
		alike := x.rest(b) == x.rest(d)
		weekday := alike && (d-b)%week == 0
		if weekday {
			same = append(same, s.at(cellAt(b, hour)))
		}
		if !alike {
			continue
		}
		alikes = append(alikes, s.at(cellAt(b, hour)))
		for near := max(hour-1, 0); near <= min(hour+1, 23); near++ {
			if weekday {
				like = append(like, s.at(cellAt(b, near)))
			}
			wide = append(wide, s.at(cellAt(b, near)))
		}
	}
	if len(like) < leastLike {
		like = wide
	}
	if len(same) == 0 {
		same = alikes // a holiday on a working day: as on days of rest
	}
	var active []int64
	for at, u := range s.hours {
		if b := at.day(); b >= from && b < to {
			active = append(active, u.cost)
			h.most = max(h.most, u.cost)
		}
	}
	n := x.norm(like, hourSpread)
	h.usual, h.days = n.median, int(to-from)
	h.score = min(x.over(cost, n), x.above(cost, same, leastRecurring, hourSpread)/guard, x.above(cost, active, leastActive, hourSpread)/guard)
	return h, true
}

// dayHabit is the same of a day: like are the working days, or the days of
// rest.
func (x *Search) dayHabit(of Subject, s *series, d day, cost int64) (h habit, ok bool) {
	from, to := x.past(of, s, d)
	if to-from < leastKnown {
		return h, false
	}
	var same, like, all, active []int64
	for b := from; b < to; b++ {
		c := s.on(b)
		all = append(all, c)
		h.most = max(h.most, c)
		if x.rest(b) == x.rest(d) {
			like = append(like, c)
			if (d-b)%week == 0 {
				same = append(same, c)
			}
		}
		if c > 0 {
			active = append(active, c)
		}
	}
	if len(like) < leastLikeDays && x.rest(d) {
		// Few days of rest are known: they are not busier than working days.
		like = all
	}
	if len(same) == 0 {
		same = slices.Clone(like)
	}
	n := x.norm(like, daySpread)
	h.usual, h.days = n.median, int(to-from)
	h.score = min(x.over(cost, n), x.above(cost, same, leastRecurring, daySpread)/guard, x.above(cost, active, leastActive, daySpread)/guard)
	return h, true
}

const (
	// weekRatio is how many times a usual week a week must cost, and
	// steadyDays how many of its days must be above theirs by dayRatio: a week
	// that is dear for one day is a day.
	weekRatio  = 1.6
	steadyDays = 4
	dayRatio   = 1.25

	// weekGuard is how much of the score a week must reach: what several days
	// say together is said more surely.
	weekGuard = 0.6

	leastWeeks = 2
)

// weekHabit compares the seven days that end with d with those before them,
// without those that stick out of them. The score is how far the days are above
// their like, taken together, without the one that is furthest.
func (x *Search) weekHabit(of Subject, s *series, d day, without map[day]bool) (h habit, all sum, ok bool) {
	begin := d - week + 1
	from, to := x.past(of, s, begin)
	if to-from < leastWeeks*week {
		return h, all, false
	}
	var weeks []int64
	for end := to; end-week >= from; end -= week {
		var w int64
		for b := end - week; b < end; b++ {
			w = plus(w, s.on(b))
		}
		weeks = append(weeks, w)
		h.most = max(h.most, w)
	}
	slices.Sort(weeks)
	h.usual, h.days = weeks[(len(weeks)-1)/2], int(to-from)
	if len(weeks)%2 == 0 {
		h.usual += (weeks[len(weeks)/2] - h.usual) / 2
	}
	like := map[bool][]int64{}
	for b := from; b < to; b++ {
		like[x.rest(b)] = append(like[x.rest(b)], s.on(b))
	}
	norms := map[bool]norm{}
	for rest, costs := range like {
		norms[rest] = x.norm(costs, daySpread)
	}
	steady := 0
	var above []float64
	for b := begin; b <= d; b++ {
		u := s.days[b]
		if without[b] {
			continue
		}
		n, known := norms[x.rest(b)]
		if !known {
			n = norm{centre: x.log(0), spread: daySpread}
		}
		c := int64(0)
		if u != nil {
			c = u.cost
			all.add(*u)
		}
		if c > 0 && float64(c) >= dayRatio*float64(n.median) {
			steady++
		}
		if c > 0 || n.median > 0 {
			above = append(above, x.over(c, n))
		}
	}
	if steady < steadyDays || len(above) < steadyDays || float64(all.cost) < weekRatio*float64(h.usual) || all.cost <= h.most {
		return h, all, true
	}
	slices.Sort(above)
	above = above[:len(above)-1]
	var together float64
	for _, a := range above {
		together += a
	}
	h.score = together / math.Sqrt(float64(len(above))) / weekGuard
	return h, all, true
}

// stickOut is how many times the middle day of its week a day must cost that
// stands out by itself, to be no part of that week.
const stickOut = 2.5

// sticking returns the days of a week that stand out of it too.
func (s *series) sticking(d day, alone map[day]bool) map[day]bool {
	var costs []int64
	for b := d - week + 1; b <= d; b++ {
		if c := s.on(b); c > 0 {
			costs = append(costs, c)
		}
	}
	slices.Sort(costs)
	out := map[day]bool{}
	for b := d - week + 1; b <= d; b++ {
		if alone[b] && float64(s.on(b)) > stickOut*float64(costs[(len(costs)-1)/2]) {
			out[b] = true
		}
	}
	return out
}

// A month's turn is judged by the turns before: books are closed then.
const (
	turnDays  = 3   // before and after the first of a month
	turns     = 3   // that are looked back to
	turnRatio = 1.5 // above the highest of them, it is no turn like the others
)

// turnsBefore returns the firsts of the months before the turn that a day
// belongs to; none for a day in the middle of a month.
func turnsBefore(d day) (firsts []day) {
	y, m, _ := d.Time().Date()
	for _, month := range []time.Month{m, m + 1} {
		first := athenatrail.DateOf(time.Date(y, month, 1, 0, 0, 0, 0, time.UTC))
		if d < first-turnDays || d >= first+turnDays {
			continue
		}
		for back := time.Month(1); back <= turns; back++ {
			firsts = append(firsts, athenatrail.DateOf(time.Date(y, month-back, 1, 0, 0, 0, 0, time.UTC)))
		}
	}
	return firsts
}

// atTurn tells whether it was much the same at the turn of a month before.
// What returns the costs of the days or hours of one.
func (x *Search) atTurn(d day, cost int64, most func(day) int64) bool {
	for _, first := range turnsBefore(d) {
		for b := first - turnDays; b < first+turnDays; b++ {
			if b >= x.first && b < d-turnDays*2 && float64(cost) < turnRatio*float64(most(b)) {
				return true
			}
		}
	}
	return false
}

func (s *series) mostHour(d day) (most int64) {
	for hour := range 24 {
		most = max(most, s.at(cellAt(d, hour)))
	}
	return most
}
