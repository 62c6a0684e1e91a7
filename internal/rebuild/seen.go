package rebuild

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/derive"
)

// Seen is what the days that a Builder derived refer to, about which AWS may
// be asked.
type Seen struct {
	Users  map[string]string // Identity Center's ids of users, with the ARN of their store
	groups map[WorkGroup]bool
	places map[athenatrail.Partition]bool // without their days
}

// Places returns the accounts and regions that have executions, in order; their
// days are zero.
func (s *Seen) Places() []athenatrail.Partition {
	return slices.SortedFunc(maps.Keys(s.places), athenatrail.Partition.Compare)
}

// A WorkGroup is one of Athena's, with its place.
type WorkGroup struct{ Account, Region, Name string }

// WorkGroups returns the work groups in which something ran, in order.
func (s *Seen) WorkGroups() []WorkGroup {
	return slices.SortedFunc(maps.Keys(s.groups), func(a, b WorkGroup) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region), strings.Compare(a.Name, b.Name))
	})
}

// maxSeen bounds what is remembered of each kind.
const maxSeen = 100_000

// Seen returns what the days derived so far refer to.
func (b *Builder) Seen() Seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Seen{maps.Clone(b.seen.Users), maps.Clone(b.seen.groups), maps.Clone(b.seen.places)}
}

func (b *Builder) note(p athenatrail.Partition, day *derive.Day, executions []athenatrail.QueryExecution, sessions []athenatrail.Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen.Users == nil {
		b.seen = Seen{map[string]string{}, map[WorkGroup]bool{}, map[athenatrail.Partition]bool{}}
	}
	for id, store := range day.Users() {
		if len(b.seen.Users) < maxSeen {
			b.seen.Users[id] = store
		}
	}
	group := func(name string) {
		if name != "" && len(b.seen.groups) < maxSeen {
			b.seen.groups[WorkGroup{p.Account, p.Region, name}] = true
		}
	}
	for i := range executions {
		group(executions[i].WorkGroupName)
		b.seen.places[p.On(0)] = true
	}
	for i := range sessions {
		group(sessions[i].WorkGroupName)
	}
}
