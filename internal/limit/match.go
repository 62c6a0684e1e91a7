package limit

import (
	"fmt"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/glob"
)

// A match is a Match made ready: patterns by field, nil for any.
type match struct {
	fields [noField][]glob.Pattern
	texts  [noField][]string // as they were written
}

// all tells whether every row matches.
func (m *match) all() bool {
	for _, patterns := range m.fields {
		if patterns != nil {
			return false
		}
	}
	return true
}

// value returns what a row has for a field that is a column.
func value(u *athenatrail.UsageKey, field int) string {
	switch field {
	case 0:
		return u.Person
	case 1:
		return u.PersonKind
	case 2:
		return u.Team
	case roleField:
		return u.RoleName
	case accountField:
		return u.AccountID
	case groupField:
		return u.WorkGroupName
	case 6:
		return u.DatabaseName
	}
	return u.Tool
}

// A matcher compares rows with a match. It remembers the answers, since a lake
// has many rows and few names, and which patterns ever matched.
type matcher struct {
	fields [noField]*fieldMatcher
}

type fieldMatcher struct {
	patterns []glob.Pattern
	texts    []string
	hits     []bool
	known    map[string]bool
}

func newMatcher(m *match) *matcher {
	var r matcher
	for f, patterns := range m.fields {
		if patterns != nil {
			r.fields[f] = &fieldMatcher{patterns, m.texts[f], make([]bool, len(patterns)), map[string]bool{}}
		}
	}
	return &r
}

// match looks at every field, so that a pattern is known to match somebody even
// where another field turns the row away.
func (m *matcher) match(u *athenatrail.UsageKey, tables []string) bool {
	all := true
	for f, field := range m.fields {
		switch {
		case field == nil:
		case f == tableField:
			one := false
			for _, table := range tables {
				one = field.match(table) || one
			}
			all = all && one
		default:
			all = field.match(value(u, f)) && all
		}
	}
	return all
}

func (f *fieldMatcher) match(name string) bool {
	if name == "" {
		return false
	}
	answer, ok := f.known[name]
	if !ok {
		lower := glob.Lower(name)
		for i := range f.patterns {
			if f.patterns[i].MatchLower(lower) {
				answer, f.hits[i] = true, true
			}
		}
		f.known[name] = answer
	}
	return answer
}

// idle returns the patterns that never matched, with their fields.
func (m *matcher) idle() (list []string) {
	for f, field := range m.fields {
		if field == nil {
			continue
		}
		for i, hit := range field.hits {
			if !hit {
				list = append(list, fmt.Sprintf("%s %q", fields[f].name, field.texts[i]))
			}
		}
	}
	return list
}

// A Picker tells which subject of a limit something counts for. It is for one
// goroutine.
type Picker struct {
	limit   *Limit
	matcher *matcher
	exempts []*matcher
}

// Picker returns a picker of the limit.
func (l *Limit) Picker() *Picker {
	p := &Picker{limit: l, matcher: newMatcher(&l.match)}
	for i := range l.exempt {
		p.exempts = append(p.exempts, newMatcher(&l.exempt[i].match))
	}
	return p
}

// Pick returns the subject for which an execution or session that started at
// the slot of u counts, and false if it counts for none: it was refused, it is
// athenatrail's own, does not match or is exempt. The kind of u says what it
// is: the measures of SQL know no sessions, and dpu_time knows no SQL.
func (p *Picker) Pick(u *athenatrail.UsageKey, tables []string) (Subject, bool) {
	spark := u.Kind == athenatrail.UsageSpark
	if u.Own || u.Gap == athenatrail.GapNotStarted || spark != (p.limit.Measure == DPUTime) && p.limit.Measure != Cost || !p.matcher.match(u, tables) {
		return Subject{}, false
	}
	for i, e := range p.exempts {
		if e.match(u, tables) && u.Slot.Before(p.limit.exempt[i].until) {
			return Subject{}, false
		}
	}
	return p.limit.subject(u), true
}

// WorkGroups returns the patterns of work groups that the limit matches, as
// they were written; none: it matches all.
func (l *Limit) WorkGroups() []string { return l.match.texts[groupField] }
