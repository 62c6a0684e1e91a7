package annotation

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	uuid = "0d9a2b6e-4f1c-4a7e-9b3d-5c8e7f6a1b20"
	hash = "5d715dcb0419480bf0618e6a57cb62591057db791ae6252639b79236e480e84d"
)

// specimens are one whole comment of each tool, in its own place.
var specimens = []struct {
	comment string
	place   place
	want    Note
}{
	{"/* Username: ada@example.com, query_id: 12, Queue: queries, Job ID: 5c1f, Query Hash: 9f2e, Scheduled: False */", head, Note{Tool: "redash", User: "ada@example.com", Detail: "query 12"}},
	{"-- Metabase:: userID: 7 queryType: native queryHash: " + hash, head, Note{Tool: "metabase", User: "metabase:7"}},
	{`-- Looker Query Context '{"user_id":6,"history_slug":"fc83","instance_slug":"71d4"}' `, head | tail | middle, Note{Tool: "looker", User: "looker:6"}},
	{`/* {"app": "dbt", "dbt_version": "1.8.3", "profile_name": "shop", "target_name": "prod", "node_id": "model.shop.orders"} */`, head | tail, Note{Tool: "dbt", Detail: "model.shop.orders"}},
	{`-- /* {"app": "dbt", "dbt_version": "1.8.3", "profile_name": "shop", "target_name": "prod", "node_id": "test.shop.unique_orders_id.fed79b3a6e"} */`, head | tail, Note{Tool: "dbt", Detail: "test.shop.unique_orders_id.fed79b3a6e"}},
	{"-- /* executed by dbt */;", head | tail, Note{Tool: "dbt"}},
	{`/* {"app": "OpenMetadata", "version": "1.5.0"} */`, head, Note{Tool: "openmetadata"}},
	{`-- {"user":"@ada","email":"ada@example.com","url":"https://modeanalytics.com/shop/reports/6234ff78bc7d/runs/662b21949629/queries/f0aad24d5b37","scheduled":false}`, tail, Note{Tool: "mode", User: "ada@example.com", Detail: "report 6234ff78bc7d"}},
	{`-- Hex query metadata: {"context": "SCHEDULED_RUN", "project_id": "` + uuid + `", "project_name": "Sales", "user_email": "ada@example.com"}`, head | tail, Note{Tool: "hex", User: "ada@example.com", Detail: "project " + uuid}},
	{`-- Sigma Σ {"sourceUrl":"https://app.sigmacomputing.com/shop/workbook/Sales-Board-5Sd96Rf9IqJJ1z7sZvhkPp?:displayNodeId=w-rs","kind":"adhoc","request-id":"g019d","user-id":"B1FT","email":"Ada@example.com"}`, tail, Note{Tool: "sigma", User: "Ada@example.com", Detail: "workbook 5Sd96Rf9IqJJ1z7sZvhkPp"}},
	{`-- {"organization_uuid":"` + uuid + `","project_uuid":"` + uuid + `","user_uuid":"` + strings.ToUpper(uuid) + `","chart_uuid":"` + uuid + `","query_context":"chart"}`, tail, Note{Tool: "lightdash", User: "lightdash:" + uuid, Detail: "chart " + uuid}},
	{"/* partner: ThoughtSpot */", head, Note{Tool: "thoughtspot"}},
	{"/* QuickSight " + uuid + " */", head, Note{Tool: "quicksight"}},
	{"/* ApplicationName=DBeaver 22.3.3 - SQLEditor <Script-2.sql> */", head, Note{Tool: "dbeaver"}},
	{"/* ApplicationName=DataGrip 2022.2.5 */", head, Note{Tool: "datagrip"}},
	{"/* ApplicationName=IntelliJ IDEA 2023.1 */", head, Note{Tool: "intellij"}},
	{"/*application='airflow',dag_id='nightly',task_id='load%20orders',user='ada%40example.com'*/", tail, Note{Tool: "airflow", User: "ada@example.com", Detail: "nightly.load orders"}},
}

var markOnly = cmpopts.IgnoreFields(Note{}, "Comment", "Offset")

func TestMarkers(t *testing.T) {
	const select1 = "SELECT a, 'it''s' AS \"b\" FROM t"
	found := map[string]bool{}
	for _, s := range specimens {
		found[s.want.Tool] = true
		f := func(what, before, after string, want Note) {
			t.Helper()
			sql := before + s.comment + after
			got, ok := (*Patterns)(nil).Find(sql)
			if ok != (want != Note{}) || !cmp.Equal(want, got, markOnly) {
				t.Errorf("%s: %s: got %+v, want %+v", s.comment, what, got, want)
			}
			if ok && (got.Comment != s.comment || got.Offset != len(before)) {
				t.Errorf("%s: %s: got %q at %d", s.comment, what, got.Comment, got.Offset)
			}
		}
		at := func(p place) Note {
			if s.place&p != 0 {
				return s.want
			}
			return Note{}
		}
		f("head", "", "\n"+select1, at(head))
		f("head", "\ufeff \t\r\n/* hello */ -- there\n", "\r\n"+select1, at(head))
		f("tail", select1+"\n", "\n", at(tail))
		f("tail", select1+" ;;\n/* hello */\n", "\n-- there", at(tail))
		f("middle", "SELECT a,\n", "\n b FROM t", at(middle))
		f("middle", "SELECT 'a' FROM (", "\nSELECT 1) x", at(middle))
		f("behind a semicolon", "; ", "\n"+select1, at(middle))

		f("a literal that is not closed", "SELECT a FROM t WHERE b = '", "", Note{})
		f("a name that is not closed", "SELECT a FROM t WHERE b = `", "", Note{})
		f("a comment in a comment", "/* x "+strings.Repeat("x", 3), " ", Note{})
		quoted := func(q string) {
			sql := select1 + " WHERE " + q + strings.ReplaceAll(s.comment, q, q+q) + q
			if n, ok := (*Patterns)(nil).Find(sql); ok {
				t.Errorf("%s: out of a literal: %+v", sql, n)
			}
		}
		quoted("'")
		quoted("\"")
		quoted("`")

		// A comment that is cut names nobody.
		for i := range len(s.comment) {
			cut := s.comment[:i]
			if strings.TrimRight(cut, " ;") == strings.TrimRight(s.comment, " ;") {
				continue
			}
			for _, sql := range []string{cut, cut + "\n" + select1, select1 + "\n" + cut, select1 + " " + cut + "\n;"} {
				if n, _ := (*Patterns)(nil).Find(sql); n.User != "" {
					t.Errorf("%s: names %s", sql, n.User)
				}
			}
		}
	}
	for _, m := range markers {
		if m.tool != "" && !found[m.tool] {
			t.Errorf("%s has no specimen", m.tool)
		}
	}
}

// TestForms is about what the comments of each tool may hold.
func TestForms(t *testing.T) {
	f := func(sql, tool, user, detail string) {
		t.Helper()
		got, ok := (*Patterns)(nil).Find(sql)
		if want := (Note{Tool: tool, User: user, Detail: detail}); !ok || !cmp.Equal(want, got, markOnly) {
			t.Errorf("%s\ngot  %+v, %v\nwant %+v", sql, got, ok, want)
		}
	}
	none := func(sql string) {
		t.Helper()
		if n, ok := (*Patterns)(nil).Find(sql); ok || n != (Note{}) {
			t.Errorf("%s\ngot %+v, want none", sql, n)
		}
	}

	// Redash: any order, both generations of keys, both kinds of comments.
	f("/* Query Hash: 9f2e, Scheduled: True, query_id: 3, Username: ada@example.com, Job ID: 5c1f */ SELECT 1", "redash", "ada@example.com", "query 3")
	f("/* Username: Scheduled, Task ID: 66c2, Query ID: 15, Queue: scheduled_queries, Query Hash: 59ad */ SELECT 1", "redash", "", "query 15")
	f("-- Username: ada@example.com, Query ID: 15, Job ID: 5c1f, Query Hash: 59ad, Scheduled: False -- \n SELECT 1", "redash", "ada@example.com", "query 15")
	f("/* Username: Lovelace, Ada, query_id: adhoc, Query Hash: 9f2e */ SELECT 1", "redash", "Lovelace, Ada", "")
	f("/* Username: <ApiKey: 3>, query_id: None, Query Hash: 9f2e */ SELECT 1", "redash", "", "")
	f("/* Username: <None>, query_id: 0012, Query Hash: 9f2e */ SELECT 1", "redash", "", "")
	f("/* Username: None, query_id: 12, Query Hash: 9f2e */ SELECT 1", "redash", "", "query 12")
	f("/* Username: , query_id: 12, Query Hash: 9f2e */ SELECT 1", "redash", "", "query 12")
	f("/* Username: metabase:7, query_id: 12, Query Hash: 9f2e */ SELECT 1", "redash", "", "query 12")
	f("/* Username: ada\u202e@example.com, Query Hash: 9f2e */ SELECT 1", "redash", "", "")
	f("/* Username: ada\x00@example.com, Query Hash: 9f2e */ SELECT 1", "redash", "", "")
	f("/* Username: "+strings.Repeat("a", 257)+", Query Hash: 9f2e */ SELECT 1", "redash", "", "")
	f("/* Username: ada, Some New Key: x, Query Hash: 9f2e */ SELECT 1", "redash", "ada", "")
	f("/* Username: 17, Query Hash: 9f2e */ SELECT 1", "redash", "redash:17", "")
	none("/* Username: ada@example.com, Username: bob@example.com, Query Hash: 9f2e */ SELECT 1")
	none("/* Username: ada@example.com */ SELECT 1")
	none("/* Query Hash: 9f2e */ SELECT 1")
	none("/* hello, Username: ada@example.com, Query Hash: 9f2e */ SELECT 1")
	none("/* Username: ada\xff@example.com, Query Hash: 9f2e */ SELECT 1")

	// Metabase.
	f("-- Metabase:: userID: 1 queryType: MBQL queryHash: "+hash+" dashboardID: 4 cardID: 2\nSELECT 1", "metabase", "metabase:1", "dashboard 4")
	f("-- Metabase:: userID: 1 queryType: MBQL queryHash: "+hash+" cardID: 2\nSELECT 1", "metabase", "metabase:1", "card 2")
	f("-- Metabase:: userID: 1 executionID: 77 queryType: native queryHash: "+hash+"\nSELECT 1", "metabase", "metabase:1", "")
	f("-- Metabase:: userID: null queryType: native queryHash: "+hash+"\nSELECT 1", "metabase", "", "")
	f("-- Metabase:: queryType: native queryHash: "+hash+"\nSELECT 1", "metabase", "", "")
	f("-- Metabase:: userID: ada@example.com queryType: native queryHash: "+hash+"\nSELECT 1", "metabase", "", "")
	f("-- Metabase:: userID: 12345678901234567890 queryType: native queryHash: "+hash+"\nSELECT 1", "metabase", "", "")
	none("-- Metabase:: userID: 1 queryType: native queryHash: " + hash[1:] + "\nSELECT 1")
	none("-- Metabase:: userID: 1 queryType: native queryHash: " + strings.ToUpper(hash) + "\nSELECT 1")
	f("-- Metabase\nSELECT 1", "metabase", "", "")
	none("-- Metabase is down\nSELECT 1")
	none("-- Metabase:: userID: 1 userID: 2 queryType: native queryHash: " + hash + "\nSELECT 1")
	none("-- Metabase:: userID: 1\nSELECT 1")
	none("/* Metabase:: userID: 1 queryType: native queryHash: " + hash + " */ SELECT 1")

	// Looker.
	f("SELECT a\n-- Looker Query Context '{ \"user_id\":\"6\",\"history_slug\":\"fc83\"}'\nFROM t", "looker", "looker:6", "")
	f(`-- Looker Query Context '{"user_id":null,"history_slug":"fc83"}'`+"\nSELECT 1", "looker", "", "")
	f(`-- Looker Query Context '{"user_id":-6,"history_slug":"fc83"}'`+"\nSELECT 1", "looker", "", "")
	f(`-- Looker Query Context '{"user_id":{"user_id":6},"history_slug":"fc83"}'`+"\nSELECT 1", "looker", "", "")
	none(`-- Looker Query Context '{"user_id":6,"user_id":7,"history_slug":"fc83"}'` + "\nSELECT 1")
	none(`-- Looker Query Context '{"user_id":6}'` + "\nSELECT 1")
	none(`-- Looker Query Context '{"user_id":6,"history_slug":"fc83"} '{}'` + "\nSELECT 1")
	none(`-- Looker Query Context '[{"user_id":6,"history_slug":"fc83"}]'` + "\nSELECT 1")

	// dbt.
	f("/* {\"node_id\": \"model.a.\\u00e9\", \"app\": \"dbt\",\n \"node_meta\": {\"app\": \"x\", \"tags\": [1, [2]]}} */ select 1", "dbt", "", "model.a.é")
	f(`/* {"app": "dbt", "connection_name": "master"} */ select 1`, "dbt", "", "")
	f(`/* {"app": "dbt", "node_id": "a\u0000b"} */ select 1`, "dbt", "", "")
	f("select 1\n/* Executed by dbt */;", "dbt", "", "")
	none(`/* {"app": "not dbt", "node_id": "model.a.b"} */ select 1`)
	none(`/* {"app": "dbt", "app": "dbt", "node_id": "model.a.b"} */ select 1`)
	none(`/* {"app": "dbt"} {"node_id": "model.a.b"} */ select 1`)
	none(`-- /* {"app": "dbt"}` + "\nselect 1")
	none("/* not executed by dbt */ select 1")

	// Mode, Hex, Sigma, Lightdash: an address that is none, and JSON of others.
	f("select 1\n"+`-- {"user":"@ada","email":"ada","url":"https://app.mode.com/shop/reports/62/runs/1"}`, "mode", "", "report 62")
	none("select 1\n" + `-- {"user":"@ada","email":"ada@example.com","url":"https://mode.com.example.com/shop/reports/62"}`)
	none("select 1\n" + `-- {"email":"ada@example.com"}`)
	f("select 1\n"+`-- Hex query metadata: {"project_id": "a b", "user_email": "ada@example.com, bob@example.com"}`, "hex", "", "")
	none("select 1\n-- Hex query metadata: {")
	f("select 1\n"+`-- Sigma Σ {"request-id":"g019d","email":null}`, "sigma", "", "")
	f("select 1\n"+`-- {"project_uuid":"p","organization_uuid":"o","user_uuid":"`+uuid+`","chart_uuid":"c1","dashboard_uuid":"d1"}`, "lightdash", "lightdash:"+uuid, "dashboard d1")
	none("select 1\n" + `-- {"project_uuid":"p","user_uuid":"` + uuid + `"}`)

	f("/*\npartner:\"ThoughtSpot\"\n{\n\"user_id\",\"<hash>\"\n}\n*/\nselect 1", "thoughtspot", "", "")
	none("/* partner: ThoughtSpotter */ select 1")
	f("/* QuickSight */\nSELECT ds.* FROM ( SELECT 1 ) ds LIMIT 0", "quicksight", "", "")
	none("/* QuickSight needs this */ SELECT 1")
	none("/* ApplicationName=DBeaverish */ SELECT 1")
	none("/* ApplicationName=My App */ SELECT 1")

	// sqlcommenter: tools only by their names, people only by their addresses.
	f("SELECT 1 /*framework='superset:4.1',controller='index'*/;", "superset", "", "")
	f("SELECT 1 /* application='Airflow', dag_id='nightly' */", "airflow", "", "nightly")
	f(`SELECT 1 /*action='%2Fparam*d',name='it\'s',user='ada%40example.com'*/`, "", "ada@example.com", "")
	none("SELECT 1 /*application='shop',user='7'*/")
	none("SELECT 1 /*application='shop',user='ada'*/")
	none("SELECT 1 /*application='airflowish'*/")
	none("SELECT 1 /*dddbs='orders',ddps='shop',dde='prod'*/")
	none("SELECT 1 /*user='ada%40example.com',user='bob%40example.com'*/")
	none("SELECT 1 /*user='ada%4'*/")
	none(`SELECT 1 /*user='ada%40example.com\'*/`)
	none("SELECT 1 /*user='ada%40example.com',*/")
	none("SELECT 1 /*x user='ada%40example.com'*/")
}

func TestPrecedence(t *testing.T) {
	f := func(sql, want string) {
		t.Helper()
		if n, _ := (*Patterns)(nil).Find(sql); n.User != want {
			t.Errorf("%s\ngot %+v, want %s", sql, n, want)
		}
	}
	const (
		redash   = "/* Username: ada@example.com, query_id: 12, Query Hash: 9f2e */ "
		forged   = "/* Username: bob@example.com, query_id: 12, Query Hash: 9f2e */ "
		metabase = "-- Metabase:: userID: 7 queryType: native queryHash: " + hash + "\n"
		looker   = "\n-- Looker Query Context '{\"user_id\":6,\"history_slug\":\"fc83\"}'"
		other    = "\n-- Looker Query Context '{\"user_id\":9,\"history_slug\":\"fc83\"}'"
	)
	f(redash+forged+"SELECT 1", "ada@example.com")
	f(redash+metabase+"SELECT 1", "ada@example.com")
	f(metabase+redash+"SELECT 1", "metabase:7")
	f(redash+"SELECT 1"+looker, "ada@example.com")
	f("SELECT 1"+other+looker, "looker:6")
	f("SELECT 1"+other+"\nFROM t"+looker, "looker:6")
	f("SELECT 1"+looker+"\nFROM t"+other+"\nWHERE c", "looker:6")
}

// TestDialects is about texts that Hive and Trino cut differently: no comment
// is read out of what may be a literal to one of them.
func TestDialects(t *testing.T) {
	const marker = "-- Looker Query Context '{\"user_id\":6,\"history_slug\":\"fc83\"}'"
	f := func(sql string, want bool) {
		t.Helper()
		if n, ok := (*Patterns)(nil).Find(sql); ok != want {
			t.Errorf("%s\ngot %+v", sql, n)
		}
	}
	f(`CREATE EXTERNAL TABLE t (a string COMMENT 'x\' `+marker+"\n'", false)
	f(`ALTER TABLE t SET TBLPROPERTIES ("a" = "x\" `+marker+"\n\")", false)
	f(`SELECT 'C:\' `+marker, true)
	f("CREATE TABLE t AS SELECT 'a' "+marker, true)
	f("-- a\r'\n"+marker+"\n'", false)
	f("SELECT 1 -- a\r\n"+marker+"\r\n", true)
}

// TestCorpus reads every line of the shared samples.
func TestCorpus(t *testing.T) {
	corpus := os.Getenv("ATHENATRAIL_CORPUS")
	if corpus == "" {
		t.Skip("ATHENATRAIL_CORPUS is not set")
	}
	want := map[string]Note{
		"quicksight":        {Tool: "quicksight"},
		"metabase":          {Tool: "metabase", User: "metabase:1"},
		"redash":            {Tool: "redash", User: "username"},
		"dbt-athena":        {Tool: "dbt", Detail: "snapshot.my_dbt_project.snappy"},
		"dbt-athena-append": {Tool: "dbt"},
		"dbt-other":         {Tool: "dbt", Detail: "model.samplestack.component_metric"},
		"looker":            {Tool: "looker", User: "looker:6"},
		"mode":              {Tool: "mode", User: "foo@acryl.io", Detail: "report 6234ff78bc7d"},
		"dbeaver":           {Tool: "dbeaver"},
		"datagrip":          {Tool: "datagrip"},
	}
	file, err := os.Open(filepath.Join(corpus, "bi-comments.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var line struct{ Tool, Position, SQL string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		expected, ok := want[line.Tool]
		if !ok {
			t.Errorf("no expectation for %s", line.Tool)
		}
		delete(want, line.Tool)
		got, _ := (*Patterns)(nil).Find(line.SQL)
		if d := cmp.Diff(expected, got, markOnly); d != "" {
			t.Errorf("%s (-want +got):\n%s", line.Tool, d)
		}
		if line.Position == "prefix" && got.Offset != 0 || got.Comment != line.SQL[got.Offset:got.Offset+len(got.Comment)] {
			t.Errorf("%s: %q at %d", line.Tool, got.Comment, got.Offset)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for tool := range want {
		t.Errorf("no line for %s", tool)
	}
}
