package anomaly

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail"
)

// A Search looks for anomalies in a window. It is for one goroutine. Give it
// the rows of the days that it [Search.Needs], in any order, then the
// executions of the days that [Search.Standout] names, and ask for the
// [Search.Anomalies].
type Search struct {
	s        Settings
	from, to time.Time
	score    float64

	first    day // of the lake
	last     day // that is judged, and may be under way
	judged   day // the first that is judged
	eve      day // from which on is looked, for weeks that end with judged
	series   map[Subject]*series
	holidays map[day]bool
	ignore   struct{ person, role, team, database, table *ignored }

	found  []*candidate
	kept   []kept
	looked bool
	near   map[day][]*candidate // what was found, by the days that it covers
}

// A day is a day of the settings' zone; a cell is one of its hours.
type (
	day  = athenatrail.Date
	cell int32
)

func cellAt(d day, hour int) cell { return cell(int(d)*24 + hour) }

func (c cell) day() day  { return day(int(c) / 24) }
func (c cell) hour() int { return int(c) % 24 }

// A sum is what was used in a time.
type sum struct {
	cost, bytes, count int64
}

func (s *sum) add(o sum) {
	s.cost, s.bytes, s.count = plus(s.cost, o.cost), plus(s.bytes, o.bytes), plus(s.count, o.count)
}

// plus adds what is not negative, and stops at the largest number.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// A series is the use of a subject, hour by hour, and day by day.
type series struct {
	hours map[cell]*sum
	days  map[day]*sum
	first day // with any use
}

// NewSearch returns a search of [from, to). The lake's first day begins at
// since; a zero time is a lake without one.
func NewSearch(s Settings, from, to, since time.Time) *Search {
	x := &Search{s: s, from: from, to: to, score: scores[s.Sensitivity], series: map[Subject]*series{}, holidays: map[day]bool{}}
	if x.score == 0 {
		x.score = scores[Normal]
	}
	for _, h := range s.Holidays {
		x.holidays[h] = true
	}
	x.ignore.person, x.ignore.role, x.ignore.team = newIgnored(s.Ignore.Person), newIgnored(s.Ignore.Role), newIgnored(s.Ignore.Team)
	x.ignore.database, x.ignore.table = newIgnored(s.Ignore.Database), newIgnored(s.Ignore.Table)
	x.last = x.dayOf(to.Add(-1))
	x.judged = x.dayOf(from)
	if !since.IsZero() {
		x.first = x.dayOf(since)
	} else {
		x.first = x.last
	}
	// The lake's first day may begin in the middle of one of the zone's.
	if x.first < x.dayOf(since.Add(24*time.Hour-1)) {
		x.first++
	}
	x.judged = max(x.judged, x.first+MinLookback)
	x.eve = max(x.judged-week+1, x.first+leastKnown)
	return x
}

// JudgedFrom returns when the part of the window begins that is judged: before,
// the lake is too young to know what is usual. It is zero where nothing is.
func (x *Search) JudgedFrom() time.Time {
	if x.judged > x.last {
		return time.Time{}
	}
	if at := x.start(cellAt(x.judged, 0)); at.After(x.from) {
		return at
	}
	return x.from
}

// dayOf returns the day of the zone that holds a time.
func (x *Search) dayOf(t time.Time) day {
	y, m, d := t.In(x.s.Zone).Date()
	return athenatrail.DateOf(time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
}

func (x *Search) cellOf(t time.Time) cell { return cellAt(x.dayOf(t), t.In(x.s.Zone).Hour()) }

// start returns when a cell begins.
func (x *Search) start(c cell) time.Time {
	y, m, d := c.day().Time().Date()
	return time.Date(y, m, d, c.hour(), 0, 0, 0, x.s.Zone).UTC()
}

// rest tells whether a day is one on which few work.
func (x *Search) rest(d day) bool {
	w := d.Time().Weekday()
	return w == time.Saturday || w == time.Sunday || x.holidays[d]
}

// Needs returns the days of usage_rollup and table_rollup that are to be given:
// the window, the look-back before its first week, and the turns of the months
// before that the window's own turn is compared with.
func (x *Search) Needs() []Days {
	list := []Days{{x.judged - week - day(x.s.Lookback) - 1, x.last + 2}}
	for d := x.judged; d <= x.last; d++ {
		for _, turn := range turnsBefore(d) {
			list = append(list, Days{turn - turnDays - 1, turn + turnDays + 1})
		}
	}
	slices.SortFunc(list, func(a, b Days) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	var out []Days
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
func (x *Search) Usage(u *Usage) {
	if u.Own || u.Cost <= 0 || x.ignores(u.Person, u.RoleName, u.Team, u.DatabaseName) {
		return
	}
	at, use := x.cellOf(u.Slot), sum{int64(u.Cost), max(u.DataScannedBytes, 0), max(u.Executions, 0)}
	if u.Slot.Before(x.to) {
		for _, s := range subjects(u.Person, u.RoleName, u.Team, u.DatabaseName, u.AccountID, u.Currency) {
			x.add(s, at, use)
		}
	}
}

// Table takes a row of table_rollup. What writes a table is not looked at: it
// is somebody's work, and seen as theirs.
func (x *Search) Table(t *TableUsage) {
	if t.Written || t.Own || t.Cost <= 0 || !t.Slot.Before(x.to) || x.ignores(t.Person, t.RoleName, t.Team, t.DatabaseName) || x.ignore.table.match(t.TableName) {
		return
	}
	x.add(tableSubject(t.TableName, t.AccountID, t.RegionName, t.Currency), x.cellOf(t.Slot), sum{int64(t.Cost), max(t.DataScannedBytes, 0), max(t.Executions, 0)})
}

func (x *Search) ignores(person, role, team, database string) bool {
	return x.ignore.person.match(person) || x.ignore.role.match(role) || x.ignore.team.match(team) || x.ignore.database.match(database)
}

func tableSubject(name, account, region, currency string) Subject {
	return Subject{Kind: Table, Name: name, Account: account, Region: region, Currency: currency}
}

// subjects returns whom a use is counted for. What has no team is none.
func subjects(person, role, team, database, account, currency string) []Subject {
	list := make([]Subject, 0, 4)
	if person != "" {
		list = append(list, Subject{Kind: Person, Name: person, Currency: currency})
	}
	if role != "" {
		list = append(list, Subject{Kind: Role, Name: role, Account: account, Currency: currency})
	}
	if team != "" && team != athenatrail.TeamUnassigned {
		list = append(list, Subject{Kind: Team, Name: team, Currency: currency})
	}
	if database != "" {
		list = append(list, Subject{Kind: Database, Name: database, Currency: currency})
	}
	return list
}

func (x *Search) add(of Subject, at cell, use sum) {
	s := x.series[of]
	if s == nil {
		s = &series{hours: map[cell]*sum{}, days: map[day]*sum{}, first: at.day()}
		x.series[of] = s
	}
	s.first = min(s.first, at.day())
	into(s.hours, at, use)
	into(s.days, at.day(), use)
}

func into[K comparable](m map[K]*sum, key K, use sum) {
	if m[key] == nil {
		m[key] = new(sum)
	}
	m[key].add(use)
}
