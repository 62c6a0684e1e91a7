package report

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// An external is a table over files of the lake, or of the trail, as Athena,
// Trino and Glue define it.
type external struct {
	name     string
	location string
	columns  []externalColumn
	byDay    bool // partitioned by dt, in folders dt=YYYY-MM-DD

	// trail is set for cloudtrail_logs, which has its own partitions and is
	// read by CloudTrail's own input format.
	trail *trailLayout
}

// An externalColumn has its type as Hive's DDL spells it, which Athena and Glue
// take, and as Trino does.
type externalColumn struct{ name, hive, trino string }

// typeNames are the types of [column] as others spell them.
var typeNames = map[string][2]string{
	"VARCHAR":       {"string", "VARCHAR"},
	"BOOLEAN":       {"boolean", "BOOLEAN"},
	"INTEGER":       {"int", "INTEGER"},
	"BIGINT":        {"bigint", "BIGINT"},
	"DOUBLE":        {"double", "DOUBLE"},
	"DATE":          {"date", "DATE"},
	"TIMESTAMP":     {"timestamp", "TIMESTAMP(3)"},
	"DECIMAL(18,9)": {"decimal(18,9)", "DECIMAL(18,9)"},
	"VARCHAR[]":     {"array<string>", "ARRAY(VARCHAR)"},
}

// typeName returns a type of [column] as the dialect spells it.
func (d dialect) typeName(sql string) string {
	if d == trino {
		return typeNames[sql][1]
	}
	return sql
}

func externalColumns(t reflect.Type) []externalColumn {
	var list []externalColumn
	for _, c := range columnsOf(t) {
		names, ok := typeNames[c.sql]
		if !ok {
			panic("report: no name for " + c.sql + " in Hive")
		}
		list = append(list, externalColumn{c.name, names[0], names[1]})
	}
	return list
}

// facts are the facts of the lake, by their folders. Those that [tables] has
// too are seen through a view that adds account and region.
var facts = []struct {
	name string
	row  reflect.Type
}{
	{"events", reflect.TypeFor[athenatrail.Event]()},
	{"details", reflect.TypeFor[athenatrail.Detail]()},
	{"query_texts", reflect.TypeFor[athenatrail.QueryText]()},
	{"session_events", reflect.TypeFor[athenatrail.SessionEvent]()},
	{"role_sessions", reflect.TypeFor[athenatrail.RoleSession]()},
	{"data_access", reflect.TypeFor[athenatrail.DataAccess]()},
	{"reference", reflect.TypeFor[athenatrail.Reference]()},
	{"catalog", reflect.TypeFor[athenatrail.Reference]()},
	{"limit_actions", reflect.TypeFor[athenatrail.LimitAction]()},
	{"notices", reflect.TypeFor[athenatrail.Notice]()},
	{"bill", reflect.TypeFor[athenatrail.BillLine]()},
}

// Endings and beginnings of the names of stored tables. The name without is
// that of a view.
const (
	openTable   = "_open"
	closedTable = "_closed"
	factTable   = "facts_"
	// boundaryTable has one row with one column, dt: days before it are read
	// from closed files, others from open ones. A lake that was never compacted
	// has no row.
	boundaryTable = "boundary"
)

// isFact tells whether a table of the lake is a fact's.
func (t table) isFact() bool { return strings.HasPrefix(t.folder, "facts/") }

// externals returns every table that Athena, Trino or Glue are told of.
func (o DDLOptions) externals() []external {
	var list []external
	for _, t := range tables {
		if t.isFact() {
			continue
		}
		columns := externalColumns(t.row)
		for _, ending := range []string{openTable, closedTable} {
			list = append(list, external{name: t.name + ending, location: o.Location + "/tables/" + t.name + ending + "/", columns: columns, byDay: true})
		}
	}
	list = append(list, external{name: boundaryTable, location: o.Location + "/tables/boundary/", columns: []externalColumn{{"dt", "date", "DATE"}}})
	for _, f := range facts {
		list = append(list, external{name: factTable + f.name, location: o.Location + "/facts/" + f.name + "/", columns: externalColumns(f.row), byDay: true})
	}
	if o.Trail != "" {
		list = append(list, o.cloudTrailLogs())
	}
	return list
}

// firstDay is where the projection of dt begins.
func (o DDLOptions) firstDay() string {
	if o.First.IsZero() {
		return "NOW-400DAYS"
	}
	return o.First.UTC().Format("2006-01-02")
}

// A property is a name and a value of a table's, in the order in which they are
// written.
type property struct{ name, value string }

// properties are those by which Athena finds a table's partitions without the
// catalog's listing them.
func (e external) properties(o DDLOptions) []property {
	switch {
	case e.trail != nil:
		return e.trail.properties()
	case !e.byDay:
		return nil
	}
	return []property{
		{"projection.enabled", "true"},
		{"projection.dt.type", "date"},
		{"projection.dt.format", "yyyy-MM-dd"},
		{"projection.dt.range", o.firstDay() + ",NOW"},
		{"projection.dt.interval", "1"},
		{"projection.dt.interval.unit", "DAYS"},
		{"storage.location.template", e.location + "dt=${dt}/"},
	}
}

// partitions are the columns that the path tells.
func (e external) partitions() []externalColumn {
	switch {
	case e.trail != nil:
		return e.trail.partitions()
	case e.byDay:
		return []externalColumn{{"dt", "date", "DATE"}}
	}
	return nil
}

// athena returns the statement that makes the table in Athena, in Hive's DDL.
func (e external) athena(o DDLOptions) string {
	list := func(columns []externalColumn) string {
		var lines []string
		for _, c := range columns {
			lines = append(lines, fmt.Sprintf("    `%s` %s", c.name, c.hive))
		}
		return strings.Join(lines, ",\n")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE EXTERNAL TABLE `%s` (\n%s\n)\n", e.name, list(e.columns))
	if p := e.partitions(); len(p) > 0 {
		fmt.Fprintf(&b, "PARTITIONED BY (\n%s\n)\n", list(p))
	}
	if e.trail != nil {
		fmt.Fprintf(&b, "ROW FORMAT SERDE '%s'\nSTORED AS INPUTFORMAT '%s'\nOUTPUTFORMAT '%s'\n", trailSerDe, trailInput, trailOutput)
	} else {
		b.WriteString("STORED AS PARQUET\n")
	}
	fmt.Fprintf(&b, "LOCATION '%s'", e.location)
	if p := e.properties(o); len(p) > 0 {
		var lines []string
		for _, x := range p {
			lines = append(lines, fmt.Sprintf("    '%s' = '%s'", x.name, x.value))
		}
		fmt.Fprintf(&b, "\nTBLPROPERTIES (\n%s\n)", strings.Join(lines, ",\n"))
	}
	return b.String()
}

// trino returns the statement that makes the table in Trino's Hive connector.
func (e external) trino(o DDLOptions) string {
	var lines []string
	for _, c := range e.columns {
		lines = append(lines, "    "+c.name+" "+c.trino)
	}
	with := []string{"    external_location = '" + e.location + "'", "    format = 'PARQUET'"}
	if e.byDay {
		lines = append(lines, fmt.Sprintf("    dt DATE WITH (\n        partition_projection_type = 'date',\n        partition_projection_format = 'yyyy-MM-dd',\n        partition_projection_range = ARRAY['%s', 'NOW']\n    )", o.firstDay()))
		with = append(with, "    partitioned_by = ARRAY['dt']", "    partition_projection_enabled = true",
			"    partition_projection_location_template = '"+e.location+"dt=${dt}/'")
	}
	return "CREATE TABLE " + e.name + " (\n" + strings.Join(lines, ",\n") + "\n)\nWITH (\n" + strings.Join(with, ",\n") + "\n)"
}

// distributedDDL returns the statements of a script for Athena or Trino.
func distributedDDL(engine string, list []external, o DDLOptions) ([]string, error) {
	var statements []string
	if engine == "trino" {
		name := fmt.Sprintf("%s.%s", doubleQuote(o.Catalog), doubleQuote(o.Database))
		statements = append(statements, "CREATE SCHEMA IF NOT EXISTS "+name, "USE "+name)
	} else {
		statements = append(statements, "CREATE DATABASE IF NOT EXISTS `"+o.Database+"`")
	}
	for _, e := range list {
		if engine == "trino" {
			if e.trail == nil {
				statements = append(statements, "DROP TABLE IF EXISTS "+e.name, e.trino(o))
			}
			continue
		}
		statements = append(statements, "DROP TABLE IF EXISTS `"+e.name+"`", e.athena(o))
	}
	for _, t := range tables {
		body := t.union()
		if t.isFact() {
			body = t.placed()
		}
		statements = append(statements, "CREATE OR REPLACE VIEW "+t.name+" AS\n"+body)
	}
	for _, v := range joinedViews {
		statements = append(statements, "CREATE OR REPLACE VIEW "+v.name+" AS\n"+v.sql(trino))
	}
	daily, err := dailyViews(trino)
	if err != nil {
		return nil, err
	}
	for _, v := range daily {
		statements = append(statements, "CREATE OR REPLACE VIEW "+v.name+" AS\n"+v.sql)
	}
	if o.Compat {
		statements = append(statements, "CREATE OR REPLACE VIEW athena_api_output AS\n"+apiOutput)
	}
	return statements, nil
}

func doubleQuote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// union returns the SELECT of a table's closed and open days.
func (t table) union() string {
	var names []string
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	list := strings.Join(append(names, "dt"), ", ")
	return fmt.Sprintf("SELECT %[1]s\nFROM %[2]s\nWHERE dt < (SELECT max(dt) FROM %[4]s)\nUNION ALL\nSELECT %[1]s\nFROM %[3]s\nWHERE dt >= (SELECT coalesce(max(dt), DATE '1970-01-01') FROM %[4]s)",
		list, t.name+closedTable, t.name+openTable, boundaryTable)
}

// placed returns the SELECT of a fact with what its file's name alone tells.
func (t table) placed() string {
	var parts []string
	for _, c := range t.columns {
		parts = append(parts, c.name)
	}
	for _, name := range t.fromName {
		parts = append(parts, fmt.Sprintf(`regexp_extract("$path", %s, 1) AS %s`, quote(namePatterns[name]), name))
	}
	return "SELECT " + strings.Join(append(parts, "dt"), ",\n    ") + "\nFROM " + factTable + t.name
}

// apiOutput has the columns of github.com/MoveInc/AthenaMetrics, whose table
// athena_api_output an article of its makers joins with cloudtrail_logs by the
// id. Their times are Python's texts of times in UTC.
const apiOutput = `SELECT query_execution_id AS queryid,
    database_name AS querydatabase,
    engine_ms AS executiontime,
    data_scanned_bytes AS datascanned,
    state AS status,
    CAST(submission_date_time AS VARCHAR) || '+00:00' AS submissiondatetime,
    CAST(completion_date_time AS VARCHAR) || '+00:00' AS completiondatetime,
    dt
FROM query_executions
WHERE query_execution_id IS NOT NULL AND state IS NOT NULL`

// A glueTable is the input of Glue's CreateTable.
type glueTable struct {
	DatabaseName string
	TableInput   struct {
		Name              string
		TableType         string
		Parameters        map[string]string
		PartitionKeys     []glueColumn
		StorageDescriptor struct {
			Columns      []glueColumn
			Location     string
			InputFormat  string
			OutputFormat string
			SerdeInfo    struct {
				SerializationLibrary string
				Parameters           map[string]string `json:",omitempty"`
			}
		}
	}
}

type glueColumn struct{ Name, Type string }

// Hive's classes for Parquet, as Athena writes them into the catalog.
const (
	parquetSerDe  = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
	parquetInput  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
	parquetOutput = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
)

// glueDDL returns the tables as JSON: one object, as CreateTable takes it, for
// each. Glue has no views that Athena would read without their columns' types,
// so views are left to the script for Athena.
func glueDDL(list []external, o DDLOptions) (string, error) {
	columns := func(list []externalColumn) []glueColumn {
		named := []glueColumn{}
		for _, c := range list {
			named = append(named, glueColumn{c.name, c.hive})
		}
		return named
	}
	var all []glueTable
	for _, e := range list {
		t := glueTable{DatabaseName: o.Database}
		in := &t.TableInput
		in.Name, in.TableType, in.Parameters = e.name, "EXTERNAL_TABLE", map[string]string{"EXTERNAL": "TRUE"}
		for _, p := range e.properties(o) {
			in.Parameters[p.name] = p.value
		}
		in.PartitionKeys = columns(e.partitions())
		s := &in.StorageDescriptor
		s.Columns, s.Location = columns(e.columns), e.location
		if e.trail != nil {
			s.InputFormat, s.OutputFormat, s.SerdeInfo.SerializationLibrary = trailInput, trailOutput, trailSerDe
		} else {
			in.Parameters["classification"] = "parquet"
			s.InputFormat, s.OutputFormat, s.SerdeInfo.SerializationLibrary = parquetInput, parquetOutput, parquetSerDe
			s.SerdeInfo.Parameters = map[string]string{"serialization.format": "1"}
		}
		all = append(all, t)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	return string(text) + "\n", err
}

// Folders returns the folders of the lake that definitions are made for, each
// with a slash at its end and days below.
func Folders() []string {
	var list []string
	for _, e := range (DDLOptions{}).externals() {
		if e.byDay {
			list = append(list, strings.TrimPrefix(e.location, "/"))
		}
	}
	return list
}
