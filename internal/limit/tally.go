package limit

import (
	"strings"

	"github.com/athenatrail/athenatrail"
)

// A Subject is who has an amount: a person, a team, a work group of an account
// and region, or all.
type Subject struct {
	Name    string // empty for PerAll
	Account string // of a work group
	Region  string
}

// String is how people are told of a subject.
func (s Subject) String() string {
	switch {
	case s.Name == "":
		return "all together"
	case s.Account != "":
		return s.Name + " in " + s.Account + " " + s.Region
	}
	return s.Name
}

func (s Subject) compare(o Subject) int {
	for _, f := range [...][2]string{{s.Name, o.Name}, {s.Account, o.Account}, {s.Region, o.Region}} {
		if c := strings.Compare(f[0], f[1]); c != 0 {
			return c
		}
	}
	return 0
}

// subject returns who of a limit's subjects a row is of.
func (l *Limit) subject(u *athenatrail.UsageKey) Subject {
	switch l.Per {
	case PerPerson:
		return Subject{Name: u.Person}
	case PerTeam:
		return Subject{Name: u.Team}
	case PerWorkGroup:
		name := u.WorkGroupName
		if name == "" {
			name = "(no work group)"
		}
		return Subject{Name: name, Account: u.AccountID, Region: u.RegionName}
	}
	return Subject{}
}

// A tally is what was used, of one measure. Tallies of parts add up to that of
// the whole, in any order.
type tally struct {
	count   int64 // executions and sessions that the measure is about
	unknown int64 // those of them of which it is not known
	foreign int64 // those of them that cost another currency

	sum              int64 // of a measure that adds
	failed, finished int64
	most             int64  // of one query
	mostID           string // that query; of several the first
}

func (t *tally) add(o *tally) {
	t.count = plus(t.count, o.count)
	t.unknown = plus(t.unknown, o.unknown)
	t.foreign = plus(t.foreign, o.foreign)
	t.sum = plus(t.sum, o.sum)
	t.failed = plus(t.failed, o.failed)
	t.finished = plus(t.finished, o.finished)
	t.largest(o.most, o.mostID)
}

func (t *tally) largest(bytes int64, id string) {
	if bytes > t.most || bytes == t.most && id != "" && (t.mostID == "" || id < t.mostID) {
		t.most, t.mostID = bytes, id
	}
}

// used returns what is compared with the amount.
func (t *tally) used(m Measure) int64 {
	switch m {
	case FailedShare:
		if t.finished == 0 {
			return 0
		}
		share := wide(t.failed, million)
		if share.high > 0 { // of more queries than there can be
			return million
		}
		return min(int64(share.low/uint64(t.finished)), million)
	case QueryBytes:
		return t.most
	}
	return t.sum
}

// few tells whether a share is one of too few queries to mean something.
func (t *tally) few(m Measure) bool { return m == FailedShare && t.finished < leastFinished }

// reached tells whether a threshold is.
func (t *tally) reached(l *Limit, percent int64) bool {
	return !t.few(l.Measure) && reaches(t.used(l.Measure), l.Amount.Value, percent)
}

// of returns what a row adds to a limit's measure. What is of unfinished
// executions is not counted as unknown if their rows are looked at one by one.
func (l *Limit) tally(u *Usage, byRow bool) (t tally) {
	if u.Own || u.Gap == athenatrail.GapNotStarted || u.Executions <= 0 {
		return t
	}
	spark := u.Kind == athenatrail.UsageSpark
	unknown := max(u.Executions-u.Known, 0)
	if byRow && !spark && isUnfinished(u.Gap) {
		unknown = 0
	}
	switch l.Measure {
	case ScannedBytes:
		if !spark {
			t = tally{count: u.Executions, unknown: unknown, sum: max(u.DataScannedBytes, 0)}
		}
	case QueryBytes:
		if !spark {
			t = tally{count: u.Executions, unknown: unknown, most: max(u.MaxScannedBytes, 0)}
		}
	case DPUTime:
		if spark {
			t = tally{count: u.Executions, unknown: unknown, sum: max(u.DPUMillis, 0)}
		}
	case Queries:
		if !spark && !u.Probe {
			t = tally{count: u.Executions, sum: u.Executions}
		}
	case FailedShare:
		switch {
		case spark || u.Probe:
		case u.State == "SUCCEEDED" || u.State == "FAILED" || u.State == "CANCELLED":
			t = tally{count: u.Executions, finished: u.Executions, failed: max(u.Failed, 0)}
		default:
			t = tally{count: u.Executions, unknown: u.Executions}
		}
	case Cost:
		t = tally{count: u.Executions}
		switch priced := isPriced(u.CostBasis); {
		case priced && u.Currency == l.Amount.Unit:
			t.sum = max(int64(u.Cost), 0)
		case priced && u.Cost > 0:
			t.foreign = u.Executions
		case priced: // free costs nothing in any currency
		case byRow && !spark && isUnfinished(u.Gap):
		default:
			t.unknown = u.Executions
		}
	}
	return t
}

// isPriced tells whether the cost of a basis is known. That of reserved
// capacity is not yet split among its queries.
func isPriced(basis string) bool {
	return basis == athenatrail.BasisList || basis == athenatrail.BasisCustom || basis == athenatrail.BasisFree
}

// estimates tells whether what of the measure is still to come can be guessed
// from what the same query used before.
func (m Measure) estimates() bool { return m == ScannedBytes || m == Cost || m == QueryBytes }
