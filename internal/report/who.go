package report

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/athenatrail/athenatrail"
)

// ErrNotFound is returned when the lake holds nothing of an id.
var ErrNotFound = errors.New("not found in the lake")

// minPrefix is the shortest beginning of an id that is looked for. It is what
// a table shows of a UUID.
const minPrefix = 8

// maxActivity bounds how many events and calculations of one id are returned.
const maxActivity = 1000

// A Who is everything that the tables hold of one query execution, of one
// session or calculation of Athena for Apache Spark, or of one event that
// belongs to none.
type Who struct {
	ID   string // the whole id: of what Kind says
	Kind string // WhoExecution, WhoSession, WhoCalculation or WhoEvent

	// Executions is the row of the query execution, or of the start that got
	// no id. It is empty when only events are known, and has more than one row
	// only if a trail was edited.
	Executions []Execution
	Text       *athenatrail.QueryText // nil when the SQL is not held

	// Sessions is the session that is asked about, or that the calculation ran
	// in; empty where the lake holds calls of one alone. Calculations are the
	// session's, oldest first and as many as there is room for, or the one that
	// is asked about.
	Sessions     []Session
	Calculations []Calculation

	// Activity is every event that names the id, oldest first, but for polls,
	// which are counted.
	Activity []athenatrail.Activity
	Polls    []Poll
	More     bool // there is more Activity
}

// An Execution is a row of query_executions and the day it lies on.
type Execution struct {
	athenatrail.QueryExecution
	Date athenatrail.Date
}

// What a [Who] is about.
const (
	WhoExecution   = "query execution"
	WhoSession     = "session"
	WhoCalculation = "calculation"
	WhoEvent       = "event"
)

// A Poll counts the calls of one kind by which a person or tool waited for an
// execution or read its result.
type Poll struct {
	EventName   string
	Person      string
	Count       int64
	First, Last time.Time
}

// pollNames are the calls that clients repeat for one execution, session or
// calculation.
const pollNames = "('GetQueryExecution', 'GetQueryResults', 'GetQueryResultsStream', 'GetQueryRuntimeStatistics', 'BatchGetQueryExecution', " +
	"'GetSession', 'GetSessionStatus', 'GetCalculationExecution', 'GetCalculationExecutionStatus', 'ListCalculationExecutions', 'ListExecutors')"

// Who returns what is known of the id of a query execution, a session, a
// calculation or an event, or of the only one that begins with at least eight given characters. It returns
// [ErrNotFound], or an error that is [ErrUsage] for a beginning that is too
// short or of several ids.
func (d *DB) Who(ctx context.Context, id string) (*Who, error) {
	w, err := d.who(ctx, strings.TrimSpace(id))
	if err != nil {
		return nil, fmt.Errorf("who %q: %w", id, err)
	}
	return w, nil
}

func (d *DB) who(ctx context.Context, id string) (*Who, error) {
	id, err := d.wholeID(ctx, id)
	if err != nil {
		return nil, err
	}
	// An event of an execution tells of the whole execution.
	events, err := readRows[athenatrail.Activity](ctx, d, "activity", "event_id = ? ORDER BY account_id, region_name, query_execution_id NULLS LAST LIMIT 1", id)
	if err != nil {
		return nil, err
	}
	w := &Who{ID: id, Kind: WhoExecution}
	eventID := ""
	if len(events) > 0 {
		eventID = id
		e := &events[0].row
		switch {
		case e.QueryExecutionID != "":
			w.ID = e.QueryExecutionID
		case e.CalculationExecutionID != "":
			return w, d.whoCalculation(ctx, w, e.CalculationExecutionID, id)
		case e.SessionID != "":
			return w, d.whoSession(ctx, w, e.SessionID, id)
		default:
			w.Kind = WhoEvent
			if w.Sessions, err = d.session(ctx, "event_id", id); err != nil { // a start that was refused
				return nil, err
			}
		}
	} else if done, err := d.whoSpark(ctx, w, id); done || err != nil {
		return w, err
	}
	executions, err := readRows[athenatrail.QueryExecution](ctx, d, "query_executions",
		"query_execution_id = ? OR event_id = ? ORDER BY submission_date_time, account_id, region_name, event_id", w.ID, id)
	if err != nil {
		return nil, err
	}
	for _, e := range executions {
		w.Executions, w.Kind = append(w.Executions, Execution{e.row, e.day}), WhoExecution
		if w.ID == id && e.row.QueryExecutionID != "" {
			w.ID = e.row.QueryExecutionID
		}
	}
	if err := d.events(ctx, w, "query_execution_id", eventID); err != nil {
		return nil, err
	}
	if len(w.Executions) > 0 {
		w.Text, err = d.text(ctx, w.Executions[0].QueryExecution)
	}
	return w, err
}

// events adds the events that name the id of w in a column, or are the named
// one.
func (d *DB) events(ctx context.Context, w *Who, column, eventID string) error {
	activity, err := readRows[athenatrail.Activity](ctx, d, "activity",
		"event_id = ? OR "+column+" = ? AND event_name NOT IN "+pollNames+
			fmt.Sprintf(" ORDER BY event_time, event_id, account_id, region_name LIMIT %d", maxActivity+1), eventID, w.ID)
	if err != nil {
		return err
	}
	if len(activity) > maxActivity {
		activity, w.More = activity[:maxActivity], true
	}
	for _, a := range activity {
		w.Activity = append(w.Activity, a.row)
	}
	return d.polls(ctx, w, column)
}

// wholeID finds the id that is meant.
func (d *DB) wholeID(ctx context.Context, id string) (string, error) {
	if len(id) < minPrefix {
		return "", usageError(fmt.Sprintf("want the id of a query execution, a session, a calculation or an event, or at least %d characters of one", minPrefix))
	}
	var parts []string
	var args []any
	for _, from := range [...][2]string{
		{"query_executions", "query_execution_id"}, {"query_executions", "event_id"}, {"activity", "query_execution_id"}, {"activity", "event_id"},
		{"sessions", "session_id"}, {"activity", "session_id"}, {"calculations", "calculation_execution_id"}, {"activity", "calculation_execution_id"},
	} {
		parts = append(parts, fmt.Sprintf("SELECT %s AS id FROM %s WHERE %s >= ? AND %s < ?", from[1], from[0], from[1], from[1]))
		args = append(args, id, id+beyondText)
	}
	rows, err := d.query(ctx, "SELECT DISTINCT id FROM ("+strings.Join(parts, " UNION ALL ")+") ORDER BY id LIMIT 6", args...)
	if err != nil {
		return "", oneLine(err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return "", oneLine(err)
		}
		if s == id {
			return s, nil
		}
		found = append(found, s)
	}
	if err := rows.Err(); err != nil {
		return "", oneLine(err)
	}
	switch {
	case len(found) == 0:
		return "", ErrNotFound
	case len(found) > 5:
		return "", usageError(fmt.Sprintf("many ids begin like that, %s for one: give more of it", found[0]))
	case len(found) > 1:
		return "", usageError(fmt.Sprintf("%d ids begin like that: %s", len(found), strings.Join(found, ", ")))
	}
	return found[0], nil
}

func (d *DB) polls(ctx context.Context, w *Who, column string) error {
	rows, err := d.query(ctx, `SELECT event_name, person, CAST(count(*) AS BIGINT), min(event_time), max(event_time)
FROM activity WHERE `+column+` = ? AND event_name IN `+pollNames+`
GROUP BY event_name, person ORDER BY min(event_time), event_name, person NULLS LAST`, w.ID)
	if err != nil {
		return oneLine(err)
	}
	defer rows.Close()
	for rows.Next() {
		var p Poll
		var person *string
		if err := rows.Scan(&p.EventName, &person, &p.Count, &p.First, &p.Last); err != nil {
			return oneLine(err)
		}
		if person != nil {
			p.Person = *person
		}
		w.Polls = append(w.Polls, p)
	}
	return oneLine(rows.Err())
}

// text returns the SQL of an execution, nil when the lake does not hold it.
func (d *DB) text(ctx context.Context, e athenatrail.QueryExecution) (*athenatrail.QueryText, error) {
	if e.TextHash == "" {
		return nil, nil
	}
	texts, err := readRows[athenatrail.QueryText](ctx, d, "query_texts",
		"text_hash = ? AND account_id = ? AND region_name = ? AND dt = TRY_CAST(? AS DATE) LIMIT 1", e.TextHash, e.AccountID, e.RegionName, e.TextDt)
	if err != nil || len(texts) == 0 {
		return nil, err
	}
	text := &texts[0].row
	text.Home = athenatrail.Partition{Date: texts[0].day, Account: e.AccountID, Region: e.RegionName}
	return text, nil
}

// A stored is a row of the lake and the day it lies on.
type stored[T any] struct {
	row T
	day athenatrail.Date
}

// readRows reads the rows of a table that rest, a condition and what may
// follow one, lets through.
func readRows[T any](ctx context.Context, d *DB, name, rest string, args ...any) ([]stored[T], error) {
	columns := tableNamed(name).columns
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	rows, err := d.query(ctx, "SELECT "+strings.Join(names, ", ")+", dt FROM "+name+" WHERE "+rest, args...)
	if err != nil {
		return nil, oneLine(err)
	}
	defer rows.Close()
	var list []stored[T]
	for rows.Next() {
		cells := make([]any, len(columns)+1)
		into := make([]any, len(cells))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, oneLine(err)
		}
		var s stored[T]
		v := reflect.ValueOf(&s.row).Elem()
		for i, c := range columns {
			if err := assign(v.FieldByIndex(c.field), cells[i]); err != nil {
				return nil, fmt.Errorf("table %s: column %s: %w", name, c.name, err)
			}
		}
		if day, ok := cells[len(columns)].(time.Time); ok {
			s.day = athenatrail.DateOf(day)
		}
		list = append(list, s)
	}
	return list, oneLine(rows.Err())
}

// assign sets a field from what the driver returned. NULL leaves it at zero.
func assign(field reflect.Value, v any) error {
	if v == nil {
		return nil
	}
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	switch v := v.(type) {
	case duckdb.Decimal:
		if field.Type() == reflect.TypeFor[athenatrail.Money]() && v.Scale == 9 && v.Value.IsInt64() {
			field.SetInt(v.Value.Int64())
			return nil
		}
	case []any:
		if field.Type() == reflect.TypeFor[[]string]() {
			for _, e := range v {
				s, _ := e.(string)
				field.Set(reflect.Append(field, reflect.ValueOf(s)))
			}
			return nil
		}
	case time.Time:
		if field.Type() == reflect.TypeFor[time.Time]() {
			field.Set(reflect.ValueOf(v.UTC()))
			return nil
		}
	default:
		if value := reflect.ValueOf(v); value.Type().AssignableTo(field.Type()) {
			field.Set(value)
			return nil
		}
	}
	return fmt.Errorf("a %T does not fit a %s", v, field.Type())
}
