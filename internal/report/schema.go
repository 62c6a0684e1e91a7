package report

import (
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
	row     reflect.Type
	columns []column

	// fromName are the columns that only the file's name tells, beside dt.
	fromName []string
}

func newTable(name, folder string, row reflect.Type, fromName ...string) table {
	return table{name, folder, row, columnsOf(row), fromName}
}

// tables are what the views stand on.
var tables = []table{
	newTable("query_executions", "tables/query_executions_open", reflect.TypeFor[athenatrail.QueryExecution]()),
	newTable("activity", "tables/activity_open", reflect.TypeFor[athenatrail.Activity]()),
	newTable("sessions", "tables/sessions_open", reflect.TypeFor[athenatrail.Session]()),
	newTable("calculations", "tables/calculations_open", reflect.TypeFor[athenatrail.Calculation]()),
	newTable("usage_rollup", "tables/usage_rollup_open", reflect.TypeFor[athenatrail.UsageRollup]()),
	newTable("table_rollup", "tables/table_rollup_open", reflect.TypeFor[athenatrail.TableRollup]()),
	newTable("query_texts", "facts/query_texts", reflect.TypeFor[athenatrail.QueryText](), "account_id", "region_name"),
	newTable("reference", "facts/reference", reflect.TypeFor[athenatrail.Reference](), "account_id", "region_name"),
	newTable("catalog", "facts/catalog", reflect.TypeFor[athenatrail.Reference](), "account_id", "region_name"),
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

// source returns the SELECT that reads the table's files below lake, a folder
// or an s3:// location. Its columns and types are those of this program,
// whatever the files hold: a column that an older file lacks is NULL. DuckDB
// takes such a schema only without its own reading of dt= folders, so dt is
// found in the file's name, and a condition on dt still skips whole files.
func (t table) source(lake string) string {
	var b strings.Builder
	b.WriteString("SELECT * EXCLUDE (filename),\n")
	for _, name := range t.fromName {
		fmt.Fprintf(&b, "    regexp_extract(filename, %s, 1) AS %s,\n", quote(namePatterns[name]), name)
	}
	fmt.Fprintf(&b, "    CAST(regexp_extract(filename, %s, 1) AS DATE) AS dt\n", quote(namePatterns["dt"]))
	fmt.Fprintf(&b, "FROM read_parquet(%s, filename = true, hive_partitioning = false, schema = MAP {\n", quote(lake+"/"+t.folder+"/"+fileGlob))
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

// fileGlob matches a table's files and not those that are still being written.
const fileGlob = "dt=????-??-??/*_*.parquet"

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

// present reports whether the table has a file in a lake on disk.
func (t table) present(lake string) (bool, error) {
	days, err := os.ReadDir(filepath.Join(lake, filepath.FromSlash(t.folder)))
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
		files, err := filepath.Glob(filepath.Join(lake, filepath.FromSlash(t.folder), day.Name(), "*_*.parquet"))
		if err != nil {
			return false, err
		}
		if len(files) > 0 {
			return true, nil
		}
	}
	return false, nil
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
// whether each table has files is asked of has.
func viewStatements(lake string, has func(table) (bool, error)) ([]string, error) {
	var statements []string
	for _, t := range tables {
		ok, err := has(t)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.name, err)
		}
		body := t.empty()
		if ok {
			body = t.source(lake)
		}
		statements = append(statements, "CREATE OR REPLACE VIEW "+t.name+" AS\n"+body)
	}
	for _, v := range joinedViews {
		statements = append(statements, "CREATE OR REPLACE VIEW "+v.name+" AS\n"+v.sql(duckDB))
	}
	return statements, nil
}

// quote returns s as an SQL text literal.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
