package report

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parsers returns a Python that has sqlglot: the one that
// scripts/install-test-servers.sh made, or the system's. Without one the test is
// skipped, or fails where ATHENATRAIL_FORBID_SKIP is 1.
func parsers(t *testing.T) string {
	t.Helper()
	for _, python := range []string{filepath.Join("..", "..", ".tools", "bin", "sqlglot_python"), "python3"} {
		if path, err := exec.LookPath(python); err == nil && exec.Command(path, "-c", "import sqlglot").Run() == nil {
			return path
		}
	}
	const message = "no Python with sqlglot; install it with scripts/install-test-servers.sh"
	if os.Getenv("ATHENATRAIL_FORBID_SKIP") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

// A parsed is what a parser makes of a definition.
type parsed struct {
	Kind, Name, Error   string
	Columns, Partitions [][2]string
}

func parse(t *testing.T, python string, statements [][2]string) []parsed {
	t.Helper()
	in, err := json.Marshal(statements)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, filepath.Join("..", "..", "scripts", "ddl-oracle", "parse.py"))
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var list []parsed
	if err == nil {
		err = json.Unmarshal(out, &list)
	}
	if err != nil || len(list) != len(statements) {
		t.Fatalf("%d answers to %d statements: %v", len(list), len(statements), err)
	}
	return list
}

// definitionsOf cuts a script as it is written, and says which language each
// statement is in: Athena takes tables and databases in Hive's and views in
// Trino's.
func definitionsOf(script, tables string) (list [][2]string) {
	for part := range strings.SplitSeq(script, ";\n") {
		for part = strings.TrimSpace(part); strings.HasPrefix(part, "--"); {
			_, part, _ = strings.Cut(part, "\n")
			part = strings.TrimSpace(part)
		}
		switch {
		case part == "":
		case strings.Contains(part[:min(len(part), 40)], " VIEW "):
			list = append(list, [2]string{"trino", part})
		default:
			list = append(list, [2]string{tables, part})
		}
	}
	return list
}

// TestHiveDDL has every statement of the script for Athena parsed by a parser
// that is not ours, and compares the tables' columns with those of the script
// for Trino, which a real Trino takes in internal/trinotest.
func TestHiveDDL(t *testing.T) {
	python := parsers(t)
	o := DDLOptions{Location: "s3://usage-lake/x", Trail: "s3://trail-logs", Accounts: []string{"111122223333"}, Regions: []string{"eu-west-1"}, Compat: true}
	script := map[string]map[string]parsed{}
	for engine, dialect := range map[string]string{"athena": "hive", "trino": "trino"} {
		text, err := DDL(engine, o)
		if err != nil {
			t.Fatal(err)
		}
		statements := definitionsOf(text, dialect)
		if len(statements) < 60 {
			t.Errorf("%s: %d statements", engine, len(statements))
		}
		script[engine] = map[string]parsed{}
		for i, p := range parse(t, python, statements) {
			switch {
			case engine == "trino" && strings.HasPrefix(statements[i][1], "USE "):
			case p.Error != "":
				t.Errorf("%s: %s\n%s", engine, p.Error, statements[i][1])
			case p.Kind == "CREATE TABLE":
				script[engine][p.Name] = p
			}
		}
	}
	trail := script["athena"]["cloudtrail_logs"]
	delete(script["athena"], "cloudtrail_logs")
	if len(script["athena"]) < 20 || len(script["athena"]) != len(script["trino"]) {
		t.Errorf("%d tables in Athena, %d in Trino", len(script["athena"]), len(script["trino"]))
	}
	for name, hive := range script["athena"] {
		// Hive has its partitions apart, and one type of times.
		got := append(hive.Columns, hive.Partitions...)
		want := script["trino"][name].Columns
		for i := range want {
			want[i][1] = strings.Replace(want[i][1], "TIMESTAMP(3)", "TIMESTAMP", 1)
		}
		if d := cmp.Diff(want, got); d != "" || len(got) == 0 {
			t.Errorf("%s: Trino's columns (-), Hive's (+):\n%s", name, d)
		}
	}
	if n := len(trail.Columns); n < 30 || !strings.HasPrefix(trail.Columns[1][1], "ROW(type VARCHAR, principalid VARCHAR") {
		t.Errorf("cloudtrail_logs has %d columns: %v", n, trail.Columns)
	}
	if d := cmp.Diff([][2]string{{"account", "VARCHAR"}, {"region", "VARCHAR"}, {"timestamp", "VARCHAR"}}, trail.Partitions); d != "" {
		t.Error(d)
	}
}
