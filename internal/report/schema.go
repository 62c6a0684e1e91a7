package report

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// A column is one column of a stored table, with its type in DuckDB.
type column struct {
	name  string
	sql   string
	field []int // of the Go struct
}

// columnsOf derives a table's columns from the tags of the struct that its
// Parquet files are written from. It is the only place where the two meet.
func columnsOf(t reflect.Type) []column {
	var columns []column
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		if f.Anonymous || name == "" || name == "-" {
			continue
		}
		columns = append(columns, column{name, sqlType(f.Type, options), f.Index})
	}
	return columns
}

func sqlType(t reflect.Type, options string) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[athenatrail.Money]():
		return "DECIMAL(18,9)"
	case t == reflect.TypeFor[time.Time]():
		return "TIMESTAMP"
	case t == reflect.TypeFor[[]string]():
		return "VARCHAR[]"
	}
	switch t.Kind() {
	case reflect.String:
		return "VARCHAR"
	case reflect.Bool:
		return "BOOLEAN"
	case reflect.Int32:
		return "INTEGER"
	case reflect.Int64:
		return "BIGINT"
	case reflect.Float64:
		return "DOUBLE"
	}
	panic(fmt.Sprintf("report: no SQL type for %s (parquet:%q)", t, options))
}

// A table is one table of the lake as its files lie there.
type table struct {
	name    string
	folder  string // below the lake
	closed  string // that of closed days, if the table has one
	row     reflect.Type
	columns []column

	// fromName are the columns that only the file's name tells, beside dt.
	fromName []string
}

// derived returns a table that is derived, whose days are open or closed.
func derived(name string, row reflect.Type) table {
	return table{name, "tables/" + name + "_open", "tables/" + name + "_closed", row, columnsOf(row), nil}
}

// recorded returns a table of facts.
func recorded(name string, row reflect.Type) table {
	return table{name, "facts/" + name, "", row, columnsOf(row), []string{"account_id", "region_name"}}
}

// tables are what the views stand on.
var tables = []table{
	derived("query_executions", reflect.TypeFor[athenatrail.QueryExecution]()),
	derived("activity", reflect.TypeFor[athenatrail.Activity]()),
	derived("sessions", reflect.TypeFor[athenatrail.Session]()),
	derived("calculations", reflect.TypeFor[athenatrail.Calculation]()),
	derived("usage_rollup", reflect.TypeFor[athenatrail.UsageRollup]()),
	derived("table_rollup", reflect.TypeFor[athenatrail.TableRollup]()),
	recorded("query_texts", reflect.TypeFor[athenatrail.QueryText]()),
	recorded("reference", reflect.TypeFor[athenatrail.Reference]()),
	recorded("notices", reflect.TypeFor[athenatrail.Notice]()),
	recorded("catalog", reflect.TypeFor[athenatrail.Reference]()),
	recorded("limit_actions", reflect.TypeFor[athenatrail.LimitAction]()),
	recorded("bill", reflect.TypeFor[athenatrail.BillLine]()),
}

func tableNamed(name string) table {
	for _, t := range tables {
		if t.name == name {
			return t
		}
	}
	panic("report: no table " + name)
}

// namePatterns find in a file's name what is not in the file. A partition's
// account and region hold letters, digits and hyphens alone.
var namePatterns = map[string]string{
	"dt":          `dt=(\d{4}-\d{2}-\d{2})`,
	"account_id":  `([A-Za-z0-9-]+)_[A-Za-z0-9-]+\.parquet$`,
	"region_name": `[A-Za-z0-9-]+_([A-Za-z0-9-]+)\.parquet$`,
}

// A location is where a lake is, and where its closed days end.
type location struct {
	path string // a folder or an s3:// location

	// before is an SQL expression of the day before which tables are read from
	// closed files alone, and from which on from open files alone; empty in a
	// lake without closed days.
	before string
}

// source returns the SELECT that reads the table's files. Its columns and types
// are those of this program, whatever the files hold: a column that an older
// file lacks is NULL. Of the days before the boundary it reads closed files, of
// the others open ones.
func (t table) source(at location, open, closed bool) string {
	switch {
	case t.closed == "" || at.before == "":
		if !open {
			return t.empty()
		}
		return t.files(at, t.folder+"/"+fileGlob)
	case !open && !closed:
		return t.empty()
	}
	var parts []string
	if closed {
		parts = append(parts, "SELECT * FROM (\n"+t.files(at, t.closed+"/"+closedGlob)+"\n) AS closed WHERE dt < "+at.before)
	}
	if open {
		parts = append(parts, "SELECT * FROM (\n"+t.files(at, t.folder+"/"+fileGlob)+"\n) AS open WHERE dt >= "+at.before)
	}
	return strings.Join(parts, "\nUNION ALL\n")
}

// files returns the SELECT that reads the files of a pattern. DuckDB takes the
// schema of this program only without its own reading of dt= folders, so dt is
// found in the file's name, and a condition on dt still skips whole files.
func (t table) files(at location, glob string) string {
	var b strings.Builder
	b.WriteString("SELECT * EXCLUDE (filename),\n")
	for _, name := range t.fromName {
		fmt.Fprintf(&b, "    regexp_extract(filename, %s, 1) AS %s,\n", quote(namePatterns[name]), name)
	}
	fmt.Fprintf(&b, "    CAST(regexp_extract(filename, %s, 1) AS DATE) AS dt\n", quote(namePatterns["dt"]))
	fmt.Fprintf(&b, "FROM read_parquet(%s, filename = true, hive_partitioning = false, schema = MAP {\n", quote(at.path+"/"+glob))
	for i, c := range t.columns {
		end := ","
		if i == len(t.columns)-1 {
			end = ""
		}
		fmt.Fprintf(&b, "    '%s': {name: '%s', type: '%s', default_value: NULL}%s\n", c.name, c.name, c.sql, end)
	}
	b.WriteString("})")
	return b.String()
}

// Patterns match a table's files and not those that are still being written.
const (
	fileGlob   = "dt=????-??-??/*_*.parquet"
	closedGlob = "dt=????-??-??/all*.parquet"
)

// empty returns a SELECT with the table's columns and types and no rows.
func (t table) empty() string {
	var parts []string
	for _, c := range t.columns {
		parts = append(parts, fmt.Sprintf("CAST(NULL AS %s) AS %s", c.sql, c.name))
	}
	for _, name := range t.fromName {
		parts = append(parts, "CAST(NULL AS VARCHAR) AS "+name)
	}
	parts = append(parts, "CAST(NULL AS DATE) AS dt")
	return "SELECT " + strings.Join(parts, ",\n    ") + "\nWHERE false"
}

// present reports whether the table has open and closed files in a lake on disk.
func (t table) present(lake string) (open, closed bool, err error) {
	if open, err = hasFiles(lake, t.folder, "*_*.parquet"); err == nil && t.closed != "" {
		closed, err = hasFiles(lake, t.closed, "all*.parquet")
	}
	return open, closed, err
}

// hasFiles reports whether a day's folder below a folder has a file whose name
// fits.
func hasFiles(lake, folder, name string) (bool, error) {
	days, err := os.ReadDir(filepath.Join(lake, filepath.FromSlash(folder)))
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, day := range days {
		if _, ok := strings.CutPrefix(day.Name(), "dt="); !ok {
			continue
		}
		files, err := filepath.Glob(filepath.Join(lake, filepath.FromSlash(folder), day.Name(), name))
		if err != nil {
			return false, err
		}
		if len(files) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// boundaryFile holds one row, dt: the boundary of closed days.
const boundaryFile = "tables/boundary/boundary.parquet"

// boundaryOf returns the location of a lake on disk, with its boundary as it is
// now, as one literal for all of its tables: whatever is compacted while the
// views are in use, they read each day from one place. Open files of days that
// are closed later stay for the time of grace.
func boundaryOf(ctx context.Context, db *sql.DB, path string) (location, error) {
	if _, err := os.Stat(filepath.FromSlash(path + "/" + boundaryFile)); os.IsNotExist(err) {
		return location{path: path}, nil
	}
	var before time.Time
	if err := db.QueryRowContext(ctx, "SELECT max(dt) FROM read_parquet("+quote(path+"/"+boundaryFile)+")").Scan(&before); err != nil {
		return location{}, fmt.Errorf("read the boundary of closed days: %w", oneLine(err))
	}
	return location{path, "DATE " + quote(before.Format(time.DateOnly))}, nil
}

// queriesView joins the SQL to its executions. The text lies in the lake under
// the day that text_dt names, in the file of the same account and region.
func queriesView(dialect) string {
	return `SELECT e.*, t.query_string
FROM query_executions AS e
LEFT JOIN query_texts AS t
    ON t.account_id = e.account_id
    AND t.region_name = e.region_name
    AND t.dt = TRY_CAST(e.text_dt AS DATE)
    AND t.text_hash = e.text_hash`
}

// joinedViews are the SQL views over tables.
var joinedViews = []struct {
	name string
	sql  func(dialect) string
}{
	{"queries", queriesView}, {"accounts", accountsView}, {"work_groups", workGroupsView},
	{"catalog_tables", catalogTablesView}, {"catalog_grants", catalogGrantsView},
}

// viewStatements returns the statements that make the lake's SQL views, and
// whether each table has open and closed files is asked of has.
func viewStatements(at location, has func(table) (open, closed bool, err error)) ([]string, error) {
	var statements []string
	for _, t := range tables {
		open, closed, err := has(t)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.name, err)
		}
		statements = append(statements, "CREATE OR REPLACE VIEW "+t.name+" AS\n"+t.source(at, open, closed))
	}
	for _, v := range joinedViews {
		statements = append(statements, "CREATE OR REPLACE VIEW "+v.name+" AS\n"+v.sql(duckDB))
	}
	return statements, nil
}

// quote returns s as an SQL text literal.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
