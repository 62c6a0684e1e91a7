package collect

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// A sparkID is a session or a calculation of Athena for Apache Spark.
type sparkID struct{ kind, id string }

// historyDays is how far before a call Athena may say that its session started,
// for the answer to lie on that day.
const historyDays = 45

// lackingSpark returns the sessions and calculations of a day that no settled
// detail answers: those that were started on it, in the trail or as Athena says,
// and the sessions that its events name and that the trail does not show the
// start of.
func (r *run) lackingSpark(ctx context.Context, p athenatrail.Partition) ([]athenaapi.Wanted, error) {
	named, err := r.namedSessions(ctx, p)
	if err != nil {
		return nil, err
	}
	wanted := map[sparkID]athenaapi.Wanted{}
	for h, err := range lake.ReadAs[held](ctx, r.Lake, lake.Details, p) {
		if err != nil {
			return nil, err
		}
		if h.Kind != athenatrail.KindQueryExecution && h.Outcome == athenatrail.OutcomeAnswered && !h.Final && !h.Submitted.IsZero() {
			wanted[sparkID{h.Kind, h.ID}] = athenaapi.Wanted{Kind: h.Kind, ID: h.ID, Started: h.Submitted}
		}
	}
	if len(named) == 0 && len(wanted) == 0 {
		return nil, nil
	}
	want := func(kind, id, workGroup string, at time.Time) {
		key := sparkID{kind, id}
		if old, ok := wanted[key]; id != "" && (!ok || at.Before(old.Started)) {
			wanted[key] = athenaapi.Wanted{Kind: kind, ID: id, Started: at, WorkGroup: cmp.Or(workGroup, old.WorkGroup)}
		}
	}
	for d := p.Date - derive.SessionDays; d <= p.Date; d++ {
		for e, err := range lake.Read(ctx, r.Lake, lake.SessionEvents, p.On(d)) {
			if err != nil {
				return nil, err
			}
			switch {
			case e.Name == "StartSession" && d < p.Date:
				delete(named, e.SessionID) // asked for on its own day
			case e.Name == "StartSession" && e.SessionID != "", e.Name == "StartCalculationExecution" && d == p.Date:
				record, err := cloudtrail.DecodeRecord(e.Record)
				if err != nil {
					return nil, err
				}
				if e.Name == "StartSession" {
					delete(named, e.SessionID)
					want(athenatrail.KindSession, e.SessionID, record.WorkGroup, e.Time)
				} else {
					want(athenatrail.KindCalculation, record.CalculationExecutionID, "", e.Time)
				}
			}
		}
	}
	for d := p.Date - derive.SessionDays; d <= p.Date+derive.SessionDays; d++ {
		if err := r.known(ctx, p.On(d), named, wanted); err != nil {
			return nil, err
		}
	}
	if len(named) > 0 {
		// Longer ago than deriving looks, and more seldom.
		for file, err := range lake.Partitions(ctx, r.Lake, lake.Details, p.Date-historyDays, p.Date-derive.SessionDays) {
			if err != nil {
				return nil, err
			}
			if file.Partition == p.On(file.Date) {
				if err := r.known(ctx, file.Partition, named, wanted); err != nil {
					return nil, err
				}
			}
		}
	}
	for id, at := range named {
		want(athenatrail.KindSession, id, "", at)
	}
	ids := make([]athenaapi.Wanted, 0, len(wanted))
	for _, w := range wanted {
		ids = append(ids, w)
	}
	slices.SortFunc(ids, func(a, b athenaapi.Wanted) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID))
	})
	return ids, nil
}

// known takes out of what is wanted what the details of a day settle, and out
// of the sessions that are only named those of which Athena told when they
// started: their own day asks for them.
func (r *run) known(ctx context.Context, p athenatrail.Partition, named map[string]time.Time, wanted map[sparkID]athenaapi.Wanted) error {
	for h, err := range lake.ReadAs[held](ctx, r.Lake, lake.Details, p) {
		if err != nil {
			return err
		}
		if h.Kind == athenatrail.KindQueryExecution {
			continue
		}
		settled := !athenatrail.GapIsOpen(athenatrail.GapOf(h.Outcome, h.Final))
		if settled {
			delete(wanted, sparkID{h.Kind, h.ID})
		}
		if h.Kind == athenatrail.KindSession && (settled || h.Outcome == athenatrail.OutcomeAnswered && !h.Submitted.IsZero()) {
			delete(named, h.ID)
		}
	}
	return nil
}

// namedSessions returns the sessions that a day's events name, with the time
// of the first that does.
func (r *run) namedSessions(ctx context.Context, p athenatrail.Partition) (map[string]time.Time, error) {
	type event struct {
		Session string    `parquet:"session_id,optional"`
		Time    time.Time `parquet:"event_time,timestamp(millisecond:local)"`
	}
	named := map[string]time.Time{}
	for e, err := range lake.ReadAs[event](ctx, r.Lake, lake.Events, p) {
		if err != nil {
			return nil, err
		}
		if at, ok := named[e.Session]; e.Session != "" && (!ok || e.Time.Before(at)) {
			named[e.Session] = e.Time
		}
	}
	return named, nil
}

// markBehind marks the days of sessions of which a row of the day tells less
// than the details that are held: a run was killed between these and its marks.
func (r *run) markBehind(ctx context.Context, p athenatrail.Partition) error {
	type session struct {
		ID  string `parquet:"session_id,optional"`
		Gap string `parquet:"gap,optional"`
	}
	type calculation struct {
		ID      string `parquet:"calculation_execution_id,optional"`
		Session string `parquet:"session_id,optional"`
		Gap     string `parquet:"gap,optional"`
	}
	rows := map[sparkID]athenatrail.SessionEvent{}
	gaps := map[sparkID]string{}
	for s, err := range lake.ReadAs[session](ctx, r.Lake, lake.Sessions, p) {
		if err != nil {
			return err
		}
		if athenatrail.GapIsOpen(s.Gap) {
			about := sparkID{athenatrail.KindSession, s.ID}
			rows[about], gaps[about] = athenatrail.SessionEvent{Home: p, SessionID: s.ID}, s.Gap
		}
	}
	for c, err := range lake.ReadAs[calculation](ctx, r.Lake, lake.Calculations, p) {
		if err != nil {
			return err
		}
		if athenatrail.GapIsOpen(c.Gap) {
			about := sparkID{athenatrail.KindCalculation, c.ID}
			rows[about], gaps[about] = athenatrail.SessionEvent{Home: p, SessionID: c.Session}, c.Gap
		}
	}
	if len(rows) == 0 {
		return nil
	}
	var behind []athenatrail.SessionEvent
	for d := p.Date - derive.SessionDays; d <= p.Date+derive.SessionDays; d++ {
		for h, err := range lake.ReadAs[held](ctx, r.Lake, lake.Details, p.On(d)) {
			if err != nil {
				return err
			}
			about := sparkID{h.Kind, h.ID}
			if e, ok := rows[about]; ok && tellsMore(athenatrail.GapOf(h.Outcome, h.Final), gaps[about]) {
				behind = append(behind, e)
			}
		}
	}
	if len(behind) == 0 {
		return nil
	}
	marks := days{p: true}
	if err := r.ofSessions(ctx, behind, marks); err != nil {
		return err
	}
	return r.setMarks(ctx, marks)
}

// tellsMore reports whether a detail that leaves a gap tells more than a row
// with an open one.
func tellsMore(held, row string) bool {
	switch held {
	case "":
		return true
	case athenatrail.GapPending, athenatrail.GapExpired:
		return row != athenatrail.GapPending
	}
	return row == athenatrail.GapNoDetail && held != row
}

// sparkMarks adds the days that derive from what Athena said of sessions and
// calculations: those of the session's other calculations too, because they
// share its cost, and that on which it started as Athena says, where its row is
// if the trail does not show the start.
func (r *run) sparkMarks(ctx context.Context, details []athenatrail.Detail, marks days) error {
	var about []athenatrail.SessionEvent
	for i := range details {
		d := &details[i]
		switch d.Kind {
		case athenatrail.KindSession:
			about = append(about, athenatrail.SessionEvent{Home: d.Home, SessionID: d.ID})
		case athenatrail.KindCalculation:
			var answer struct{ SessionId string }
			// Without an answer only the day of the call is concerned.
			if json.Unmarshal([]byte(d.Answer), &answer) == nil && answer.SessionId != "" {
				about = append(about, athenatrail.SessionEvent{Home: d.Home, SessionID: answer.SessionId})
			}
		}
	}
	return r.ofSessions(ctx, about, marks)
}
