package report

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// Beside the roll-ups, the rows of some tables are held as they are, for what
// asks for executions one by one, and each SQL text once:
//
//	query_executions   and its text_id, the number of its text
//	sessions
//	table_rollup       without what no view has
//	held_calls         of activity, what the page's Calls are
//	held_texts         the different texts, numbered
//	held_people        since when each human is known, by team
//	held_accesses      the first access of each to a database, likewise
//	held_touches       when each first and last touched a table, by day
//	held_files         of which files of the lake each day's rows were made
//	held_version       what the file holds, and how
//
// Findings ask who did something for the first time ever, and unused tables are
// those that nobody read: that is not looked for in all rows.
//
// Rows take ten times what the roll-ups take, and a file is replaced whole. So
// there are two: one of the last weeks, which follows the lake, and one of the
// days before, which changes once a week.

// A heldTable is a table whose rows are held.
type heldTable struct {
	table string
	as    string // what it is called where it is held
	where string // which of its rows
}

var heldRows = []heldTable{
	{"query_executions", "query_executions", "true"},
	{"sessions", "sessions", "true"},
	{"table_rollup", "table_rollup", "true"},
	{"activity", "held_calls", "(error_code IS NOT NULL OR " + isExecutor + " OR event_name IN ('CreateNotebook', 'ImportNotebook', 'UpdateNotebookMetadata', 'ExportNotebook'," +
		" 'DeleteNotebook', 'UpdateNotebook', 'CreatePresignedNotebookUrl', 'GetSessionEndpoint', 'StartCalculationExecution'))"},
}

// columns returns which of the table's columns are held.
func (h heldTable) columns() (names []string) {
	for _, c := range tableNamed(h.table).columns {
		if h.table == "table_rollup" && (strings.HasPrefix(c.name, "latency_") || c.name == "max_scanned_bytes" || c.name == "total_ms") {
			continue
		}
		names = append(names, c.name)
	}
	return names
}

// heldFirsts are made of a file's rows whenever they change. They have the
// columns that roles' rules and rankings are about.
var heldFirsts = []struct{ name, sql string }{
	{"held_people", "SELECT person, team, min(submission_date_time) AS since FROM held.query_executions WHERE person_kind = 'human' AND gap IS DISTINCT FROM 'not_started' GROUP BY person, team"},
	{"held_accesses", `SELECT account_id, region_name, database_accessed, person, person_kind, team, state, probe, own, min(submission_date_time) AS since,
    min_by(query_execution_id, {'at': submission_date_time, 'id': query_execution_id}) AS query_execution_id
FROM (SELECT *, unnest(databases_accessed) AS database_accessed FROM held.query_executions WHERE statement_type = 'DML' AND query_execution_id IS NOT NULL) AS accesses
GROUP BY account_id, region_name, database_accessed, person, person_kind, team, state, probe, own`},
	{"held_touches", `SELECT dt, table_name, account_id, region_name, person, person_kind, team, written, drops, probe, own,
    min(submission_date_time) AS first_touch, max(submission_date_time) AS last_touch
FROM (
    SELECT *, coalesce(contains(tables_written, table_name), false) AS written,
        coalesce(substatement_type, '') IN ('DROP_TABLE', 'DROP_VIEW') AND state = 'SUCCEEDED' AS drops
    FROM (SELECT *, unnest(tables_accessed) AS table_name FROM held.query_executions WHERE gap IS DISTINCT FROM 'not_started') AS touched
) AS touches
GROUP BY dt, table_name, account_id, region_name, person, person_kind, team, written, drops, probe, own ORDER BY dt`},
}

// heldRowsVersion is what a file of rows has to say of itself.
func heldRowsVersion() string {
	text := "rows 1"
	for _, t := range heldRows {
		text += " " + t.as + " " + strings.Join(t.columns(), " ") + " " + t.where
	}
	return text
}

// A heldPart is one of the two files of rows.
type heldPart struct {
	name      string // that it is attached by
	file      string
	firstText int64 // from where on it numbers texts
}

// heldParts returns the files of rows beside the file of roll-ups, that of the
// older days first.
func heldParts(file string) [2]heldPart {
	return [2]heldPart{{"held_old", file + ".old", 1}, {"held_new", file + ".new", 1 << 40}}
}

const (
	newDays     = 28 // of the newest file of rows, at least
	newDaysMost = 35 // at most

	// maxRowDays is how many changed days of rows [Hold] reads without being
	// told to take its time.
	maxRowDays = 16

	// rowsRun is how many days of rows are read from the lake at a time.
	rowsRun = 10
)

// Hold brings what is held of a lake up to date, in a file and those beside it
// whose names begin with its name, and reports whether it changed. What they
// hold of days whose files are still the same stays. A file that is not there,
// of another version or damaged is made anew. Files are replaced whole, so that
// others may read them meanwhile.
//
// Unless patient is set, the error is [ErrMuch] where more than some weeks of
// the lake would have to be read.
func Hold(ctx context.Context, lake, file string, zone *time.Location, patient bool) (changed bool, err error) {
	if zone == nil {
		zone = time.UTC
	}
	changed, err = holdUsage(ctx, lake, file, zone, patient)
	if err == nil {
		var more bool
		more, err = holdRows(ctx, lake, file, patient)
		changed = changed || more
	}
	if err != nil {
		return false, fmt.Errorf("hold roll-ups and rows of %s: %w", lake, err)
	}
	return changed, nil
}

// rowFiles returns, for each day with rows, a text that changes when the files
// do which they are made of. The text of an execution lies on its day or beside
// it.
func rowFiles(lake string) (map[athenatrail.Date]string, error) {
	days := map[athenatrail.Date]string{}
	for _, t := range heldRows {
		files, err := tableFiles(lake, "tables/"+t.table+"_*")
		if err != nil {
			return nil, err
		}
		for day, is := range files {
			days[day] += is
		}
	}
	texts, err := tableFiles(lake, "facts/query_texts")
	if err != nil {
		return nil, err
	}
	for day := range days {
		days[day] += texts[day-1] + "," + texts[day] + "," + texts[day+1]
	}
	return days, nil
}

// holdRows is [Hold] of rows.
func holdRows(ctx context.Context, lake, file string, patient bool) (changed bool, err error) {
	files, err := rowFiles(lake)
	if err != nil {
		return false, err
	}
	parts := heldParts(file)
	old, recent := map[athenatrail.Date]string{}, map[athenatrail.Date]string{}
	since, err := rowsSince(ctx, parts[1].file, files)
	if err != nil {
		return false, err
	}
	for day, is := range files {
		if day < since {
			old[day] = is
		} else {
			recent[day] = is
		}
	}
	of := [2]map[athenatrail.Date]string{old, recent}
	var days [2][]athenatrail.Date
	var kept [2]bool
	for i, part := range parts {
		if days[i], kept[i], err = heldDays(ctx, part.file, heldRowsVersion(), of[i]); err != nil {
			return false, err
		}
	}
	if len(days[0])+len(days[1]) > maxRowDays && !patient {
		return false, ErrMuch
	}
	for i, part := range parts {
		if kept[i] && len(days[i]) == 0 {
			continue
		}
		changed = true
		err := replaceHeld(part.file, kept[i], func(next string) error {
			return holdPart(ctx, lake, next, part, of[i], days[i], kept[i])
		})
		if err != nil {
			return false, err
		}
	}
	return changed, nil
}

// rowsSince returns the first day of the newest file of rows. It stays what it
// is until there are some weeks behind it, so that a day moves from one file to
// the other once.
func rowsSince(ctx context.Context, file string, files map[athenatrail.Date]string) (athenatrail.Date, error) {
	var last athenatrail.Date
	for day := range files {
		last = max(last, day)
	}
	had, err := heldFiles(ctx, file, heldRowsVersion())
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	first := last + 1
	for day := range had {
		first = min(first, day)
	}
	if err != nil || first > last-newDays+1 || first <= last-newDaysMost {
		first = last - newDays + 1
	}
	return first, nil
}

// holdPart brings one file of rows up to date.
func holdPart(ctx context.Context, lake, file string, part heldPart, files map[athenatrail.Date]string, days []athenatrail.Date, kept bool) error {
	d, err := start(ctx, lake, Options{MemoryLimit: "512MB", Threads: 1})
	if err != nil {
		return err
	}
	defer d.Close()
	d.db.SetMaxOpenConns(1) // temporary tables are of one connection
	h := &holder{ctx, d.db, time.UTC}
	if err := h.do("ATTACH %s AS held ", quote(filepath.ToSlash(file))); err != nil {
		return err
	}
	if !kept {
		if err := h.createRows(); err != nil {
			return err
		}
	}
	// One transaction writes whole groups of rows once, however many days they
	// are of.
	if err := h.do("BEGIN"); err != nil {
		return err
	}
	for rest := days; len(rest) > 0; {
		n := 1
		for n < len(rest) && n < rowsRun && rest[n] == rest[n-1]+1 && (files[rest[n]] == "") == (files[rest[0]] == "") {
			n++
		}
		if err := h.replaceRows(rest[:n], files, part.firstText); err != nil {
			return err
		}
		rest = rest[n:]
	}
	gone, err := h.db.ExecContext(ctx, "DELETE FROM held.held_texts WHERE text_id NOT IN (SELECT text_id FROM held.query_executions WHERE text_id IS NOT NULL)")
	if err != nil {
		return oneLine(err)
	}
	for _, t := range heldFirsts {
		if err := h.do("CREATE OR REPLACE TABLE held.%s AS %s", t.name, t.sql); err != nil {
			return err
		}
	}
	if err := h.all([]string{"COMMIT", "CHECKPOINT held"}); err != nil {
		return err
	}
	// DuckDB leaves what was deleted in the file until it needs the room, and a
	// text may be gone because it was to be forgotten.
	n, err := gone.RowsAffected()
	if err != nil || n == 0 || !kept {
		return errors.Join(err, h.do("DETACH held"))
	}
	anew := file + ".anew"
	defer os.Remove(anew)
	defer os.Remove(anew + ".wal")
	if err := h.all([]string{"ATTACH " + quote(filepath.ToSlash(anew)) + " AS anew", "COPY FROM DATABASE held TO anew", "DETACH anew", "DETACH held"}); err != nil {
		return err
	}
	return os.Rename(anew, file)
}

func (h *holder) createRows() error {
	statements := []string{
		"CREATE TABLE held.held_version AS SELECT " + quote(heldRowsVersion()) + " AS version",
		"CREATE TABLE held.held_files (day INTEGER, files VARCHAR)",
		"CREATE TABLE held.held_texts (text_id BIGINT, text_hash VARCHAR, query_string VARCHAR)",
	}
	for _, t := range heldRows {
		more := ""
		if t.table == "query_executions" {
			more = ", CAST(0 AS BIGINT) AS text_id"
		}
		statements = append(statements, "CREATE TABLE held."+t.as+" AS SELECT "+strings.Join(t.columns(), ", ")+", dt"+more+" FROM "+t.table+" WHERE false")
	}
	return h.all(statements)
}

// replaceRows holds days anew that follow each other, all of which have files
// or none: those that are gone, from the lake or to the other file of rows.
func (h *holder) replaceRows(days []athenatrail.Date, files map[athenatrail.Date]string, firstText int64) error {
	first, last := days[0].Time(), days[len(days)-1].Time()
	within := "dt >= " + date(first) + " AND dt <= " + date(last)
	var statements []string
	for _, t := range heldRows {
		statements = append(statements, "DELETE FROM held."+t.as+" WHERE "+within)
	}
	statements = append(statements, fmt.Sprintf("DELETE FROM held.held_files WHERE day >= %d AND day <= %d", days[0], days[len(days)-1]))
	if files[days[0]] == "" {
		return h.all(statements)
	}
	// Texts of the days are few beside the executions, so they are numbered
	// first.
	statements = append(statements,
		"CREATE OR REPLACE TEMP TABLE texts AS SELECT account_id, region_name, CAST(dt AS VARCHAR) AS text_dt, text_hash, query_string FROM query_texts"+
			" WHERE dt >= "+date(first.Add(-slack))+" AND dt <= "+date(last.Add(slack))+" AND query_string IS NOT NULL",
		fmt.Sprintf(`INSERT INTO held.held_texts
SELECT greatest((SELECT coalesce(max(text_id), 0) FROM held.held_texts), %d) + row_number() OVER (), t.text_hash, t.query_string
FROM (SELECT DISTINCT text_hash, query_string FROM texts) AS t
WHERE NOT EXISTS (SELECT 1 FROM held.held_texts AS h WHERE h.text_hash = t.text_hash AND h.query_string = t.query_string)`, firstText),
		`CREATE OR REPLACE TEMP TABLE numbered AS SELECT t.account_id, t.region_name, t.text_dt, t.text_hash, h.text_id
FROM texts AS t JOIN held.held_texts AS h ON h.text_hash = t.text_hash AND h.query_string = t.query_string`,
		"DROP TABLE texts",
	)
	for _, t := range heldRows {
		columns := t.columns()
		if t.table != "query_executions" {
			statements = append(statements, "INSERT INTO held."+t.as+" SELECT "+strings.Join(columns, ", ")+", dt FROM "+t.table+" WHERE "+within+" AND "+t.where+" ORDER BY dt")
			continue
		}
		for i, c := range columns {
			columns[i] = "e." + c
		}
		statements = append(statements, "INSERT INTO held.query_executions SELECT "+strings.Join(columns, ", ")+", e.dt, n.text_id FROM query_executions AS e\n"+
			"LEFT JOIN numbered AS n ON n.account_id = e.account_id AND n.region_name = e.region_name AND n.text_dt = e.text_dt AND n.text_hash = e.text_hash\n"+
			"WHERE e."+strings.ReplaceAll(within, "AND dt", "AND e.dt")+" ORDER BY e.submission_date_time")
	}
	statements = append(statements, "DROP TABLE numbered")
	for _, day := range days {
		statements = append(statements, fmt.Sprintf("INSERT INTO held.held_files VALUES (%d, %s)", day, quote(files[day])))
	}
	return h.all(statements)
}

// all runs statements in turn.
func (h *holder) all(statements []string) error {
	for _, s := range statements {
		if err := h.do("%s", s); err != nil {
			return err
		}
	}
	return nil
}

// attachRows lays held rows in the place of the lake's tables.
func (d *DB) attachRows(ctx context.Context, file string) error {
	for _, part := range heldParts(file) {
		if _, err := d.db.ExecContext(ctx, "ATTACH "+quote(filepath.ToSlash(part.file))+" AS "+part.name+" (READ_ONLY)"); err != nil {
			return fmt.Errorf("read held rows: %w", oneLine(err))
		}
	}
	d.held = true
	views := [][2]string{{"held_texts", heldUnion("held_texts")}}
	for _, t := range heldRows {
		views = append(views, [2]string{t.as, heldUnion(t.as)})
	}
	for _, t := range heldFirsts {
		views = append(views, [2]string{t.name, heldUnion(t.name)})
	}
	for _, v := range joinedViews { // their columns are those of the tables that they stand on
		views = append(views, [2]string{v.name, v.sql(duckDB)})
	}
	for _, v := range views {
		if _, err := d.db.ExecContext(ctx, "CREATE OR REPLACE VIEW "+v[0]+" AS\n"+v[1]); err != nil {
			return fmt.Errorf("read held rows: %w", oneLine(err))
		}
	}
	return nil
}

// heldUnion returns the SELECT of both files' rows of a table.
func heldUnion(name string) string {
	return "SELECT * FROM held_old." + name + "\nUNION ALL\nSELECT * FROM held_new." + name
}

// ruleRows makes the views of held rows show what a scope lets be seen.
func (s Scope) ruleRows(ctx context.Context, d *DB) error {
	views := map[string]string{}
	if s.HideSQL {
		views["held_texts"] = "SELECT text_id, text_hash, CAST(NULL AS VARCHAR) AS query_string FROM (\n" + heldUnion("held_texts") + "\n) AS everything"
	}
	for _, t := range heldRows {
		if body := s.restrict(tableNamed(t.table), heldUnion(t.as)); body != "" {
			views[t.as] = body
		}
	}
	if !s.Whole() {
		for _, t := range heldFirsts {
			views[t.name] = "SELECT * FROM (\n" + heldUnion(t.name) + "\n) AS everything WHERE " + s.condition()
		}
	}
	for name, body := range views {
		if _, err := d.db.ExecContext(ctx, "CREATE OR REPLACE VIEW "+name+" AS\n"+body); err != nil {
			return err
		}
	}
	return nil
}
