// Package limit compares what people used with what they may use. A limit says
// whom it is for, what is measured, over which window, and how much is allowed:
//
//	Definition -> Compile -> Limits
//	Limits + Moment -> Meter <- Usage, TableUsage, Execution    what was used
//	                   Meter -> Report                          how things stand
//	Limits + time    -> Simulation <- the same                  what would have been done
//	Limits           -> Policy                                  what acting would need
//
// It reads no clock and no file: a [Meter] and a [Simulation] say which days
// they need, and whoever has the lake gives them the rows, in any order and
// split in any way. Nothing here acts on anything.
//
// What is counted: starts that were refused never are, nor athenatrail's own
// queries. A probe, such as a driver's SELECT 1, counts with what it scans and
// costs, but is no query and no failure. What is unknown is counted apart and
// never taken for nothing.
package limit

import (
	"time"

	"github.com/athenatrail/athenatrail"
)

// A Per says who has an amount of their own.
type Per string

// Values of Per.
const (
	PerPerson    Per = "person"
	PerTeam      Per = "team"
	PerWorkGroup Per = "work_group"
	PerAll       Per = "all" // everything that matches has the amount together
)

// A Mode says how much of what a limit asks for is done.
type Mode string

// Values of Mode.
const (
	Observe Mode = "observe" // it is computed and shown
	Warn    Mode = "warn"    // notifications are sent; check fails
	Enforce Mode = "enforce" // thresholds act
)

// A Limit is a checked [Definition].
type Limit struct {
	Name       string
	Per        Per
	Measure    Measure
	Window     Window
	Amount     Amount
	Thresholds []Threshold // by percent, then action
	Mode       Mode

	Cutoff      int64  // bytes that one query may scan, from a threshold that asks for it on
	AllowShared bool   // it may act upon a role that many use, as a whole
	AskForMore  string // how to; one line, or empty

	match  match
	exempt []exemption
	from   dataset
}

// An exemption takes what matches out of a limit until it ends.
type exemption struct {
	match  match
	until  time.Time // the first moment at which it no longer holds
	reason string
}

// Limits are compiled limits in the order of the configuration. They do not
// change and may be used by several goroutines.
type Limits struct {
	list    []*Limit
	protect *Protected
}

// All returns the limits in their order.
func (ls *Limits) All() []*Limit { return ls.list }

// Protected returns who is never acted upon.
func (ls *Limits) Protected() *Protected { return ls.protect }

// Named returns the limit with that name, or nil.
func (ls *Limits) Named(name string) *Limit {
	for _, l := range ls.list {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// Only returns those of the limits that keep says.
func (ls *Limits) Only(keep func(*Limit) bool) *Limits {
	kept := Limits{protect: ls.protect}
	for _, l := range ls.list {
		if keep(l) {
			kept.list = append(kept.list, l)
		}
	}
	return &kept
}

// Text says a limit in words: 5 TB in 7 days for each person.
func (l *Limit) Text() string {
	amount := l.Amount.String()
	switch l.Measure {
	case ScannedBytes:
		amount += " scanned"
	case DPUTime:
		amount += " of DPU time"
	case FailedShare:
		amount += " of queries failed"
	case QueryBytes:
		amount += " scanned by one query"
	}
	switch l.Per {
	case PerPerson:
		return amount + " " + l.Window.Text() + " for each person"
	case PerTeam:
		return amount + " " + l.Window.Text() + " for each team"
	case PerWorkGroup:
		return amount + " " + l.Window.Text() + " for each work group"
	}
	return amount + " " + l.Window.Text() + " for all together"
}

// A dataset is what of a lake can answer for a limit.
type dataset int

const (
	fromRollup     dataset = iota
	fromTables             // one table, which table_rollup has
	fromExecutions         // several tables: a query counts once, so its row is needed
)

// Usage is a row of usage_rollup, or several that were added up, with the
// columns that limits need.
type Usage struct {
	athenatrail.UsageKey

	Executions       int64             `parquet:"executions"`
	Known            int64             `parquet:"known"`
	Failed           int64             `parquet:"failed"`
	DataScannedBytes int64             `parquet:"data_scanned_bytes"`
	Cost             athenatrail.Money `parquet:"cost,decimal(9:18)"`
	DPUMillis        int64             `parquet:"dpu_ms"`
	MaxScannedBytes  int64             `parquet:"max_scanned_bytes"`
}

// TableUsage is the same of table_rollup. A query that reads a table and writes
// it has one row of the two.
type TableUsage struct {
	TableName string `parquet:"table_name"`

	Usage
}

// An Execution is a row of query_executions, with the columns that limits need.
type Execution struct {
	QueryExecutionID   string             `parquet:"query_execution_id,optional"`
	AccountID          string             `parquet:"account_id"`
	RegionName         string             `parquet:"region_name"`
	Gap                string             `parquet:"gap,optional"`
	Person             string             `parquet:"person"`
	PersonSource       string             `parquet:"person_source"`
	PersonKind         string             `parquet:"person_kind"`
	Team               string             `parquet:"team"`
	RoleName           string             `parquet:"role_name,optional"`
	Tool               string             `parquet:"tool,optional"`
	WorkGroupName      string             `parquet:"work_group_name,optional"`
	DatabaseName       string             `parquet:"database_name,optional"`
	QueryFingerprint   string             `parquet:"query_fingerprint,optional"`
	TablesAccessed     []string           `parquet:"tables_accessed,optional,list"`
	Probe              bool               `parquet:"probe"`
	Own                bool               `parquet:"own"`
	SubmissionDateTime time.Time          `parquet:"submission_date_time,timestamp(millisecond:local)"`
	State              string             `parquet:"state,optional"`
	DataScannedBytes   *int64             `parquet:"data_scanned_bytes,optional"`
	Cost               *athenatrail.Money `parquet:"cost,optional,decimal(9:18)"`
	Currency           string             `parquet:"currency,optional"`
	CostBasis          string             `parquet:"cost_basis,optional"`
}

// usage returns an execution as the roll-up would have it alone.
func (e *Execution) usage() Usage {
	u := Usage{UsageKey: athenatrail.UsageKey{
		Slot: e.SubmissionDateTime.Truncate(athenatrail.SlotLength), Kind: athenatrail.UsageSQL,
		Person: e.Person, PersonKind: e.PersonKind, PersonSource: e.PersonSource, Team: e.Team, RoleName: e.RoleName,
		AccountID: e.AccountID, RegionName: e.RegionName, WorkGroupName: e.WorkGroupName, Tool: e.Tool,
		DatabaseName: e.DatabaseName, State: e.State, Gap: e.Gap, CostBasis: e.CostBasis, Currency: e.Currency,
		Probe: e.Probe, Own: e.Own,
	}, Executions: 1}
	if e.DataScannedBytes != nil {
		u.Known, u.DataScannedBytes, u.MaxScannedBytes = 1, *e.DataScannedBytes, *e.DataScannedBytes
	}
	if e.Cost != nil {
		u.Cost = *e.Cost
	}
	if e.State == "FAILED" || e.Gap == athenatrail.GapNotStarted {
		u.Failed = 1
	}
	return u
}

// isUnfinished tells whether a gap is that of what Athena may still be running:
// it was not final when asked, or was not asked yet.
func isUnfinished(gap string) bool {
	return gap == athenatrail.GapPending || gap == athenatrail.GapNoDetail
}
