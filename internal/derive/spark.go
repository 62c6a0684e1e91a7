package derive

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/tool"
)

// SessionDays is for how many days after its start a session of Athena for
// Apache Spark is followed, and so how far a call's session may have begun
// before it.
const SessionDays = 7

// Names of the events of a session's life.
const (
	startSession     = "StartSession"
	endSession       = "TerminateSession"
	startCalculation = "StartCalculationExecution"
	stopCalculation  = "StopCalculationExecution"
)

// spark is what the day and those around it hold of Athena for Apache Spark.
// There are few sessions, so that records are kept whole.
type spark struct {
	starts  map[string]*sparkEvent // by session id; those without one by event id
	ends    map[string]*sparkEvent // by session id: the first TerminateSession that was taken
	calcs   map[string]*sparkEvent // by calculation id; those without one by event id
	stops   map[string]*sparkEvent // by calculation id
	details map[sparkKey]*sparkDetail
}

type sparkEvent struct {
	id     string
	on     athenatrail.Date
	record *athenatrail.Record
}

type sparkKey struct{ kind, id string }

func newSpark() spark {
	return spark{
		starts: map[string]*sparkEvent{}, ends: map[string]*sparkEvent{}, calcs: map[string]*sparkEvent{}, stops: map[string]*sparkEvent{},
		details: map[sparkKey]*sparkDetail{},
	}
}

// keep keeps the earliest of the events that are about one thing.
func keep(events map[string]*sparkEvent, key string, e *sparkEvent) {
	if old := events[key]; old == nil || before(e.record.EventTime.UnixMilli(), e.id, old.record.EventTime.UnixMilli(), old.id) {
		events[key] = e
	}
}

// Session takes an event of a session's life, from the partition's day and
// [SessionDays] before and after. It returns the hash of the key that the
// caller had if only the issue of that key may tell who it was: [Day.Issued]
// should then be given it, as of the event's day.
func (d *Day) Session(e *athenatrail.SessionEvent) (accessKeyHash string, err error) {
	if off := e.Home.Date - d.partition.Date; off < -SessionDays || off > SessionDays {
		return "", nil
	}
	r, err := cloudtrail.DecodeRecord(e.Record)
	if err != nil {
		return "", fmt.Errorf("session event %q of %s: %w", e.ID, e.Home, err)
	}
	kept := &sparkEvent{e.ID, e.Home.Date, &r}
	switch e.Name {
	case startSession:
		keep(d.spark.starts, cmp.Or(e.SessionID, e.ID), kept)
		if e.SessionID != "" && e.Home.Date <= d.partition.Date {
			s := d.spark.starts[e.SessionID]
			d.known.started[e.SessionID] = &identity.SessionStart{EventID: s.id, Record: s.record}
		}
	case endSession:
		if e.SessionID == "" || r.ErrorCode != "" {
			return "", nil
		}
		keep(d.spark.ends, e.SessionID, kept)
	case startCalculation:
		keep(d.spark.calcs, cmp.Or(r.CalculationExecutionID, e.ID), kept)
	case stopCalculation:
		if r.CalculationExecutionID == "" || r.ErrorCode != "" {
			return "", nil
		}
		keep(d.spark.stops, r.CalculationExecutionID, kept)
	}
	switch who, _ := identity.Resolve(&r, nil, nil, d.settings.Identity); who.PersonSource {
	case athenatrail.SourceRole, athenatrail.SourceService, athenatrail.SourceNone, athenatrail.SourceFederatedUser:
		return who.AccessKeyHash, nil
	}
	return "", nil
}

// A sparkDetail is what is kept of what Athena said of a session or a
// calculation.
type sparkDetail struct {
	*athenatrail.Detail
	session     sessionAnswer
	calculation calculationAnswer
}

// What is read of GetSession's and GetCalculationExecution's answers (Athena
// API reference).
type (
	sessionAnswer struct {
		WorkGroup, EngineVersion, Description string
		EngineConfiguration                   struct {
			CoordinatorDpuSize, MaxConcurrentDpus, DefaultExecutorDpuSize number
			AdditionalConfigs                                             struct{ NotebookId string }
		}
		SessionConfiguration struct {
			ExecutionRole                                   string
			IdleTimeoutSeconds, SessionIdleTimeoutInMinutes number
		}
		Status struct {
			StartDateTime, EndDateTime, IdleSinceDateTime instant
			State, StateChangeReason                      string
		}
		Statistics struct{ DpuExecutionInMillis number }
	}
	calculationAnswer struct {
		SessionId, Description string
		Status                 struct {
			SubmissionDateTime, CompletionDateTime instant
			State, StateChangeReason               string
		}
		Statistics struct {
			DpuExecutionInMillis number
			Progress             string
		}
	}
)

// SparkDetail takes what Athena said of a session or a calculation, from the
// facts of the partition's day and [SessionDays] before and after. Details of
// executions are passed over.
func (d *Day) SparkDetail(det *athenatrail.Detail) {
	if off := det.Home.Date - d.partition.Date; off < -SessionDays || off > SessionDays {
		return
	}
	key := sparkKey{det.Kind, det.ID}
	if old := d.spark.details[key]; old != nil {
		if c := cmp.Or(
			cmp.Compare(rankOf(det), rankOf(old.Detail)),
			cmp.Compare(old.Home.Date, det.Home.Date),
			strings.Compare(det.Answer, old.Answer),
		); c <= 0 {
			return
		}
	}
	kept := &sparkDetail{Detail: det}
	// As with executions: a member in another form costs no other.
	switch det.Kind {
	case athenatrail.KindSession:
		_ = json.Unmarshal([]byte(det.Answer), &kept.session)
	case athenatrail.KindCalculation:
		_ = json.Unmarshal([]byte(det.Answer), &kept.calculation)
	default:
		return
	}
	d.spark.details[key] = kept
}

func (s *spark) session(id string) *sparkDetail {
	return s.details[sparkKey{athenatrail.KindSession, id}]
}

func (s *spark) calculation(id string) *sparkDetail {
	return s.details[sparkKey{athenatrail.KindCalculation, id}]
}

// answered reports whether Athena said anything.
func (s *sparkDetail) answered() bool {
	return s != nil && s.Outcome == athenatrail.OutcomeAnswered
}

// gap returns why a row with that detail is not complete, or "".
func (s *sparkDetail) gap() string {
	if s == nil {
		return athenatrail.GapOf("", false)
	}
	return athenatrail.GapOf(s.Outcome, s.Final)
}

// withoutEvent returns the gap of a row that Athena alone tells of: its answer
// may still change, and then it is to be asked for again.
func (s *sparkDetail) withoutEvent() string {
	if gap := s.gap(); athenatrail.GapIsOpen(gap) {
		return gap
	}
	return athenatrail.GapNoEvent
}

// begun returns when Athena says that a session started or a calculation was
// submitted; the zero time if it does not.
func (s *sparkDetail) begun() time.Time {
	return cmp.Or(s.session.Status.StartDateTime.time(), s.calculation.Status.SubmissionDateTime.time(), s.SubmittedAt)
}

// Spark returns the partition's sessions and calculations, each by their ids
// and event ids. Facts must have been given before.
func (d *Day) Spark() ([]athenatrail.Session, []athenatrail.Calculation) {
	var sessions []athenatrail.Session
	for _, key := range slices.Sorted(maps.Keys(d.spark.starts)) {
		if e := d.spark.starts[key]; e.on == d.partition.Date {
			sessions = append(sessions, d.session(e.record.SessionID, e))
		}
	}
	var calcs []athenatrail.Calculation
	for _, key := range slices.Sorted(maps.Keys(d.spark.calcs)) {
		if e := d.spark.calcs[key]; e.on == d.partition.Date {
			calcs = append(calcs, d.calculation(e.record.CalculationExecutionID, e))
		}
	}
	// What Athena knows and the trail does not lies on the day that Athena says.
	// A fact that lies elsewhere is of a time that was not believed.
	for _, det := range d.spark.details {
		if !det.answered() || det.Home.Date != d.partition.Date || athenatrail.DateOf(det.begun()) != d.partition.Date {
			continue
		}
		switch {
		case det.Kind == athenatrail.KindSession && d.spark.starts[det.ID] == nil:
			sessions = append(sessions, d.session(det.ID, nil))
		case det.Kind == athenatrail.KindCalculation && d.spark.calcs[det.ID] == nil:
			calcs = append(calcs, d.calculation(det.ID, nil))
		}
	}
	slices.SortFunc(sessions, func(a, b athenatrail.Session) int {
		return cmp.Or(strings.Compare(a.SessionID, b.SessionID), strings.Compare(a.EventID, b.EventID))
	})
	slices.SortFunc(calcs, func(a, b athenatrail.Calculation) int {
		return cmp.Or(strings.Compare(a.CalculationExecutionID, b.CalculationExecutionID), strings.Compare(a.EventID, b.EventID))
	})
	return sessions, calcs
}

// callerOf returns who made a call and with what.
func (d *Day) callerOf(r *athenatrail.Record) (athenatrail.Who, *bool, athenatrail.Where) {
	who, mfa := identity.Resolve(r, &d.known, nil, d.settings.Identity)
	from := where(r)
	with := tool.Of(r, nil)
	from.Tool, from.ToolDetail = with.Name, with.Detail
	return who, mfa, from
}

// nobody is who stands in a row that no event tells of.
func nobody() athenatrail.Who {
	return athenatrail.Who{
		Person: "unknown", PersonKind: athenatrail.PersonUnknown, PersonSource: athenatrail.SourceNone, Team: athenatrail.TeamUnassigned,
	}
}

// session makes the row of a session; start is nil where the trail lacks it.
func (d *Day) session(id string, start *sparkEvent) athenatrail.Session {
	row := athenatrail.Session{SessionID: bounded(id), AccountID: d.partition.Account, RegionName: d.partition.Region, Who: nobody()}
	det := d.spark.session(id)
	if start == nil {
		row.Gap = det.withoutEvent()
	} else {
		r := start.record
		row.Who, row.MFA, row.Where = d.callerOf(r)
		row.EventID, row.StartedAt, row.Hour = bounded(start.id), r.EventTime, int32(r.EventTime.Hour())
		row.WorkGroupName, row.NotebookID = bounded(r.WorkGroup), bounded(r.NotebookID)
		row.ErrorCode, row.ErrorMessage = bounded(r.ErrorCode), bounded(r.ErrorMessage)
		asked := askedFor(r)
		row.Description, row.ExecutionRole = bounded(asked.Description), bounded(asked.ExecutionRole)
		row.IdleTimeoutMinutes = asked.SessionIdleTimeoutInMinutes.int32()
		row.CoordinatorDPU = asked.EngineConfiguration.CoordinatorDpuSize.int32()
		row.MaxConcurrentDPU = asked.EngineConfiguration.MaxConcurrentDpus.int32()
		row.ExecutorDPU = asked.EngineConfiguration.DefaultExecutorDpuSize.int32()
		row.Gap = det.gap()
		if id == "" {
			row.Gap = athenatrail.GapNotStarted
		}
	}
	if end := d.spark.ends[id]; end != nil && id != "" {
		by, _, _ := d.callerOf(end.record)
		row.EndedBy, row.EndedEventID, row.EndedAt = by.Person, bounded(end.id), end.record.EventTime
		row.State = "TERMINATING"
	}
	row.Calculations = d.count(id, d.sessionDay(id, det))
	if det.answered() {
		d.addSession(&row, det)
	}
	row.Team = d.team(&caller{Who: row.Who, Where: row.Where}, row.WorkGroupName)
	return row
}

// addSession fills in what Athena says of a session, which goes before what
// the call that started it asked for.
func (d *Day) addSession(row *athenatrail.Session, det *sparkDetail) {
	s := &det.session
	row.WorkGroupName = cmp.Or(bounded(s.WorkGroup), row.WorkGroupName)
	row.NotebookID = cmp.Or(bounded(s.EngineConfiguration.AdditionalConfigs.NotebookId), row.NotebookID)
	row.ExecutionRole = cmp.Or(bounded(s.SessionConfiguration.ExecutionRole), row.ExecutionRole)
	row.EngineVersion = bounded(s.EngineVersion)
	row.Description = cmp.Or(bounded(s.Description), row.Description)
	row.StartedAt = cmp.Or(s.Status.StartDateTime.time(), cmp.Or(det.SubmittedAt, row.StartedAt))
	if row.EventID == "" {
		row.Hour = int32(row.StartedAt.Hour())
	}
	if end := s.Status.EndDateTime.time(); !end.IsZero() {
		row.EndedAt = end
	}
	row.IdleSince = s.Status.IdleSinceDateTime.time()
	if det.Final || row.State == "" {
		// What was said before the session was told to end is no news.
		row.State = cmp.Or(bounded(s.Status.State), det.State)
	}
	row.StateChangeReason = bounded(s.Status.StateChangeReason)
	timeout := s.SessionConfiguration.SessionIdleTimeoutInMinutes.int32()
	if seconds := s.SessionConfiguration.IdleTimeoutSeconds; timeout == nil && seconds.known && seconds.value >= 0 {
		timeout = number{seconds.value / 60, true}.int32()
	}
	row.IdleTimeoutMinutes = cmp.Or(timeout, row.IdleTimeoutMinutes)
	row.CoordinatorDPU = cmp.Or(s.EngineConfiguration.CoordinatorDpuSize.int32(), row.CoordinatorDPU)
	row.MaxConcurrentDPU = cmp.Or(s.EngineConfiguration.MaxConcurrentDpus.int32(), row.MaxConcurrentDPU)
	row.ExecutorDPU = cmp.Or(s.EngineConfiguration.DefaultExecutorDpuSize.int32(), row.ExecutorDPU)
	row.DPUMillis = s.Statistics.DpuExecutionInMillis.count().pointer()

	on := d.sessionDay(row.SessionID, det)
	cost := d.sessionCost(on, det)
	row.Cost, row.Currency, row.CostBasis = cost.Amount, cost.Currency, cost.Basis
	if used, all := d.used(row.SessionID, on); all && row.DPUMillis != nil && (used > 0 || row.NotebookID != "") {
		idle := max(0, *row.DPUMillis-used)
		row.IdleDPUMillis = &idle
		row.IdleCost = share(cost.Amount, idle, max(*row.DPUMillis, used))
	}
}

// sessionCost returns what a session cost. Of one that goes on nothing can be
// said yet.
func (d *Day) sessionCost(on athenatrail.Date, det *sparkDetail) price.Cost {
	if !det.Final {
		return price.Cost{}
	}
	return d.settings.Prices.Session(d.partition.Region, on, det.session.Statistics.DpuExecutionInMillis.count().pointer())
}

// calculation makes the row of a calculation; asked is nil where the trail
// lacks the call.
func (d *Day) calculation(id string, asked *sparkEvent) athenatrail.Calculation {
	row := athenatrail.Calculation{
		CalculationExecutionID: bounded(id), AccountID: d.partition.Account, RegionName: d.partition.Region, Who: nobody(),
	}
	det := d.spark.calculation(id)
	if asked == nil {
		row.Gap = det.withoutEvent()
	} else {
		r := asked.record
		row.Who, row.MFA, row.Where = d.callerOf(r)
		row.EventID, row.SubmittedAt, row.Hour = bounded(asked.id), r.EventTime, int32(r.EventTime.Hour())
		row.SessionID = bounded(r.SessionID)
		row.Description = bounded(askedFor(r).Description)
		row.ErrorCode, row.ErrorMessage = bounded(r.ErrorCode), bounded(r.ErrorMessage)
		row.Gap = det.gap()
		if id == "" {
			row.Gap = athenatrail.GapNotStarted
		}
	}
	if det.answered() {
		c := &det.calculation
		row.SessionID = cmp.Or(bounded(c.SessionId), row.SessionID)
		row.Description = cmp.Or(bounded(c.Description), row.Description)
		row.SubmittedAt = cmp.Or(c.Status.SubmissionDateTime.time(), cmp.Or(det.SubmittedAt, row.SubmittedAt))
		if asked == nil {
			row.Hour = int32(row.SubmittedAt.Hour())
		}
		row.CompletedAt = c.Status.CompletionDateTime.time()
		row.State, row.StateChangeReason = cmp.Or(bounded(c.Status.State), det.State), bounded(c.Status.StateChangeReason)
		row.Progress = bounded(c.Statistics.Progress)
		row.DPUMillis = c.Statistics.DpuExecutionInMillis.count().pointer()
	}
	if stop := d.spark.stops[id]; stop != nil && id != "" {
		by, _, _ := d.callerOf(stop.record)
		row.StoppedBy = by.Person
	}
	d.ofSession(&row)
	row.Team = d.team(&caller{Who: row.Who, Where: row.Where}, row.WorkGroupName)
	return row
}

// ofSession fills in what a calculation has of its session: where it ran, its
// part of the cost, and, if only Athena tells of the calculation, its human.
func (d *Day) ofSession(row *athenatrail.Calculation) {
	if row.SessionID == "" {
		return
	}
	if start := d.spark.starts[row.SessionID]; start != nil {
		row.WorkGroupName, row.NotebookID = bounded(start.record.WorkGroup), bounded(start.record.NotebookID)
		if row.EventID == "" {
			row.Who, row.MFA, _ = d.callerOf(start.record)
			row.PersonSource = athenatrail.SourceNotebookSession
		}
	}
	det := d.spark.session(row.SessionID)
	if !det.answered() {
		return
	}
	s := &det.session
	row.WorkGroupName = cmp.Or(bounded(s.WorkGroup), row.WorkGroupName)
	row.NotebookID = cmp.Or(bounded(s.EngineConfiguration.AdditionalConfigs.NotebookId), row.NotebookID)
	if dpu := s.Statistics.DpuExecutionInMillis.count().pointer(); dpu != nil && row.DPUMillis != nil {
		on := d.sessionDay(row.SessionID, det)
		calculation := d.spark.calculation(row.CalculationExecutionID)
		if !calculation.answered() || calculation.calculation.SessionId != row.SessionID || !within(calculation.Home.Date, on) || !within(d.partition.Date, on) {
			return // not among those that share the session's cost, or out of sight of them
		}
		used, _ := d.used(row.SessionID, on)
		cost := d.sessionCost(on, det)
		row.CostShare, row.Currency = share(cost.Amount, *row.DPUMillis, max(*dpu, used)), cost.Currency
	}
}

// hidden stands in records for what CloudTrail does not tell of notebooks.
const hidden = "HIDDEN_FOR_SECURITY_REASONS"

// An asked is what is read of what a call asked for.
type asked struct {
	Description, ExecutionRole  string
	SessionIdleTimeoutInMinutes number
	EngineConfiguration         struct{ CoordinatorDpuSize, MaxConcurrentDpus, DefaultExecutorDpuSize number }
}

// askedFor reads the parameters of a call that started something. Names there
// begin with a small letter, which encoding/json does not mind.
func askedFor(r *athenatrail.Record) (a asked) {
	_ = json.Unmarshal([]byte(r.RequestParameters), &a)
	if a.Description == hidden {
		a.Description = ""
	}
	return a
}

// time returns an instant as a time; the zero time if it is unknown.
func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(i)).UTC()
}
