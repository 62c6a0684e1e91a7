// Package systemtable asks Athena's own system table query_executions about
// executions, thousands in one statement, in the place of BatchGetQueryExecution
// with its 50 a call. What the table does not know is asked of the API: it has
// no row of an execution that has not ended, or that ended before the table was
// switched on, and nothing of Spark.
//
// AWS documents the table's main columns (Athena User Guide, "query_executions")
// and says that it has what GetQueryExecution answers; how each member of that
// answer is called as a column was not seen on AWS. So the columns that there
// are decide: their names are compared without case and underscores with the
// API's members and with this program's columns, flat or nested, and what is not
// there stays unknown.
package systemtable

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
)

// Source is the member of a detail's answer that says where it came from.
const Source = "system_table"

const (
	// idsAtOnce keeps a statement below the 262,144 bytes that Athena takes: an
	// id has 36 characters, and the literal around it four.
	idsAtOnce = 4000
	maxIDs    = 160_000 // bytes of ids in a statement

	// around is how far a submission may lie from the start event.
	around = 24 * time.Hour
)

// An Asker asks the system table first, and then the API.
type Asker struct {
	DB    *sql.DB // of the account and region
	Table string  // as SQL names it
	API   *athenaapi.Client

	// AtLeast is from how many ids on the table is asked: each statement takes
	// seconds and is charged ten megabytes at the least.
	AtLeast int

	// Warn is told, once for each Details, why the table was not asked.
	Warn func(error)
}

// Details yields an answer for each Wanted, as [athenaapi.Client.Details] does.
func (a *Asker) Details(ctx context.Context, now time.Time, wanted []athenaapi.Wanted) iter.Seq[athenaapi.Answer] {
	return func(yield func(athenaapi.Answer) bool) {
		var ask, rest []athenaapi.Wanted
		for _, w := range wanted {
			if (w.Kind == "" || w.Kind == athenatrail.KindQueryExecution) && plain(w.ID) && !w.Started.IsZero() {
				ask = append(ask, w)
			} else {
				rest = append(rest, w)
			}
		}
		if len(ask) < a.AtLeast || len(ask) == 0 {
			ask, rest = nil, wanted
		}
		slices.SortStableFunc(ask, func(x, y athenaapi.Wanted) int { return x.Started.Compare(y.Started) })
		var columns []string
		var failed error
		if len(ask) > 0 {
			columns, failed = a.columns(ctx)
		}
		for part := range chunks(ask) {
			found := map[string]athenaapi.Answer{}
			if failed == nil {
				failed = a.part(ctx, columns, part, found)
			}
			for _, w := range part {
				answer, ok := found[w.ID]
				if !ok {
					rest = append(rest, w)
				} else if !yield(answer) {
					return
				}
			}
		}
		if failed != nil && ctx.Err() == nil && a.Warn != nil {
			a.Warn(fmt.Errorf("the system table was not read, the API is asked: %w", failed))
		}
		if len(rest) == 0 {
			return
		}
		for answer := range a.API.Details(ctx, now, rest) {
			if !yield(answer) {
				return
			}
		}
	}
}

// plain tells whether an id needs nothing said about it in a literal.
func plain(id string) bool {
	return id != "" && len(id) <= 128 && strings.Trim(strings.ToLower(id), "0123456789abcdefghijklmnopqrstuvwxyz-_") == ""
}

func chunks(wanted []athenaapi.Wanted) iter.Seq[[]athenaapi.Wanted] {
	return func(yield func([]athenaapi.Wanted) bool) {
		from, size := 0, 0
		for i, w := range wanted {
			if i-from == idsAtOnce || size+len(w.ID)+4 > maxIDs {
				if !yield(wanted[from:i]) {
					return
				}
				from, size = i, 0
			}
			size += len(w.ID) + 4
		}
		if from < len(wanted) {
			yield(wanted[from:])
		}
	}
}

// columns returns what is to be selected: each column that is asked for, what
// is nested as JSON, since Athena writes a ROW as a text that cannot be read.
func (a *Asker) columns(ctx context.Context) (list []string, err error) {
	rows, err := a.DB.QueryContext(ctx, "SELECT * FROM "+a.Table+" WHERE false")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	has := false
	for _, c := range types {
		if !known(c.Name()) {
			continue
		}
		has = has || norm(c.Name()) == norm("QueryExecutionId")
		name := `"` + strings.ReplaceAll(c.Name(), `"`, `""`) + `"`
		kind, _, _ := strings.Cut(strings.ToLower(c.DatabaseTypeName()), "(")
		switch {
		case kind == "row" || kind == "array" || kind == "map" || kind == "struct":
			name = "json_format(CAST(" + name + " AS JSON)) AS " + name
		case strings.HasPrefix(kind, "timestamp"):
			name = "to_unixtime(" + name + ") AS " + name
		}
		list = append(list, name)
	}
	for rows.Next() { // to its end, of no rows
	}
	if !has {
		return nil, fmt.Errorf("%s has no column query_execution_id", a.Table)
	}
	return list, rows.Err()
}

// part asks for ids that started one after the other.
func (a *Asker) part(ctx context.Context, columns []string, part []athenaapi.Wanted, found map[string]athenaapi.Answer) error {
	wanted := map[string]athenaapi.Wanted{}
	var b strings.Builder
	moment := func(t time.Time) string { return "TIMESTAMP '" + t.UTC().Format("2006-01-02 15:04:05") + " UTC'" }
	fmt.Fprintf(&b, "SELECT %s FROM %s WHERE submission_date_time BETWEEN %s AND %s AND query_execution_id IN (", strings.Join(columns, ", "), a.Table,
		moment(part[0].Started.Add(-around)), moment(part[len(part)-1].Started.Add(around)))
	for i, w := range part {
		wanted[w.ID] = w
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("'" + w.ID + "'")
	}
	b.WriteString(")")
	rows, err := a.DB.QueryContext(ctx, b.String())
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		cells := make([]any, len(names))
		into := make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		execution := answerOf(names, cells)
		id, _ := execution["QueryExecutionId"].(string)
		w, asked := wanted[id]
		if _, twice := found[id]; !asked || twice {
			continue
		}
		raw, err := json.Marshal(execution)
		if err != nil {
			return err
		}
		// A row without a state tells too little: the API may tell more.
		if answer := a.API.Answer(w, raw); answer.Err == nil && answer.Detail.Final {
			found[id] = answer
		}
	}
	return rows.Err()
}
