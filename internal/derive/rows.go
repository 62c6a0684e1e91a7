package derive

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/tool"
)

// Usage is what a partition's rows sum up to.
type Usage struct {
	Rollup []athenatrail.UsageRollup // by its key
	Tables []athenatrail.TableRollup // by table and key
}

// Tables returns the partition's rows: executions by submission, query
// execution id and event id, and what they and its sessions sum up to. See
// [Day.Executions] for days that are too large to be held as rows.
func (d *Day) Tables() ([]athenatrail.QueryExecution, Usage) {
	var rows []athenatrail.QueryExecution
	usage, _ := d.Executions(func(row *athenatrail.QueryExecution) error {
		rows = append(rows, *row)
		return nil
	})
	return rows, usage
}

// Executions calls f with each execution's row, in the order of [Day.Tables],
// and returns what they sum up to. The row is f's until it returns. An error
// of f ends it.
func (d *Day) Executions(f func(*athenatrail.QueryExecution) error) (Usage, error) {
	usage, tables := rollup{}, tableRollup{}
	for _, h := range d.halves() {
		row, at := d.row(h)
		usage.add(&row, at)
		tables.add(&row, at)
		if err := f(&row); err != nil {
			return Usage{}, err
		}
	}
	d.sparkUsage(usage)
	return Usage{usage.rows(), tables.rows()}, nil
}

// halves are the two parts of a row, of which one may be missing.
type halves struct {
	start  *start
	detail *detail
}

// submitted returns the row's submission time: Athena's, else the start's.
func (h halves) submitted() int64 {
	if h.detail != nil && h.detail.submitted != 0 {
		return h.detail.submitted
	}
	if h.start != nil {
		return h.start.at
	}
	return 0
}

func (h halves) ids() (queryExecutionID, eventID string) {
	if h.start != nil {
		return h.start.queryExecutionID, h.start.eventID
	}
	return h.detail.id, ""
}

// halves returns what each row is made from, in the order of the rows.
func (d *Day) halves() []halves {
	all := make([]halves, 0, len(d.starts)+len(d.failed))
	for key, s := range d.starts {
		all = append(all, halves{s, d.details[key]})
	}
	for _, s := range d.failed {
		all = append(all, halves{s, nil})
	}
	for key, det := range d.details {
		if d.withoutEvent(key, det) {
			all = append(all, halves{nil, det})
		}
	}
	slices.SortFunc(all, func(a, b halves) int {
		if c := cmp.Compare(a.submitted(), b.submitted()); c != 0 {
			return c
		}
		aID, aEvent := a.ids()
		bID, bEvent := b.ids()
		return cmp.Or(strings.Compare(aID, bID), strings.Compare(aEvent, bEvent))
	})
	return all
}

// withoutEvent reports whether a detail is a row of its own: Athena knows the
// execution, it lies on this day, and no day around has its start.
func (d *Day) withoutEvent(key id, det *detail) bool {
	if !det.answered() || det.on != d.partition.Date || det.submitted == 0 {
		return false
	}
	_, earlier := d.earlier[key]
	_, beside := d.beside[key]
	return !earlier && !beside && d.starts[key] == nil
}

// row makes a row, and tells the time that it counts for: its start's, or
// without one its submission's.
func (d *Day) row(h halves) (athenatrail.QueryExecution, time.Time) {
	row := athenatrail.QueryExecution{
		AccountID:          d.partition.Account,
		RegionName:         d.partition.Region,
		SubmissionDateTime: time.UnixMilli(h.submitted()).UTC(),
	}
	at := row.SubmissionDateTime
	row.QueryExecutionID, row.EventID = h.ids()
	if s := h.start; s != nil {
		at = s.time()
		row.Who, row.Where, row.MFA = s.caller.Who, s.caller.Where, s.caller.MFA.pointer()
		row.WorkGroupName, row.CatalogName, row.DatabaseName = s.setting.workGroup, s.setting.catalog, s.setting.database
		row.ErrorCode, row.ErrorMessage = s.errorCode, s.errorMessage
		row.TextHash = s.textHash
		row.TextDt = d.textDay(s.textHash, d.partition.Date)
		row.Own = s.caller.own
	} else {
		row.Person, row.PersonKind = "unknown", athenatrail.PersonUnknown
		row.PersonSource, row.Team = athenatrail.SourceNone, athenatrail.TeamUnassigned
	}
	row.Hour = int32(at.Hour())
	switch {
	case h.start == nil:
		row.Gap = athenatrail.GapNoEvent
	case h.start.queryExecutionID == "":
		row.Gap = athenatrail.GapNotStarted
	default:
		row.Gap = h.detail.gap()
	}
	if det := h.detail; det.answered() {
		d.addDetail(&row, det)
	}
	var note *annotation.Note
	t := d.text(row.TextHash)
	if t != nil {
		note, row.Probe = t.note, t.probe
	}
	d.addTables(&row, t)
	if h.start == nil {
		with := tool.Of(&athenatrail.Record{}, note)
		row.Tool, row.ToolDetail = with.Name, with.Detail
	}
	row.Team = d.team(&caller{Who: row.Who, Where: row.Where}, row.WorkGroupName)
	return row, at
}

// addDetail fills in what Athena's answer says, which goes before what the
// event said.
func (d *Day) addDetail(row *athenatrail.QueryExecution, det *detail) {
	in := det.setting
	row.WorkGroupName = cmp.Or(in.workGroup, row.WorkGroupName)
	row.CatalogName = cmp.Or(in.catalog, row.CatalogName)
	row.DatabaseName = cmp.Or(in.database, row.DatabaseName)
	row.StatementType, row.SubstatementType, row.EngineVersion = in.statementType, in.substatement, in.engineVersion
	if det.textHash != "" {
		row.TextHash = det.textHash
		row.TextDt = d.textDay(det.textHash, det.on)
	}
	if det.completed != 0 {
		row.CompletionDateTime = time.UnixMilli(det.completed).UTC()
	}
	row.State, row.StateChangeReason = in.state, det.reason
	if e := det.failed; e != nil {
		row.ErrorCategory, row.ErrorType = e.category, e.kind
		row.ErrorMessage = cmp.Or(row.ErrorMessage, e.message)
	}

	row.DataScannedBytes = det.scanned.pointer()
	row.EngineMillis = det.engine.pointer()
	row.QueueMillis = det.queue.pointer()
	row.PlanningMillis = det.planning.pointer()
	row.ServiceMillis = det.service.pointer()
	row.TotalMillis = det.total.pointer()
	row.DPUCount = det.dpus
	row.ReusedResult = det.reused.pointer()

	cost := d.settings.Prices.Statement(price.Execution{
		Region:           d.partition.Region,
		Day:              d.partition.Date,
		State:            in.state,
		StatementType:    in.statementType,
		SubstatementType: in.substatement,
		ScannedBytes:     row.DataScannedBytes,
		Reused:           row.ReusedResult,
		DPUCount:         det.dpus,
	})
	row.BilledBytes, row.Cost, row.Currency, row.CostBasis = cost.BilledBytes, cost.Amount, cost.Currency, cost.Basis
}
