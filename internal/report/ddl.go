package report

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Engines that [DDL] writes for.
var ddlEngines = []string{"duckdb", "athena", "trino", "glue"}

// DDLOptions say where a lake is and what is to be made of it.
type DDLOptions struct {
	// Location is a folder or an s3:// location. Athena, Trino and Glue need
	// the latter.
	Location string

	// Has tells, for duckdb, whether a folder of an S3 lake, such as
	// tables/activity_open, has any file; nil takes all for open and present.
	Has func(folder string) bool

	// First is the first day that the lake holds anything of: partitions are
	// projected from it on. Zero is a year and a month before today.
	First time.Time

	// Catalog and Database are where Trino, Athena and Glue have the tables;
	// empty are hive (of Trino) and athenatrail.
	Catalog, Database string

	// Trail, for athena and glue, is the trail that cloudtrail_logs reads: the
	// s3:// location of its AWSLogs, or what stands before. Empty leaves the
	// table out.
	Trail string

	// Accounts and Regions are those of the trail. Where there are none a
	// query of cloudtrail_logs has to name its own.
	Accounts, Regions []string

	// Compat adds athena_api_output.
	Compat bool
}

// DDL returns a script that makes the lake's tables and views in an engine of
// the user's own: for "duckdb -init FILE", for Athena's or Trino's editors and
// command lines, or, for glue, a JSON list of what CreateTable takes.
func DDL(engine string, o DDLOptions) (string, error) {
	switch engine {
	case "duckdb":
		return duckDDL(o)
	case "athena", "trino", "glue":
	default:
		return "", unknown("engine", engine, ddlEngines)
	}
	if !strings.HasPrefix(o.Location, "s3://") {
		return "", usageError(fmt.Sprintf("ddl %s: lake %s: want an s3:// location, since the engine reads the files by itself", engine, o.Location))
	}
	o.Location = strings.TrimRight(o.Location, "/")
	if o.Catalog == "" {
		o.Catalog = "hive"
	}
	if o.Database == "" {
		o.Database = "athenatrail"
	}
	for what, text := range map[string]string{"lake": o.Location, "trail": o.Trail, "catalog": o.Catalog, "database": o.Database} {
		if err := plainText(text); err != nil {
			return "", usageError(fmt.Sprintf("ddl %s: %s %q: %v", engine, what, text, err))
		}
	}
	for _, list := range [][]string{o.Accounts, o.Regions} {
		for _, text := range list {
			if strings.ContainsAny(text, ",'\"\\ \n") {
				return "", usageError(fmt.Sprintf("ddl %s: %q is no account or region", engine, text))
			}
		}
	}
	list := o.externals()
	if engine == "glue" {
		return glueDDL(list, o)
	}
	statements, err := distributedDDL(engine, list, o)
	if err != nil {
		return "", fmt.Errorf("ddl %s: %w", engine, err)
	}
	var b strings.Builder
	b.WriteString(distributedHead(engine, o))
	for _, s := range statements {
		b.WriteString("\n" + s + ";\n")
	}
	return b.String(), nil
}

// plainText refuses what could end a literal, a comment or a template in one of
// the engines.
func plainText(s string) error {
	if strings.ContainsAny(s, "'\"`;\\\n\r$") {
		return fmt.Errorf("quotes, semicolons, dollars, backslashes and line breaks cannot stand in a definition")
	}
	return nil
}

func duckDDL(o DDLOptions) (string, error) {
	lake, has := o.Location, o.Has
	onS3 := strings.HasPrefix(lake, "s3://")
	lake = strings.TrimRight(lake, "/")
	if !onS3 {
		var err error
		if lake, err = lakePath(lake); err != nil {
			return "", fmt.Errorf("ddl duckdb: lake %s: %w", lake, err)
		}
	} else if strings.ContainsAny(lake, "*?[]{}\\") {
		return "", usageError(fmt.Sprintf("ddl duckdb: lake %s: DuckDB takes * ? [ ] { } in a path for patterns", lake))
	}
	compacted := has != nil && has(path.Dir(boundaryFile))
	if has == nil && !onS3 {
		_, err := os.Stat(filepath.FromSlash(lake + "/" + boundaryFile))
		compacted = err == nil
	}
	at := location{path: lake}
	if compacted {
		// Read with each query: a script is in use for longer than the time of
		// grace.
		at.before = "(SELECT max(dt) FROM boundary)"
	}
	statements, err := viewStatements(at, func(t table) (open, closed bool, err error) {
		switch {
		case has != nil:
			return has(t.folder), t.closed != "" && has(t.closed), nil
		case onS3:
			return true, false, nil
		}
		return t.present(filepath.FromSlash(lake))
	})
	if err != nil {
		return "", fmt.Errorf("ddl duckdb: lake %s: %w", lake, err)
	}
	if compacted {
		statements = append([]string{"CREATE OR REPLACE VIEW boundary AS\nSELECT dt FROM read_parquet(" + quote(lake+"/"+boundaryFile) + ")"}, statements...)
	}
	var b strings.Builder
	b.WriteString("-- The lake of athenatrail in a DuckDB of your own (1.3 or newer):\n--   athenatrail ddl duckdb > lake.sql && duckdb -init lake.sql\n")
	fmt.Fprintf(&b, "-- The views: %s.\n-- A table that has no files yet is empty here until the script is made again.\n"+
		"-- Make it again too after the first athenatrail lake compact, which moves rows to other files.\n", strings.Join(sqlViews(), ", "))
	if onS3 {
		b.WriteString("\nINSTALL httpfs;\nINSTALL aws;\nLOAD httpfs;\nLOAD aws;\nCREATE OR REPLACE SECRET athenatrail_lake (TYPE s3, PROVIDER credential_chain, SCOPE " + quote(lake) + ");\n")
	}
	for _, s := range statements {
		b.WriteString("\n" + s + ";\n")
	}
	return b.String(), nil
}

// distributedHead is the comment at the top of a script for Athena or Trino.
func distributedHead(engine string, o DDLOptions) string {
	var b strings.Builder
	how := "trino --file lake.sql"
	if engine == "athena" {
		how = "Athena runs one statement a call: paste them one by one, or see docs/engines.md"
	}
	fmt.Fprintf(&b, "-- The lake of athenatrail in %s, made by athenatrail ddl %s. %s.\n", map[string]string{"athena": "Athena", "trino": "Trino"}[engine], engine, how)
	b.WriteString("-- Tables are definitions alone: DROP TABLE takes no file of the lake away, and the\n-- script can be run again, which it has to after an upgrade of athenatrail.\n")
	fmt.Fprintf(&b, "-- Days are looked for from %s on: run it again after collecting older ones.\n", o.firstDay())
	var without []string
	for _, v := range views {
		if reason := notDaily[v.Name]; reason != "" {
			without = append(without, "--   "+v.Name+": "+reason+"\n")
		}
	}
	b.WriteString("-- report_VIEW is a view of the program's, for each day (dt, of UTC). There is none of\n" + strings.Join(without, ""))
	if engine == "trino" {
		b.WriteString("-- There is no cloudtrail_logs here: reading CloudTrail's files takes an input format\n-- that Athena has and Trino does not.\n")
	}
	return b.String()
}

// Tables returns the names of the tables that the views stand on.
func Tables() []string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.name
	}
	return names
}
