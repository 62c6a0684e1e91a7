package report

import (
	"fmt"
	"path/filepath"
	"strings"
)

// DDL returns a script that makes the lake's SQL views in an engine of the
// user's own. The only engine so far is duckdb, for "duckdb -init FILE".
//
// The location is a folder or an s3:// location. Tables of a folder that have
// no files yet are made empty; those on S3 are asked of has by their names, or
// all taken for present when has is nil. [Tables] lists the names.
func DDL(engine, location string, has func(table string) bool) (string, error) {
	if engine != "duckdb" {
		return "", unknown("engine", engine, []string{"duckdb"})
	}
	onS3 := strings.HasPrefix(location, "s3://")
	location = strings.TrimRight(location, "/")
	if !onS3 {
		var err error
		if location, err = lakePath(location); err != nil {
			return "", fmt.Errorf("ddl %s: lake %s: %w", engine, location, err)
		}
	} else if strings.ContainsAny(location, "*?[]{}\\") {
		return "", usageError(fmt.Sprintf("ddl %s: lake %s: DuckDB takes * ? [ ] { } in a path for patterns", engine, location))
	}
	statements, err := viewStatements(location, func(t table) (bool, error) {
		switch {
		case has != nil:
			return has(t.name), nil
		case onS3:
			return true, nil
		}
		return t.present(filepath.FromSlash(location))
	})
	if err != nil {
		return "", fmt.Errorf("ddl %s: lake %s: %w", engine, location, err)
	}
	var b strings.Builder
	b.WriteString("-- The lake of athenatrail in a DuckDB of your own (1.3 or newer):\n--   athenatrail ddl duckdb > lake.sql && duckdb -init lake.sql\n")
	fmt.Fprintf(&b, "-- The views: %s.\n-- A table that has no files yet is empty here until the script is made again.\n", strings.Join(sqlViews(), ", "))
	if onS3 {
		b.WriteString("\nINSTALL httpfs;\nINSTALL aws;\nLOAD httpfs;\nLOAD aws;\nCREATE OR REPLACE SECRET athenatrail_lake (TYPE s3, PROVIDER credential_chain, SCOPE " + quote(location) + ");\n")
	}
	for _, s := range statements {
		b.WriteString("\n" + s + ";\n")
	}
	return b.String(), nil
}

// Tables returns the names of the tables that the views stand on.
func Tables() []string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.name
	}
	return names
}
