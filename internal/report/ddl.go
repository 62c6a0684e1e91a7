package report

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// DDL returns a script that makes the lake's SQL views in an engine of the
// user's own. The only engine so far is duckdb, for "duckdb -init FILE".
//
// The location is a folder or an s3:// location. Tables of a folder that have
// no files yet are made empty; on S3, has is asked whether a folder of the lake,
// such as tables/activity_open, has any, or all are taken for open and present
// when has is nil.
func DDL(engine, lake string, has func(folder string) bool) (string, error) {
	if engine != "duckdb" {
		return "", unknown("engine", engine, []string{"duckdb"})
	}
	onS3 := strings.HasPrefix(lake, "s3://")
	lake = strings.TrimRight(lake, "/")
	if !onS3 {
		var err error
		if lake, err = lakePath(lake); err != nil {
			return "", fmt.Errorf("ddl %s: lake %s: %w", engine, lake, err)
		}
	} else if strings.ContainsAny(lake, "*?[]{}\\") {
		return "", usageError(fmt.Sprintf("ddl %s: lake %s: DuckDB takes * ? [ ] { } in a path for patterns", engine, lake))
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
		return "", fmt.Errorf("ddl %s: lake %s: %w", engine, lake, err)
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
