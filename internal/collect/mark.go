package collect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/rebuild"
)

// mark marks the days to derive because of new facts: every day that derives
// from one of them.
func (r *run) mark(ctx context.Context, f *cloudtrail.Facts) error {
	marks := days{}
	if err := r.ofEvents(ctx, f, marks); err != nil {
		return err
	}
	if err := r.ofCallers(ctx, f.SessionEvents, f.RoleSessions, marks); err != nil {
		return err
	}
	if err := r.ofAccess(ctx, f.DataAccess, marks); err != nil {
		return err
	}
	return r.setMarks(ctx, marks)
}

func (r *run) setMarks(ctx context.Context, marks days) error {
	for _, p := range slices.SortedFunc(maps.Keys(marks), athenatrail.Partition.Compare) {
		if err := r.Lake.Mark(ctx, p, r.RunID); err != nil {
			return fmt.Errorf("mark %s to be derived: %w", p, err)
		}
	}
	return nil
}

// days are partitions to mark.
type days map[athenatrail.Partition]bool

// ofEvents adds the days of events, those around that hold something of the
// same query execution, and those with copies of an event that several
// accounts got.
func (r *run) ofEvents(ctx context.Context, f *cloudtrail.Facts, marks days) error {
	ids := map[athenatrail.Partition]map[string]bool{}
	copies := map[athenatrail.Partition]map[string]bool{}
	for i := range f.Events {
		e := &f.Events[i]
		if ids[e.Home] == nil {
			ids[e.Home] = map[string]bool{}
		}
		if e.QueryExecutionID != "" {
			ids[e.Home][e.QueryExecutionID] = true
		}
		if e.SharedEventID != "" && e.Name == derive.StartEvent {
			if copies[e.Home] == nil {
				copies[e.Home] = map[string]bool{}
			}
			copies[e.Home][e.SharedEventID] = true
		}
	}
	for p, ids := range ids {
		marks[p] = true
		for _, d := range []athenatrail.Date{p.Date - 1, p.Date + 1} {
			shares, err := r.shares(ctx, p.On(d), ids)
			if err != nil {
				return err
			}
			if shares {
				marks[p.On(d)] = true
			}
		}
	}
	for p, ids := range copies {
		near, err := rebuild.Copies(ctx, r.Lake, p, ids)
		if err != nil {
			return err
		}
		for q := range near {
			marks[q] = true
		}
	}
	return nil
}

// shares tells whether a day holds an event or a detail of one of ids.
func (r *run) shares(ctx context.Context, p athenatrail.Partition, ids map[string]bool) (bool, error) {
	type event struct {
		ID string `parquet:"query_execution_id,optional"`
	}
	type detail struct {
		ID string `parquet:"id"`
	}
	for e, err := range lake.ReadAs[event](ctx, r.Lake, lake.Events, p) {
		if err != nil || ids[e.ID] {
			return err == nil, err
		}
	}
	for d, err := range lake.ReadAs[detail](ctx, r.Lake, lake.Details, p) {
		if err != nil || ids[d.ID] {
			return err == nil, err
		}
	}
	return false, nil
}

// ofCallers adds the days on which somebody may be known otherwise because of
// new events of sessions of Athena for Apache Spark and new issues of
// credentials. One leads to the other: a key tells who started a session, the
// session who took a role from within it, and so on.
func (r *run) ofCallers(ctx context.Context, sessions []athenatrail.SessionEvent, issued []athenatrail.RoleSession, marks days) error {
	type key struct {
		athenatrail.Partition
		id, session string
	}
	seen := map[key]bool{}
	fresh := func(e athenatrail.SessionEvent) bool {
		k := key{e.Home, e.ID, e.SessionID}
		old := seen[k]
		seen[k] = true
		return !old
	}
	for len(sessions) > 0 || len(issued) > 0 {
		if err := r.ofSessions(ctx, sessions, marks); err != nil {
			return err
		}
		within, err := r.issuedWithin(ctx, sessions)
		if err != nil {
			return err
		}
		found, err := r.ofIssues(ctx, append(within, issued...), marks)
		if err != nil {
			return err
		}
		sessions, issued = slices.DeleteFunc(found, func(e athenatrail.SessionEvent) bool { return !fresh(e) }), nil
	}
	return nil
}

// ofSessions adds the days around events of sessions of Athena for Apache
// Spark, if they hold an event of the same session, or what Athena said of it;
// and around the stop of a calculation, if they hold its start.
func (r *run) ofSessions(ctx context.Context, events []athenatrail.SessionEvent, marks days) error {
	type names struct{ sessions, calculations map[string]bool }
	near := map[athenatrail.Partition]names{}
	for i := range events {
		e := &events[i]
		calculation := ""
		if e.Name == "StopCalculationExecution" {
			record, err := cloudtrail.DecodeRecord(e.Record)
			if err != nil {
				return err
			}
			calculation = record.CalculationExecutionID
		}
		for d := e.Home.Date - derive.SessionDays; d <= e.Home.Date+derive.SessionDays; d++ {
			p := e.Home.On(d)
			if near[p].sessions == nil {
				near[p] = names{map[string]bool{}, map[string]bool{}}
			}
			if e.SessionID != "" {
				near[p].sessions[e.SessionID] = true
			}
			if calculation != "" {
				near[p].calculations[calculation] = true
			}
		}
	}
	for p, of := range near {
		for _, holds := range []func() (bool, error){
			func() (bool, error) { return r.holdsSession(ctx, p, of.sessions) },
			func() (bool, error) { return r.holdsSessionDetail(ctx, p, of.sessions) },
			func() (bool, error) { return r.holdsCalculation(ctx, p, of.calculations) },
		} {
			if marks[p] {
				break
			}
			found, err := holds()
			if err != nil {
				return err
			}
			if found {
				marks[p] = true
			}
		}
	}
	return nil
}

// holdsSession tells whether a day holds an event of one of the sessions.
func (r *run) holdsSession(ctx context.Context, p athenatrail.Partition, ids map[string]bool) (bool, error) {
	if len(ids) == 0 {
		return false, nil
	}
	type event struct {
		ID string `parquet:"session_id,optional"`
	}
	for e, err := range lake.ReadAs[event](ctx, r.Lake, lake.Events, p) {
		if err != nil || e.ID != "" && ids[e.ID] {
			return err == nil, err
		}
	}
	return false, nil
}

// holdsSessionDetail tells whether a day holds what Athena said of one of the
// sessions. A session that began before the trail has its row there, and may
// have no event on that day.
func (r *run) holdsSessionDetail(ctx context.Context, p athenatrail.Partition, ids map[string]bool) (bool, error) {
	if len(ids) == 0 {
		return false, nil
	}
	type detail struct {
		Kind string `parquet:"kind"`
		ID   string `parquet:"id"`
	}
	for d, err := range lake.ReadAs[detail](ctx, r.Lake, lake.Details, p) {
		if err != nil || d.Kind == athenatrail.KindSession && ids[d.ID] {
			return err == nil, err
		}
	}
	return false, nil
}

// holdsCalculation tells whether one of the calculations was started on a day.
func (r *run) holdsCalculation(ctx context.Context, p athenatrail.Partition, ids map[string]bool) (bool, error) {
	if len(ids) == 0 {
		return false, nil
	}
	for e, err := range lake.Read(ctx, r.Lake, lake.SessionEvents, p) {
		if err != nil {
			return false, err
		}
		if e.Name != "StartCalculationExecution" {
			continue
		}
		record, err := cloudtrail.DecodeRecord(e.Record)
		if err != nil || ids[record.CalculationExecutionID] {
			return err == nil, err
		}
	}
	return false, nil
}

// issuedWithin returns the role sessions that were got from within sessions of
// Athena for Apache Spark that some of the events start. Their callers are
// known by who started those.
func (r *run) issuedWithin(ctx context.Context, events []athenatrail.SessionEvent) (issued []athenatrail.RoleSession, err error) {
	type row struct {
		Key    string `parquet:"access_key_hash"`
		Caller string `parquet:"caller"`
	}
	accounts := map[string]map[string]bool{} // ids of sessions
	var first, last athenatrail.Date
	for i := range events {
		e := &events[i]
		if e.Name != "StartSession" || e.SessionID == "" {
			continue
		}
		if len(accounts) == 0 {
			first, last = e.Home.Date, e.Home.Date
		}
		first, last = min(first, e.Home.Date), max(last, e.Home.Date)
		if accounts[e.Home.Account] == nil {
			accounts[e.Home.Account] = map[string]bool{}
		}
		accounts[e.Home.Account][e.SessionID] = true
	}
	if len(accounts) == 0 {
		return nil, nil
	}
	for file, err := range lake.Partitions(ctx, r.Lake, lake.RoleSessions, first, last+derive.SessionDays+1) {
		if err != nil {
			return nil, err
		}
		ids := accounts[file.Account]
		if len(ids) == 0 {
			continue
		}
		for s, err := range lake.ReadAs[row](ctx, r.Lake, lake.RoleSessions, file.Partition) {
			if err != nil {
				return nil, err
			}
			_, name, ok := strings.Cut(s.Caller, "AthenaExecutor-")
			if id, _, _ := strings.Cut(name, `"`); ok && ids[id] {
				issued = append(issued, athenatrail.RoleSession{Home: file.Partition, AccessKeyHash: s.Key})
			}
		}
	}
	return issued, nil
}

// ofIssues adds the days with calls by credentials that role sessions explain:
// by the key that was issued, or by one that was got with it, hop by hop. It
// returns those of the calls that start or end sessions and calculations,
// which tell of other days.
func (r *run) ofIssues(ctx context.Context, issues []athenatrail.RoleSession, marks days) (calls []athenatrail.SessionEvent, err error) {
	if len(issues) == 0 {
		return nil, nil
	}
	issued := map[athenatrail.Date]map[string]bool{}
	concerned := map[athenatrail.Date]bool{}
	for i := range issues {
		s := &issues[i]
		on := s.Home.Date
		if issued[on] == nil {
			issued[on] = map[string]bool{}
		}
		issued[on][s.AccessKeyHash] = true
		for d := on; d <= on+rebuild.ChainDays; d++ {
			concerned[d] = true
		}
	}
	for _, d := range slices.Sorted(maps.Keys(concerned)) {
		hashes := map[string]bool{}
		for on := d - rebuild.ChainDays; on <= d; on++ {
			maps.Copy(hashes, issued[on])
		}
		found, err := r.calledWith(ctx, d, hashes, marks)
		if err != nil {
			return nil, err
		}
		calls = append(calls, found...)
	}
	return calls, nil
}

// calledWith does for one day what [run.ofIssues] does for all.
func (r *run) calledWith(ctx context.Context, d athenatrail.Date, hashes map[string]bool, marks days) (calls []athenatrail.SessionEvent, err error) {
	keys, err := r.issues.Descendants(ctx, d, hashes)
	if err != nil {
		return nil, err
	}
	type event struct {
		ID     string `parquet:"event_id"`
		Key    string `parquet:"access_key_hash,optional"`
		Name   string `parquet:"event_name"`
		Shared string `parquet:"shared_event_id,optional"`
	}
	for file, err := range lake.Partitions(ctx, r.Lake, lake.Events, d, d+1) {
		if err != nil {
			return nil, err
		}
		if !keys.In(file.Account) {
			continue
		}
		ids, shared := map[string]bool{}, map[string]bool{}
		for e, err := range lake.ReadAs[event](ctx, r.Lake, lake.Events, file.Partition) {
			if err != nil {
				return nil, err
			}
			if !keys.Has(file.Account, e.Key) {
				continue
			}
			marks[file.Partition] = true
			switch e.Name {
			case "StartSession", "TerminateSession", "StopCalculationExecution":
				ids[e.ID] = true
			}
			if e.Shared != "" {
				shared[e.Shared] = true
			}
		}
		if len(ids) > 0 {
			for e, err := range lake.Read(ctx, r.Lake, lake.SessionEvents, file.Partition) {
				if err != nil {
					return nil, err
				}
				if ids[e.ID] {
					calls = append(calls, *e)
				}
			}
		}
		if len(shared) > 0 {
			copies, err := rebuild.Copies(ctx, r.Lake, file.Partition, shared)
			if err != nil {
				return nil, err
			}
			for q := range copies {
				marks[q] = true
			}
		}
	}
	return calls, nil
}

// ofAccess adds the days of the queries that Lake Formation gave access to a
// table, of any account: its own day and the one before.
func (r *run) ofAccess(ctx context.Context, access []athenatrail.DataAccess, marks days) error {
	type place struct {
		on     athenatrail.Date
		region string
	}
	ids := map[place]map[string]bool{}
	for i := range access {
		a := &access[i]
		for _, on := range []athenatrail.Date{a.Home.Date - 1, a.Home.Date} {
			at := place{on, a.Home.Region}
			if ids[at] == nil {
				ids[at] = map[string]bool{}
			}
			ids[at][a.QueryExecutionID] = true
		}
	}
	type event struct {
		ID string `parquet:"query_execution_id,optional"`
	}
	for at, ids := range ids {
		for file, err := range lake.Partitions(ctx, r.Lake, lake.Events, at.on, at.on+1) {
			if err != nil {
				return err
			}
			if file.Region != at.region || marks[file.Partition] {
				continue
			}
			for e, err := range lake.ReadAs[event](ctx, r.Lake, lake.Events, file.Partition) {
				if err != nil {
					return err
				}
				if e.ID != "" && ids[e.ID] {
					marks[file.Partition] = true
					break
				}
			}
		}
	}
	return nil
}
