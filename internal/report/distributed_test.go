package report

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// TestBound puts values in as literals, and takes no question mark for a place
// that is in a text, a name or a comment.
func TestBound(t *testing.T) {
	f := func(text, want string, args ...any) {
		t.Helper()
		got, err := bound(text, args)
		if err != nil || got != want {
			t.Errorf("%q with %q is %q, %v; want %q", text, args, got, err, want)
		}
	}
	f("SELECT a FROM t WHERE a = ? AND b = '?' AND \"c?\" = ? -- ?\n/* ? */", "SELECT a FROM t WHERE a = 'x' AND b = '?' AND \"c?\" = 'y' -- ?\n/* ? */", "x", "y")
	f("SELECT ?", "SELECT ''' OR ''''=''--'", "' OR ''='--")
	f("SELECT ?", "SELECT '? \\ \n \"'", "? \\ \n \"")
	f("SELECT ?||?", "SELECT '?'||'''?'", "?", "'?")
	for _, args := range [][]any{{}, {"a", "b"}, {1}, {"a\x00b"}} {
		if got, err := bound("SELECT ?", args); err == nil {
			t.Errorf("with %v it is %q", args, got)
		}
	}
}

// FuzzBound shows that a value is one text token, whatever it holds.
func FuzzBound(f *testing.F) {
	for _, seed := range []string{"", "'", "''", "\\'", "?", "-- ", "/*", "\"", "\u2019", "a\nb", "';DROP TABLE x;--"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		text, err := bound("SELECT x FROM t WHERE a = ? AND b = ?", []any{value, "end"})
		if strings.ContainsRune(value, 0) {
			if !errors.Is(err, ErrUsage) {
				t.Errorf("NUL was taken: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		count := 0
		for token := range sqllex.Tokens(text) {
			if count++; token.Kind == sqllex.Text {
				texts = append(texts, token.Text)
			}
		}
		if len(texts) != 2 || texts[1] != "'end'" || count != 12 {
			t.Fatalf("%q became %d tokens: %q", value, count, text)
		}
		if got := strings.ReplaceAll(texts[0][1:len(texts[0])-1], "''", "'"); got != value {
			t.Errorf("%q became %q", value, got)
		}
	})
}

func TestGuardDistributed(t *testing.T) {
	for query, ok := range map[string]bool{
		"SELECT 1": true, "with a as (select 1) select * from a;": true, "(SELECT 1) UNION (SELECT 2)": true, "VALUES 1": true, "-- a\nSELECT ';' ; -- b": true,
		"": false, "/* SELECT */": false, "DROP TABLE x": false, "SELECT 1; DROP TABLE x": false, "INSERT INTO x SELECT 1": false, "EXPLAIN ANALYZE SELECT 1": false,
	} {
		if err := guardDistributed(query); (err == nil) != ok || err != nil && !errors.Is(err, ErrUsage) {
			t.Errorf("%q: %v", query, err)
		}
	}
	if got := withoutEnd("SELECT ';' ; -- b"); got != "SELECT ';' " {
		t.Errorf("without its end it is %q", got)
	}
}

// TestDistributedDefinitions looks at what the scripts for Athena, Trino and
// Glue say of the same tables.
func TestDistributedDefinitions(t *testing.T) {
	o := DDLOptions{Location: "s3://usage-lake/prod/", Trail: "s3://trail-logs/org", Compat: true, Accounts: []string{"111122223333"}}
	scripts := map[string]string{}
	for _, engine := range []string{"athena", "trino", "glue"} {
		text, err := DDL(engine, o)
		if err != nil {
			t.Fatal(err)
		}
		scripts[engine] = text
	}
	var glue []glueTable
	if err := json.Unmarshal([]byte(scripts["glue"]), &glue); err != nil {
		t.Fatal(err)
	}
	o.Location = strings.TrimRight(o.Location, "/")
	list := o.externals()
	if len(glue) != len(list) || len(list) != 2*6+1+len(facts)+1 {
		t.Fatalf("%d tables of Glue, %d in all", len(glue), len(list))
	}
	for i, e := range list {
		in := glue[i].TableInput
		if in.Name != e.name || len(in.StorageDescriptor.Columns) != len(e.columns) || in.StorageDescriptor.Location != e.location {
			t.Errorf("Glue has %s where %s should be", in.Name, e.name)
		}
		if e.byDay && (in.Parameters["projection.dt.type"] != "date" || in.Parameters["storage.location.template"] != e.location+"dt=${dt}/" || in.PartitionKeys[0] != (glueColumn{"dt", "date"})) {
			t.Errorf("%s: %v", e.name, in.Parameters)
		}
		if !strings.Contains(scripts["athena"], "CREATE EXTERNAL TABLE `"+e.name+"` (") {
			t.Errorf("Athena's script lacks %s", e.name)
		}
		if e.trail == nil && !strings.Contains(scripts["trino"], "CREATE TABLE "+e.name+" (") {
			t.Errorf("Trino's script lacks %s", e.name)
		}
	}
	for _, want := range []string{
		"LOCATION 's3://trail-logs/org/AWSLogs/'", "'projection.account.values' = '111122223333'", "'projection.region.type' = 'injected'",
		"'storage.location.template' = 's3://trail-logs/org/AWSLogs/${account}/CloudTrail/${region}/${timestamp}'", "CREATE OR REPLACE VIEW athena_api_output AS",
		"CREATE OR REPLACE VIEW report_users_databases AS", "sourceidentity:string", "`managementevent` string",
	} {
		if !strings.Contains(scripts["athena"], want) {
			t.Errorf("Athena's script lacks %q", want)
		}
	}
	for _, wrong := range []DDLOptions{
		{Location: "lake"}, {Location: "s3://a'b"}, {Location: "s3://a", Database: "x`; DROP"}, {Location: "s3://a", Trail: "s3://b\nc"}, {Location: "s3://a", Trail: "s3://b", Regions: []string{"x','y"}},
	} {
		if _, err := DDL("athena", wrong); !errors.Is(err, ErrUsage) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
}

// TestEveryViewIsDailyOrSaysWhyNot keeps the two lists whole.
func TestEveryViewIsDailyOrSaysWhyNot(t *testing.T) {
	daily := map[string]bool{}
	for _, d := range dailies {
		if _, err := Lookup(d.view); err != nil {
			t.Error(err)
		}
		daily[d.view] = true
	}
	for _, v := range Views() {
		if daily[v.Name] == (notDaily[v.Name] != "") {
			t.Errorf("%s: by days %t, and a reason why not: %q", v.Name, daily[v.Name], notDaily[v.Name])
		}
	}
}
