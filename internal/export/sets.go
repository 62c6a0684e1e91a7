package export

import (
	"fmt"
	"sync"
	"time"

	"github.com/athenatrail/athenatrail"
)

// newYork is the zone of the tracker's times. A program without the zones'
// data has no such files to write: see [Run].
var newYork = sync.OnceValues(func() (*time.Location, error) { return time.LoadLocation("America/New_York") })

// trackerTime writes a time as the tracker does: Python's isoformat in New
// York, with daylight saving although its columns say EST.
func trackerTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	zone, err := newYork()
	if err != nil { // Run has looked
		zone = time.UTC
	}
	t = t.In(zone)
	if t.Nanosecond() != 0 {
		return t.Format("2006-01-02T15:04:05.000000-07:00")
	}
	return t.Format("2006-01-02T15:04:05-07:00")
}

// query makes a value of a column of query executions.
func query(value func(q *athenatrail.QueryExecution) any) func(any) any {
	return func(row any) any { return value(row.(*athenatrail.QueryExecution)) }
}

// orNull returns nil for what the lake has as NULL.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

func orNullPointer[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// trackerSet is that of github.com/victorshen858's
// AWS-automated-daily-athena-user-query-tracker: its header, its order, its
// names of files.
var trackerSet = set{
	name: Tracker,
	columns: []Column{
		// The tracker wrote when it ran. That would make other bytes of the
		// same hour each time, so it is the first moment at which the hour
		// could be reported.
		{Name: "LambdaRunTime(EST)", late: func(h Hour, _ any) any { return trackerTime(h.To) }},
		{Name: "Username", needs: []string{"person"}, value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.Person) })},
		{Name: "QueryStartTime(EST)", value: query(func(q *athenatrail.QueryExecution) any { return trackerTime(q.SubmissionDateTime) })},
		{Name: "QueryEndTime(EST)", needs: []string{"completion_date_time"}, value: query(func(q *athenatrail.QueryExecution) any { return trackerTime(q.CompletionDateTime) })},
		{Name: "Query", sql: true, late: func(_ Hour, sql any) any { return sql }},
		{Name: "QueryExecutionId", value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.QueryExecutionID) })},
		{Name: "Athena_Workgroup", needs: []string{"work_group_name"}, value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.WorkGroupName) })},
	},
	file: func(h Hour) string { return fmt.Sprintf("report_%04d_%02d_%02d_h%02d", h.Year, h.Month, h.Day, h.Hour) },
}

// metricsTime writes a time as AthenaMetrics does: Python's str of a time, in
// UTC.
func metricsTime(t time.Time) any {
	switch {
	case t.IsZero():
		return nil
	case t.Nanosecond() == 0:
		return t.UTC().Format("2006-01-02 15:04:05-07:00")
	}
	return t.UTC().Format("2006-01-02 15:04:05.000000-07:00")
}

// metricsSet is that of github.com/MoveInc/AthenaMetrics. Its files have no
// header; the names are those that its program gives the values.
var metricsSet = set{
	name: AthenaMetrics,
	columns: []Column{
		{Name: "queryid", value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.QueryExecutionID) })},
		{Name: "querydatabase", needs: []string{"database_name"}, value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.DatabaseName) })},
		{Name: "executiontime", kind: int64s, needs: []string{"engine_ms"}, value: query(func(q *athenatrail.QueryExecution) any { return orNullPointer(q.EngineMillis) })},
		{Name: "datascanned", kind: int64s, needs: []string{"data_scanned_bytes"}, value: query(func(q *athenatrail.QueryExecution) any { return orNullPointer(q.DataScannedBytes) })},
		{Name: "status", needs: []string{"state"}, value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.State) })},
		{Name: "submissiondatetime", value: query(func(q *athenatrail.QueryExecution) any { return metricsTime(q.SubmissionDateTime) })},
		{Name: "completiondatetime", needs: []string{"completion_date_time"}, value: query(func(q *athenatrail.QueryExecution) any { return metricsTime(q.CompletionDateTime) })},
	},
	file: func(Hour) string { return "athena_metrics" },
}
