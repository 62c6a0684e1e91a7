// Package derive computes the table rows of one partition from its facts: who
// asked for what, what Athena made of it, and what it cost. It reads no clock
// and nothing but what a [Day] is given, so the same facts give the same rows,
// whatever their order and however often they are given.
//
// # Rows
//
// A query execution is one row, on the day of its first start: the smallest
// eventTime, then eventID. Later starts with its id, which a repeated client
// token makes, add nothing. A start that got no id is a row of its own, keyed
// by its event id. An execution that Athena knows and the trail does not is a
// row on the day of its submission, of nobody.
package derive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/sqlref"
	"github.com/athenatrail/athenatrail/internal/team"
	"github.com/athenatrail/athenatrail/internal/tool"
)

// rules names the way rows are made. It is a part of [Settings.Hash] and
// changes when equal facts and settings would give other rows.
const rules = "derive/2"

// Settings are what rows depend on beside the facts.
type Settings struct {
	Identity *identity.Settings
	Prices   *price.Table
	Notes    *annotation.Patterns // nil: the markers that tools are known to write
	Teams    *team.Rules          // nil: teams are the directory's alone

	// AccountNames are the names of accounts by their ids; they go before what
	// Organizations says.
	AccountNames map[string]string

	// AccountOUs are the paths of accounts' organizational units likewise.
	AccountOUs map[string]string

	// Own are the principals, by their ARNs or their roles', under which
	// athenatrail runs. Their calls are our own if the agent says so too.
	Own []glob.Pattern
}

// Hash returns 16 hex digits that change with anything that can change a row.
// Table files carry it; one with another hash is derived again.
func (s *Settings) Hash() string {
	h := sha256.New()
	fmt.Fprintln(h, rules, s.Identity.Hash(), s.Prices.Hash(), s.Notes.Hash(), s.Teams.Hash(), tool.Hash(), sqlref.Version)
	for _, p := range s.Own {
		fmt.Fprintln(h, "own", p)
	}
	if s.Teams.NeedsAccountNames() {
		for _, id := range slices.Sorted(maps.Keys(s.AccountNames)) {
			fmt.Fprintf(h, "account %s %q\n", id, s.AccountNames[id])
		}
	}
	if s.Teams.NeedsAccountOUs() {
		for _, id := range slices.Sorted(maps.Keys(s.AccountOUs)) {
			fmt.Fprintf(h, "ou %s %q\n", id, s.AccountOUs[id])
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// ownAgent is in the user agent of every call that athenatrail makes.
const ownAgent = "athenatrail/"

// owns reports whether a call is athenatrail's own: who may run it is told by
// the configuration, since anybody can write a user agent.
func (s *Settings) owns(r *athenatrail.Record) bool {
	if len(s.Own) == 0 || !strings.Contains(r.UserAgent, ownAgent) {
		return false
	}
	for i := range s.Own {
		if s.Own[i].Match(r.Identity.ARN) || s.Own[i].Match(r.Identity.Issuer.ARN) {
			return true
		}
	}
	return false
}

// A Day gathers the facts of one partition and the days around it, and gives
// its rows. It holds what rows need and not the facts themselves: some 800
// bytes for each execution. It is for one goroutine.
//
// Events come last, in any order. What tells of them comes before, in any
// order too, but for [Day.StartedOn] and [Day.Elsewhere], which come first.
// Any fact may be given again.
type Day struct {
	partition athenatrail.Partition
	settings  *Settings

	earlier   map[id]struct{} // executions that began the day before
	elsewhere map[id]struct{} // copies of shared events that other accounts have
	beside    map[id]struct{} // executions with a start that has no row here
	starts    map[id]*start   // executions by query execution id
	failed    map[id]*start   // starts without one by event id
	details   map[id]*detail
	texts     map[id]*text
	access    map[id][]string // tables, by execution, that Lake Formation named
	known     known
	spark     spark

	users       map[string]string // of Identity Center, with their store's ARN
	accountName string
	accountOU   string
	tags        map[string]map[string]string // of work groups, by their names

	pool  pool
	teams map[teamKey]string
	calls map[callKey]*knownCall
}

// days is a set of the days D-1, D and D+1, as bits.
type days uint8

// NewDay returns a Day of partition p.
func NewDay(p athenatrail.Partition, s *Settings) *Day {
	return &Day{
		partition: p,
		settings:  s,
		earlier:   map[id]struct{}{},
		elsewhere: map[id]struct{}{},
		beside:    map[id]struct{}{},
		starts:    map[id]*start{},
		failed:    map[id]*start{},
		details:   map[id]*detail{},
		texts:     map[id]*text{},
		access:    map[id][]string{},
		known:     newKnown(),
		spark:     newSpark(),
		pool:      newPool(),
		teams:     map[teamKey]string{},
		calls:     map[callKey]*knownCall{},
		users:     map[string]string{},
		tags:      map[string]map[string]string{},
	}
}

// StartedOn says that the execution has a start on that day, of the two around
// the partition's; other days are passed over. If it is the day before, the
// row lies there. If it is the day after, a detail on this day is not without
// an event.
func (d *Day) StartedOn(queryExecutionID string, on athenatrail.Date) {
	switch on {
	case d.partition.Date - 1:
		d.earlier[idOf(queryExecutionID)] = struct{}{}
	case d.partition.Date + 1:
		d.beside[idOf(queryExecutionID)] = struct{}{}
	}
}

// Elsewhere says that an account has its own copy of the event with that
// sharedEventID. If it is the caller's account, the start has its row there.
func (d *Day) Elsewhere(sharedEventID, account string) {
	if sharedEventID != "" {
		d.elsewhere[sharedID(sharedEventID, account)] = struct{}{}
	}
}

func sharedID(sharedEventID, account string) id { return idOf(account + "/" + sharedEventID) }

func (d *Day) dayOf(on athenatrail.Date) days {
	if off := int64(on) - int64(d.partition.Date); -1 <= off && off <= 1 {
		return 1 << (off + 1)
	}
	return 0
}

// Detail takes what Athena said of an execution, from the facts of the
// partition's day and the two around it. Of several that are about one
// execution the one that says most is used. Details of another kind are
// passed over.
func (d *Day) Detail(det *athenatrail.Detail) {
	if det.Kind != athenatrail.KindQueryExecution || d.dayOf(det.Home.Date) == 0 {
		return
	}
	key := idOf(det.ID)
	if _, ok := d.earlier[key]; ok {
		return // a row of the day before
	}
	if old := d.details[key]; old == nil || rankOf(det) >= old.rank {
		if det := d.decodeDetail(det); old == nil || det.beats(old) {
			d.details[key] = det
		}
	}
}

// Event takes an event of the partition's day and returns its row of activity.
// It fails when the record cannot be decoded, which facts should not hold.
func (d *Day) Event(e *athenatrail.Event) (athenatrail.Activity, error) {
	r, err := decode(e, d.partition)
	if err != nil {
		return athenatrail.Activity{}, err
	}
	d.saw(&r.Identity.OnBehalfOf)
	note := d.noteOf(e)
	from := caller{Where: where(&r), own: d.settings.owns(&r)}
	who, with := d.whoAndTool(&r, note)
	mfa := r.Identity.MFA
	from.Who, from.MFA = who, optionalOf(mfa)
	from.Tool, from.ToolDetail = with.Name, with.Detail

	if e.Name == StartEvent {
		d.start(e, &r, &from)
	}
	from.Team = d.team(&from, d.workGroup(e, &r))
	return athenatrail.Activity{
		EventID:                e.ID,
		EventTime:              e.Time,
		EventName:              e.Name,
		AccountID:              d.partition.Account,
		RegionName:             d.partition.Region,
		Who:                    from.Who,
		MFA:                    mfa,
		Where:                  from.Where,
		ErrorCode:              bounded(r.ErrorCode),
		ErrorMessage:           bounded(r.ErrorMessage),
		ReadOnly:               r.ReadOnly,
		WorkGroupName:          bounded(r.WorkGroup),
		QueryExecutionID:       bounded(e.QueryExecutionID),
		SessionID:              bounded(r.SessionID),
		NotebookID:             bounded(r.NotebookID),
		CalculationExecutionID: bounded(r.CalculationExecutionID),
		RequestParameters:      boundedJSON(r.RequestParameters),
		ResponseElements:       boundedJSON(r.ResponseElements),
	}, nil
}

// StartEvent is the name of the event that asks Athena to run a statement.
const StartEvent = "StartQueryExecution"

func decode(e *athenatrail.Event, p athenatrail.Partition) (athenatrail.Record, error) {
	r, err := cloudtrail.DecodeRecord(e.Record)
	if err != nil {
		return r, fmt.Errorf("event %q of %s: %w", e.ID, p, err)
	}
	return r, nil
}

// Explain returns the rungs of the ladder that were tried for an event of the
// partition's day, highest first, and the program that made the call. Facts
// must have been given as for [Day.Event].
func (d *Day) Explain(e *athenatrail.Event) ([]identity.Step, tool.Tool, error) {
	r, err := decode(e, d.partition)
	if err != nil {
		return nil, tool.Tool{}, err
	}
	note := d.noteOf(e)
	return identity.Explain(&r, &d.known, note, d.settings.Identity), tool.Of(&r, note), nil
}

// where returns what a call came from. Before CloudTrail told console sessions
// apart, the console's calls were signin.amazonaws.com's.
func where(r *athenatrail.Record) athenatrail.Where {
	return athenatrail.Where{
		SourceIP:      bounded(r.SourceIP),
		UserAgent:     bounded(r.UserAgent),
		Console:       r.FromConsole || r.Identity.InvokedBy == "signin.amazonaws.com",
		VPCEndpointID: bounded(r.VPCEndpointID),
	}
}
