package derive

import (
	"cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/team"
)

// A teamKey is what a call's team depends on; the rest is the day's.
type teamKey struct{ person, role, workGroup, tool, directory string }

// team returns the team of a call: the first rule's that matches, else the one
// that the directory names, else none.
func (d *Day) team(from *caller, workGroup string) string {
	if d.settings.Teams == nil {
		return from.Team
	}
	key := teamKey{from.Person, from.RoleName, workGroup, from.Tool, from.Team}
	name, ok := d.teams[key]
	if !ok {
		name, _, ok = d.settings.Teams.Of(&team.Call{
			Person: from.Person, Role: from.RoleName, Account: d.partition.Account, AccountName: cmp.Or(d.settings.AccountNames[d.partition.Account], d.accountName),
			AccountOU: cmp.Or(d.settings.AccountOUs[d.partition.Account], d.accountOU),
			WorkGroup: workGroup, Tool: from.Tool, Tags: d.tags[workGroup],
		}, d.partition.Date)
		if !ok {
			name = from.Team
		}
		name = d.pool.text(name)
		d.teams[teamKey{
			d.pool.text(key.person), d.pool.text(key.role), d.pool.text(key.workGroup), d.pool.text(key.tool), d.pool.text(key.directory),
		}] = name
	}
	return name
}

// workGroup returns the work group of a call: Athena's answer goes before what
// the call asked for, which leaves out the default.
func (d *Day) workGroup(e *athenatrail.Event, r *athenatrail.Record) string {
	if e.QueryExecutionID != "" {
		if det := d.details[idOf(e.QueryExecutionID)]; det != nil && det.setting.workGroup != "" {
			return det.setting.workGroup
		}
	}
	return r.WorkGroup
}
