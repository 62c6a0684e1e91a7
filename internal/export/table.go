package export

import (
	"context"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// reach is by how many days a row's time may lie off its partition's: a row
// lies on the day of its first event, and its time is Athena's.
const reach = 1

// A table is a table of the lake, as it is exported.
type table struct {
	name    string
	dataset lake.Dataset
	columns []Column

	// rows yields pointers to rows of a partition. Need names the columns
	// that will be looked at beside those of place; nil is all.
	rows func(ctx context.Context, l *lake.Lake, p athenatrail.Partition, need map[string]bool) iter.Seq2[any, error]

	// place finds a row's time and key.
	place func(row any) place
}

// A place is what orders a row.
type place struct {
	at                           time.Time
	id, eventID, account, region string
	gap                          string
	text                         textKey // of its SQL; zero if it has none
}

// A textKey names a SQL text of the lake.
type textKey struct{ account, region, day, hash string }

func (k textKey) isZero() bool { return k.hash == "" }

// Queries is the table that is exported unless another is named.
const Queries = "query_executions"

var tables = []*table{
	{
		name:    Queries,
		dataset: lake.QueryExecutions,
		columns: append(columnsOf(reflect.TypeFor[athenatrail.QueryExecution]()), sqlColumn),
		rows:    queryRows,
		place: func(row any) place {
			q := row.(*athenatrail.QueryExecution)
			p := place{at: q.SubmissionDateTime, id: q.QueryExecutionID, eventID: q.EventID, account: q.AccountID, region: q.RegionName, gap: q.Gap}
			if q.TextHash != "" && q.TextDt != "" {
				p.text = textKey{q.AccountID, q.RegionName, q.TextDt, q.TextHash}
			}
			return p
		},
	},
	{
		name:    "sessions",
		dataset: lake.Sessions,
		columns: columnsOf(reflect.TypeFor[athenatrail.Session]()),
		rows:    allColumns(lake.Sessions),
		place: func(row any) place {
			s := row.(*athenatrail.Session)
			return place{at: s.StartedAt, id: s.SessionID, eventID: s.EventID, account: s.AccountID, region: s.RegionName, gap: s.Gap}
		},
	},
	{
		name:    "calculations",
		dataset: lake.Calculations,
		columns: columnsOf(reflect.TypeFor[athenatrail.Calculation]()),
		rows:    allColumns(lake.Calculations),
		place: func(row any) place {
			c := row.(*athenatrail.Calculation)
			return place{at: c.SubmittedAt, id: c.CalculationExecutionID, eventID: c.EventID, account: c.AccountID, region: c.RegionName, gap: c.Gap}
		},
	},
	{
		name:    "activity",
		dataset: lake.Activity,
		columns: columnsOf(reflect.TypeFor[athenatrail.Activity]()),
		rows:    allColumns(lake.Activity),
		place: func(row any) place {
			a := row.(*athenatrail.Activity)
			return place{at: a.EventTime, id: a.EventID, eventID: a.QueryExecutionID, account: a.AccountID, region: a.RegionName}
		},
	},
}

// Tables returns the names of the tables that can be exported.
func Tables() []string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.name
	}
	return names
}

func tableOf(name string) (*table, error) {
	if name == "" {
		name = Queries
	}
	for _, t := range tables {
		if t.name == name {
			return t, nil
		}
	}
	return nil, usagef("table %q: want %s", name, oneOf(Tables()))
}

// oneOf joins names as a sentence does.
func oneOf(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// allColumns reads every column of a table.
func allColumns[T any](t *lake.Table[T]) func(context.Context, *lake.Lake, athenatrail.Partition, map[string]bool) iter.Seq2[any, error] {
	return func(ctx context.Context, l *lake.Lake, p athenatrail.Partition, _ map[string]bool) iter.Seq2[any, error] {
		return func(yield func(any, error) bool) {
			for row, err := range lake.ReadTable(ctx, l, t, p) {
				if !yield(row, err) {
					return
				}
			}
		}
	}
}

// fewColumns are the columns of query executions that the tracker's and
// AthenaMetrics' files are made of. The others are then not even decompressed.
type fewColumns struct {
	QueryExecutionID   string    `parquet:"query_execution_id,optional"`
	AccountID          string    `parquet:"account_id"`
	RegionName         string    `parquet:"region_name"`
	EventID            string    `parquet:"event_id,optional"`
	Gap                string    `parquet:"gap,optional"`
	Person             string    `parquet:"person"`
	WorkGroupName      string    `parquet:"work_group_name,optional"`
	DatabaseName       string    `parquet:"database_name,optional"`
	TextHash           string    `parquet:"text_hash,optional"`
	TextDt             string    `parquet:"text_dt,optional"`
	SubmissionDateTime time.Time `parquet:"submission_date_time,timestamp(millisecond:local)"`
	CompletionDateTime time.Time `parquet:"completion_date_time,optional,timestamp(millisecond:local)"`
	State              string    `parquet:"state,optional"`
	DataScannedBytes   *int64    `parquet:"data_scanned_bytes,optional"`
	EngineMillis       *int64    `parquet:"engine_ms,optional"`
}

// few names the columns of fewColumns.
var few = func() []string {
	var names []string
	for _, c := range columnsOf(reflect.TypeFor[fewColumns]()) {
		names = append(names, c.Name)
	}
	return names
}()

func queryRows(ctx context.Context, l *lake.Lake, p athenatrail.Partition, need map[string]bool) iter.Seq2[any, error] {
	enough := need != nil
	for name := range need {
		enough = enough && slices.Contains(few, name)
	}
	if !enough {
		return allColumns(lake.QueryExecutions)(ctx, l, p, need)
	}
	return func(yield func(any, error) bool) {
		for f, err := range lake.ReadAs[fewColumns](ctx, l, lake.QueryExecutions, p) {
			if err != nil {
				yield(nil, err)
				return
			}
			row := &athenatrail.QueryExecution{
				QueryExecutionID: f.QueryExecutionID, AccountID: f.AccountID, RegionName: f.RegionName, EventID: f.EventID, Gap: f.Gap,
				WorkGroupName: f.WorkGroupName, DatabaseName: f.DatabaseName, TextHash: f.TextHash, TextDt: f.TextDt,
				SubmissionDateTime: f.SubmissionDateTime, CompletionDateTime: f.CompletionDateTime, State: f.State,
				DataScannedBytes: f.DataScannedBytes, EngineMillis: f.EngineMillis,
			}
			row.Person = f.Person
			if !yield(row, nil) {
				return
			}
		}
	}
}
