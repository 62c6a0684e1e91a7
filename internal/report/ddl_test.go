package report

import (
	"context"
	"database/sql"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"
)

// The script makes, in a DuckDB that knows nothing of this program, the views
// that this program has.
func TestDDL(t *testing.T) {
	l := &lakeDir{t: t, executions: randomExecutions(200)}
	root := l.write() // without activity and texts
	script, err := DDL("duckdb", DDLOptions{Location: root})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(script); err != nil {
		t.Fatal(err)
	}
	d := open(t, root, Options{})
	for _, view := range sqlViews() {
		var theirs, ours string
		const q = "SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY column_index) FROM duckdb_columns() WHERE table_name = ?"
		if err := db.QueryRow(q, view).Scan(&theirs); err != nil {
			t.Fatal(err)
		}
		if err := d.db.QueryRow(q, view).Scan(&ours); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(ours, theirs); d != "" {
			t.Errorf("%s: %s", view, d)
		}
	}
	var n int
	if err := db.QueryRow("SELECT count(*) FROM queries").Scan(&n); err != nil || n != 200 {
		t.Errorf("%d rows, %v", n, err)
	}

	onS3, err := DDL("duckdb", DDLOptions{Location: "s3://bucket/it's/lake/", Has: func(folder string) bool { return folder == "tables/activity_open" }})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"LOAD httpfs", "read_parquet('s3://bucket/it''s/lake/tables/activity_open/dt=", "CREATE OR REPLACE VIEW usage_rollup AS\nSELECT CAST(NULL"} {
		if !strings.Contains(onS3, want) {
			t.Errorf("the script lacks %q", want)
		}
	}
	_, err = DDL("duckdbb", DDLOptions{Location: root})
	mustFail(t, err, "did you mean duckdb")
}

// A table's condition on dt opens the files of those days alone.
func TestDaysArePruned(t *testing.T) {
	l := &lakeDir{t: t, executions: randomExecutions(500)}
	root := l.write()
	d := open(t, root, Options{})
	v, err := Lookup("users")
	if err != nil {
		t.Fatal(err)
	}
	s, err := render(v, Params{From: weekEnd.AddDate(0, 0, -1), To: weekEnd}, d.zone, duckDB, false)
	if err != nil {
		t.Fatal(err)
	}
	var key, plan string
	if err := d.db.QueryRowContext(context.Background(), "EXPLAIN ANALYZE "+s.sql, s.args...).Scan(&key, &plan); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Total Files Read: (\d+)`).FindStringSubmatch(plan)
	if found == nil {
		t.Fatalf("the plan does not tell how many files it reads:\n%s", plan)
	}
	read, _ := strconv.Atoi(found[1])
	all, err := filepath.Glob(filepath.Join(root, "tables/usage_rollup_open/*/*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	if read == 0 || read > len(all)/2 { // four or five of sixteen days
		t.Errorf("%d of %d files are read", read, len(all))
	}
}
