package anomaly

import (
	"cmp"
	"slices"

	"github.com/athenatrail/athenatrail"
)

// A kept execution is what merging and the evidence need of one.
type kept struct {
	id   string
	cost int64
}

// Execution takes an execution of the days that [Search.Standout] named, or a
// session.
func (x *Search) Execution(e *Execution) {
	if e.Own || e.Cost == nil || *e.Cost <= 0 || !e.StartedAt.Before(x.to) || x.ignores(e.Person, e.RoleName, e.Team, e.DatabaseName) {
		return
	}
	at := x.cellOf(e.StartedAt)
	near := x.near[at.day()]
	if len(near) == 0 {
		return
	}
	of := subjects(e.Person, e.RoleName, e.Team, e.DatabaseName, e.AccountID, e.Currency)
	for _, table := range e.TablesAccessed {
		if _, written := slices.BinarySearch(e.TablesWritten, table); !written && !x.ignore.table.match(table) {
			of = append(of, tableSubject(table, e.AccountID, e.RegionName, e.Currency))
		}
	}
	place := -1
	for _, c := range near {
		if at < c.cover[0] || at > c.cover[1] || c.without[at.day()] || !slices.Contains(of, c.Subject) {
			continue
		}
		if place < 0 {
			place = len(x.kept)
			x.kept = append(x.kept, kept{e.ID, int64(*e.Cost)})
		}
		c.executions = append(c.executions, place)
	}
}

// explains is how much of what a broader subject has above its habit a narrower
// one must have cost, to be told in its place.
const explains = 0.5

// inside is how much of what a narrower subject has above its habit must be a
// part of a broader one's, to be told with it.
const inside = 0.8

// Anomalies returns what stands out, the dearest first. The same executions
// raise a person, their role and team, and the tables that they read, and an
// hour raises its day: each is told once.
func (x *Search) Anomalies() []Anomaly {
	x.Standout()
	var told []*candidate
	for _, c := range x.found {
		told = x.tell(told, c)
	}
	list := make([]Anomaly, 0, len(told))
	for _, c := range told {
		// What ended before was looked at for what goes on: it explains that.
		if c.cover[1] < cellAt(x.judged, 0) || !c.To.After(x.from) {
			continue
		}
		a := c.Anomaly
		a.Severity = x.severity(a.Excess)
		a.Evidence = x.evidence(c)
		a.Text = x.sentence(&a)
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b Anomaly) int {
		return cmp.Or(cmp.Compare(b.Excess, a.Excess), a.From.Compare(b.From), a.Subject.compare(b.Subject), cmp.Compare(a.Scale, b.Scale))
	})
	return list
}

// tell adds a candidate to those that are told, or to what is told already.
func (x *Search) tell(told []*candidate, c *candidate) []*candidate {
	told, c = x.tellSame(told, c)
	if c == nil {
		return told
	}
	// Others: who alone is most of it; of a role, a team and a week, also those
	// who are together.
	var parts []*candidate
	var all int64
	seen := map[int]bool{}
	for _, t := range told {
		if t.Subject == c.Subject || !t.overlaps(c) {
			continue
		}
		common := int64(0)
		for _, e := range t.executions {
			if _, both := slices.BinarySearch(c.executions, e); both {
				common = plus(common, x.kept[e].cost)
				if !seen[e] {
					seen[e] = true
					all = plus(all, x.kept[e].cost)
				}
			}
		}
		switch {
		case float64(common) >= explains*float64(c.Excess):
			t.names(c.Subject)
			t.names(c.Also...)
			return told
		case float64(common) >= inside*float64(t.Excess) && t.Scale != New:
			parts = append(parts, t)
		}
	}
	if c.Scale == Week || c.Subject.Kind != Table {
		if float64(all) < explains*float64(c.Excess) {
			return append(told, c)
		}
		for _, t := range parts {
			t.names(c.Subject)
			t.names(c.Also...)
		}
		return told
	}
	for _, t := range parts {
		c.names(t.Subject)
		c.names(t.Also...)
	}
	return append(slices.DeleteFunc(told, func(t *candidate) bool { return slices.Contains(parts, t) }), c)
}

// tellSame compares a candidate with what is told of the same subject: an hour
// goes before its day if it is most of it, and a week before those of its days
// that are like its others. It returns nil where nothing is left to tell.
func (x *Search) tellSame(told []*candidate, c *candidate) ([]*candidate, *candidate) {
	var mates []*candidate
	for _, t := range told {
		if t.Subject == c.Subject && t.overlaps(c) && !c.without[t.cover[0].day()] {
			mates = append(mates, t)
		}
	}
	if len(mates) == 0 {
		return told, c
	}
	stays := slices.MaxFunc(mates, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(boolean(a.Scale == New), boolean(b.Scale == New)), cmp.Compare(a.Excess, b.Excess))
	})
	stood := stays.Scale == New || c.Scale != Week && float64(stays.Excess) >= explains*float64(c.Excess)
	if !stood {
		stays = c
	}
	for _, t := range append(mates, c) {
		stays.widen(t)
		stays.names(t.Also...)
	}
	told = slices.DeleteFunc(told, func(t *candidate) bool { return t != stays && slices.Contains(mates, t) })
	if stood {
		return told, nil
	}
	return told, c
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c *candidate) overlaps(o *candidate) bool {
	return c.cover[0] <= o.cover[1] && o.cover[0] <= c.cover[1] && c.Subject.Currency == o.Subject.Currency
}

// widen makes what lies in the other's time a part of c.
func (c *candidate) widen(o *candidate) {
	c.cover[0], c.cover[1] = min(c.cover[0], o.cover[0]), max(c.cover[1], o.cover[1])
}

func (c *candidate) names(others ...Subject) {
	for _, o := range others {
		if o != c.Subject && !slices.Contains(c.Also, o) {
			c.Also = append(c.Also, o)
		}
	}
}

func (x *Search) severity(excess athenatrail.Money) Severity {
	switch floor := x.s.Floor; {
	case excess/10 >= floor:
		return Grave
	case excess/3 >= floor:
		return Medium
	}
	return Small
}

// evidence returns the ids of what cost most.
func (x *Search) evidence(c *candidate) (ids []string) {
	list := slices.Clone(c.executions)
	slices.SortFunc(list, func(a, b int) int {
		return cmp.Or(cmp.Compare(x.kept[b].cost, x.kept[a].cost), cmp.Compare(x.kept[a].id, x.kept[b].id))
	})
	for _, e := range list {
		if id := x.kept[e].id; id != "" && len(ids) < MaxEvidence && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
