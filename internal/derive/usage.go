package derive

import (
	"slices"
	"time"

	"github.com/athenatrail/athenatrail"
)

// A rollup sums rows by their key. Its sums stop at the largest number there
// is instead of turning negative, which no order of the rows can change.
type rollup map[athenatrail.UsageKey]*athenatrail.UsageRollup

// maxCost is the largest amount that a DECIMAL(18,9) holds.
const maxCost = athenatrail.Money(999_999_999_999_999_999)

// add counts a row for the quarter hour of its start. Failed are the
// executions that Athena says failed and the starts that never became one.
func (u rollup) add(row *athenatrail.QueryExecution, at time.Time) {
	addRow(u.of(keyOf(row, at)), row)
}

// of returns the sums of a key.
func (u rollup) of(key athenatrail.UsageKey) *athenatrail.UsageRollup {
	r := u[key]
	if r == nil {
		r = &athenatrail.UsageRollup{UsageKey: key}
		u[key] = r
	}
	return r
}

func keyOf(row *athenatrail.QueryExecution, at time.Time) athenatrail.UsageKey {
	return athenatrail.UsageKey{
		Slot:          at.Truncate(athenatrail.SlotLength),
		Kind:          athenatrail.UsageSQL,
		Person:        row.Person,
		PersonKind:    row.PersonKind,
		PersonSource:  row.PersonSource,
		Team:          row.Team,
		RoleName:      row.RoleName,
		AccountID:     row.AccountID,
		RegionName:    row.RegionName,
		WorkGroupName: row.WorkGroupName,
		Tool:          row.Tool,
		DatabaseName:  row.DatabaseName,
		State:         row.State,
		Gap:           row.Gap,
		CostBasis:     row.CostBasis,
		Currency:      row.Currency,
		Probe:         row.Probe,
		Own:           row.Own,
	}
}

func addRow(r *athenatrail.UsageRollup, row *athenatrail.QueryExecution) {
	r.Executions++
	if b := row.DataScannedBytes; b != nil {
		r.Known++
		r.DataScannedBytes = sum(r.DataScannedBytes, *b)
		r.MaxScannedBytes = max(r.MaxScannedBytes, *b)
	}
	if row.State == "FAILED" || row.Gap == athenatrail.GapNotStarted {
		r.Failed++
	}
	if row.ReusedResult != nil && *row.ReusedResult {
		r.Reused++
	}
	if b := row.BilledBytes; b != nil {
		r.BilledBytes = sum(r.BilledBytes, *b)
	}
	if c := row.Cost; c != nil {
		r.Cost = min(athenatrail.Money(sum(int64(r.Cost), int64(*c))), maxCost)
	}
	if ms := row.TotalMillis; ms != nil {
		r.TotalMillis = sum(r.TotalMillis, *ms)
		*r.Latency(athenatrail.LatencyBucket(*ms))++
	}
}

// A tableRollup sums rows by the tables that they touched.
type tableRollup map[tableKey]*athenatrail.TableRollup

type tableKey struct {
	athenatrail.UsageKey
	table   string
	written bool
}

func (u tableRollup) add(row *athenatrail.QueryExecution, at time.Time) {
	for _, table := range row.TablesAccessed {
		_, written := slices.BinarySearch(row.TablesWritten, table)
		key := tableKey{keyOf(row, at), table, written}
		r := u[key]
		if r == nil {
			r = &athenatrail.TableRollup{TableName: table, Written: written, UsageRollup: athenatrail.UsageRollup{UsageKey: key.UsageKey}}
			u[key] = r
		}
		addRow(&r.UsageRollup, row)
	}
}

// rows returns the sums, by table and all columns of their key.
func (u tableRollup) rows() []athenatrail.TableRollup {
	rows := make([]athenatrail.TableRollup, 0, len(u))
	for _, r := range u {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b athenatrail.TableRollup) int {
		return a.Compare(&b)
	})
	return rows
}

// rows returns the sums, by all columns of their key.
func (u rollup) rows() []athenatrail.UsageRollup {
	rows := make([]athenatrail.UsageRollup, 0, len(u))
	for _, r := range u {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b athenatrail.UsageRollup) int { return a.UsageKey.Compare(&b.UsageKey) })
	return rows
}

// RollUp returns the roll-ups of executions of one day, each counted for the
// quarter hour of its submission, as a day's rows are.
func RollUp(rows []athenatrail.QueryExecution) Usage {
	usage, tables := rollup{}, tableRollup{}
	for i := range rows {
		usage.add(&rows[i], rows[i].SubmissionDateTime)
		tables.add(&rows[i], rows[i].SubmissionDateTime)
	}
	return Usage{usage.rows(), tables.rows()}
}
