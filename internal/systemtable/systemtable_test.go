package systemtable_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/engine"
	"github.com/athenatrail/athenatrail/internal/systemtable"
)

var started = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// A table answers as Athena does for a system table of these columns, and the
// API knows the executions that begin with api.
type table struct {
	columns []athenaapitest.ResultColumn
	rows    map[string][]string // by id; "\x00" is NULL
	fails   string

	statements []string
	warnings   []string
	api        *athenaapitest.Server
}

func (x *table) asker(t *testing.T, atLeast int) *systemtable.Asker {
	t.Helper()
	var err error
	x.api, err = athenaapitest.Start(athenaapitest.Config{
		Lookup: func(_, _, id string) (athenaapitest.Execution, bool) {
			return athenaapitest.Execution{ID: id, Query: "SELECT 'api'", StatementType: "DML", WorkGroup: "primary",
				Status: athenaapitest.Status{State: "SUCCEEDED", SubmittedAt: athenaapitest.Epoch{Time: started}}}, strings.HasPrefix(id, "api")
		},
		Run:   x.run,
		Keys:  []athenaapitest.Key{{ID: "AKIDEXAMPLE", Secret: "secret", Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/collector"}},
		Rates: map[string]athenaapitest.Rate{"GetQueryExecution": athenaapitest.Unlimited, "BatchGetQueryExecution": athenaapitest.Unlimited},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.api.Close() })
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &x.api.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")}
	db, err := engine.Athena{Config: cfg, Database: "metadata", OutputLocation: "s3://results/", Poll: time.Millisecond}.Open(new(engine.Meter))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &systemtable.Asker{
		DB: db, Table: "metadata.query_executions", API: athenaapi.New(cfg, "111122223333", athenaapi.NewPacers(1000)), AtLeast: atLeast,
		Warn: func(err error) { x.warnings = append(x.warnings, err.Error()) },
	}
}

func (x *table) run(_ context.Context, s athenaapitest.Statement) (r athenaapitest.Result, err error) {
	x.statements = append(x.statements, s.SQL)
	if x.fails != "" {
		return r, &athenaapitest.RunFailure{Category: 2, Message: x.fails}
	}
	r.Columns = x.columns
	if strings.Contains(s.SQL, "WHERE false") {
		return r, nil
	}
	for id, cells := range x.rows {
		if !strings.Contains(s.SQL, "'"+id+"'") {
			continue
		}
		var row []*string
		for _, cell := range cells {
			if cell == "\x00" {
				row = append(row, nil)
			} else {
				row = append(row, &cell)
			}
		}
		r.Rows = append(r.Rows, row)
	}
	return r, nil
}

func wanted(ids ...string) (all []athenaapi.Wanted) {
	for _, id := range ids {
		all = append(all, athenaapi.Wanted{ID: id, Started: started})
	}
	return all
}

func ask(t *testing.T, a *systemtable.Asker, all []athenaapi.Wanted) map[string]athenaapi.Answer {
	t.Helper()
	got := map[string]athenaapi.Answer{}
	for answer := range a.Details(t.Context(), started.Add(time.Hour), all) {
		if _, twice := got[answer.Wanted.ID]; twice {
			t.Errorf("%s answered twice", answer.Wanted.ID)
		}
		got[answer.Wanted.ID] = answer
	}
	return got
}

func columns(kinds ...string) (list []athenaapitest.ResultColumn) {
	for i := 0; i < len(kinds); i += 2 {
		list = append(list, athenaapitest.ResultColumn{Name: kinds[i], Type: kinds[i+1]})
	}
	return list
}

// TestColumns shows what becomes of columns in the forms that they may have.
func TestColumns(t *testing.T) {
	for name, x := range map[string]struct {
		columns []athenaapitest.ResultColumn
		row     []string
		want    string
	}{
		"flat, as the API calls them": {
			columns("query_execution_id", "varchar", "query_string", "varchar", "work_group_name", "varchar", "database_name", "varchar", "state", "varchar", "submission_date_time", "double",
				"data_scanned_in_bytes", "bigint", "reused_previous_result", "boolean", "principal_arn", "varchar", "dpu_count", "double", "effective_engine_version", "varchar"),
			[]string{"q", "SELECT 1", "etl", "sales", "SUCCEEDED", "1.7936100015E9", "7", "false", "arn:x", "\x00", "Athena engine version 3"},
			`{"EngineVersion":{"EffectiveEngineVersion":"Athena engine version 3"},"QueryExecutionContext":{"Database":"sales"},"QueryExecutionId":"q","Source":"system_table",` +
				`"Statistics":{"DataScannedInBytes":7,"ResultReuseInformation":{"ReusedPreviousResult":false}},"Status":{"State":"SUCCEEDED","SubmissionDateTime":1793610001.5},"WorkGroup":"etl"}`,
		},
		"nested": {
			columns("query_execution_id", "varchar", "status", "varchar", "statistics", "varchar", "query_execution_context", "varchar"),
			[]string{"q", `{"state":"FAILED","athena_error":{"error_category":2,"error_message":"no"},"submission_date_time":"2026-11-02 09:00:01.500 UTC"}`, `{"data_scanned_in_bytes":12345678901234567890,"dpu_count":null}`, `{"catalog":"awsdatacatalog"}`},
			`{"QueryExecutionContext":{"Catalog":"awsdatacatalog"},"QueryExecutionId":"q","Source":"system_table","Statistics":{"DataScannedInBytes":12345678901234567890},` +
				`"Status":{"AthenaError":{"ErrorCategory":2,"ErrorMessage":"no"},"State":"FAILED","SubmissionDateTime":1793610001.5}}`,
		},
		"this program's own, of odd types": {
			columns("QUERY_EXECUTION_ID", "varchar", "state", "varchar", "data_scanned_bytes", "varchar", "engine_ms", "varchar", "total_ms", "bigint", "reused_result", "varchar", "statistics", "varchar"),
			[]string{"q", "CANCELLED", "11", "many", "3", "true", "no JSON"},
			`{"QueryExecutionId":"q","Source":"system_table","Statistics":{"DataScannedInBytes":"x","ResultReuseInformation":{"ReusedPreviousResult":true},"TotalExecutionTimeInMillis":3},"Status":{"State":"CANCELLED"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := x
			tab := &table{columns: x.columns, rows: map[string][]string{"q": x.row}}
			got := ask(t, tab.asker(t, 1), wanted("q"))["q"]
			want := strings.Replace(x.want, `"DataScannedInBytes":"x"`, `"DataScannedInBytes":11`, 1)
			if d := cmp.Diff(want, got.Detail.Answer); d != "" || got.Err != nil || !got.Detail.Final || got.Detail.Outcome != athenatrail.OutcomeAnswered {
				t.Errorf("%+v\n%s", got, d)
			}
			if len(tab.warnings) > 0 {
				t.Errorf("warned %q", tab.warnings)
			}
		})
	}
}

var plainColumns = columns("query_execution_id", "varchar", "state", "varchar", "query_string", "varchar")

// TestRest shows who is asked for what: the API for ids that the table does
// not know or has no state of, and for sessions.
func TestRest(t *testing.T) {
	tab := &table{columns: plainColumns, rows: map[string][]string{
		"a": {"a", "SUCCEEDED", "SELECT 'table'"}, "api-odd": {"api-odd", "\x00", "x"}, "unasked": {"unasked", "SUCCEEDED", "x"},
	}}
	a := tab.asker(t, 1)
	all := append(wanted("a", "api-1", "api-odd", "it's", "nobody"), athenaapi.Wanted{Kind: athenatrail.KindSession, ID: "s", Started: started})
	got := ask(t, a, all)
	if len(got) != len(all) {
		t.Errorf("%d answers", len(got))
	}
	for id, sql := range map[string]string{"a": "SELECT 'table'", "api-1": "SELECT 'api'", "api-odd": "SELECT 'api'"} {
		if g := got[id]; g.Err != nil || g.Text == nil || g.Text.QueryString != sql {
			t.Errorf("%s: %+v", id, g)
		}
	}
	var answer map[string]any
	json.Unmarshal([]byte(got["api-1"].Detail.Answer), &answer)
	if answer["Source"] != nil {
		t.Errorf("the API's answer says it is of the table: %v", answer)
	}
	if got["nobody"].Detail.Outcome != athenatrail.OutcomeNotFound {
		t.Errorf("nobody: %+v", got["nobody"])
	}
	if n := len(tab.statements); n != 2 || strings.Contains(tab.statements[1], "it's") {
		t.Errorf("%d statements: %q", n, tab.statements)
	}
}

// TestThousands shows that thousands of ids take few statements, each within
// what Athena takes, bounded by the time of its ids.
func TestThousands(t *testing.T) {
	tab := &table{columns: plainColumns, rows: map[string][]string{}}
	var all []athenaapi.Wanted
	for i := range 9000 {
		id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", i)
		tab.rows[id] = []string{id, "SUCCEEDED", "SELECT 1"}
		all = append(all, athenaapi.Wanted{ID: id, Started: started.Add(time.Duration(i) * time.Minute)})
	}
	if got := ask(t, tab.asker(t, 100), all); len(got) != 9000 {
		t.Errorf("%d answers", len(got))
	}
	if n := len(tab.statements); n != 4 {
		t.Errorf("%d statements", n)
	}
	if !strings.Contains(tab.statements[1], "BETWEEN TIMESTAMP '2026-11-01 09:00:00 UTC' AND TIMESTAMP '2026-11-06 03:39:00 UTC'") {
		t.Errorf("asked %.300s", tab.statements[1])
	}
	if got := tab.api.Counts("BatchGetQueryExecution").Requests; got != 0 {
		t.Errorf("the API was asked %d times", got)
	}
}

// TestWithout shows that the API is asked where the table cannot be, which is
// said once, and where there are few ids.
func TestWithout(t *testing.T) {
	tab := &table{columns: plainColumns, fails: "CATALOG_NOT_FOUND: s3tablescatalog/aws-athena"}
	got := ask(t, tab.asker(t, 1), wanted("api-1", "api-2"))
	if len(got) != 2 || got["api-1"].Text == nil || len(tab.warnings) != 1 || !strings.Contains(tab.warnings[0], "CATALOG_NOT_FOUND") {
		t.Errorf("%+v, warned %q", got, tab.warnings)
	}
	tab = &table{columns: columns("id", "varchar")}
	if got := ask(t, tab.asker(t, 1), wanted("api-1")); got["api-1"].Text == nil || len(tab.warnings) != 1 || !strings.Contains(tab.warnings[0], "no column query_execution_id") {
		t.Errorf("%+v, warned %q", got, tab.warnings)
	}
	tab = &table{columns: plainColumns}
	if got := ask(t, tab.asker(t, 3), wanted("api-1", "api-2")); len(got) != 2 || len(tab.statements) > 0 || len(tab.warnings) > 0 {
		t.Errorf("%+v, statements %q, warned %q", got, tab.statements, tab.warnings)
	}
}
