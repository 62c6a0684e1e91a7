package export_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/export"
	"github.com/athenatrail/athenatrail/internal/lake"
)

func TestFocus(t *testing.T) {
	f := newFixture(t)
	custom := ran("b", "2026-05-05 10:31:00", "")
	custom.CostBasis = athenatrail.BasisCustom
	capacity := ran("c", "2026-05-05 10:32:00", "")
	capacity.CostBasis, capacity.Cost, capacity.Currency, capacity.BilledBytes = athenatrail.BasisCapacity, nil, "", nil
	f.put("2026-05-05", ran("a", "2026-05-05 10:30:00", ""), custom, capacity)
	o := f.options("2026-05-05 10:00:00", "2026-05-05 11:00:00")
	o.Columns = export.Focus
	rows := f.export(o).rows()
	for name, want := range map[string]string{
		"BilledCost": "0.000567436", "EffectiveCost": "0.000567436", "ListCost": "0.000567436", "BillingCurrency": "USD",
		"ChargePeriodStart": "2026-05-05T10:00:00Z", "ChargePeriodEnd": "2026-05-05T11:00:00Z",
		"BillingPeriodStart": "2026-05-01T00:00:00Z", "BillingPeriodEnd": "2026-06-01T00:00:00Z",
		"ChargeCategory": "Usage", "ServiceName": "Amazon Athena", "ServiceCategory": "Analytics", "ProviderName": "AWS",
		"RegionId": region, "SubAccountId": account, "ResourceId": "arn:aws:athena:eu-west-1:111122223333:workgroup/analysts",
		"ConsumedQuantity": "123456789", "ConsumedUnit": "B", "PricingQuantity": "124780544", "PricingUnit": "B",
		"ChargeDescription": "Athena SQL, DML SELECT, estimated from data scanned",
		"Tags":              `{"person":"rosa@example.com","person_kind":"human","team":"finance","database_name":"sales"}`,
		"x_CostBasis":       "list", "x_QueryExecutionId": "a", "BillingAccountId": "",
	} {
		if rows[0][name] != want {
			t.Errorf("%s is %q, want %q", name, rows[0][name], want)
		}
	}
	if len(rows) != 3 || rows[1]["BilledCost"] != "0.000567436" || rows[1]["ListCost"] != "" || rows[2]["BilledCost"] != "" || rows[2]["PricingUnit"] != "" {
		t.Errorf("%v", rows)
	}
}

// AthenaMetrics wrote a file for 50 ids, so that a batch without an answer was
// the batch before once more, and no header.
func TestAthenaMetricsColumns(t *testing.T) {
	f := newFixture(t)
	f.put("2026-05-05", ran("a", "2026-05-05 10:30:00", ""), denied("x", "2026-05-05 10:40:00"))
	o := f.options("2026-05-05 10:00:00", "2026-05-05 11:00:00")
	o.Columns = export.AthenaMetrics
	const rows = "a,sales,1200,123456789,SUCCEEDED,2026-05-05 10:30:00+00:00,2026-05-05 10:30:01.500000+00:00\r\n" +
		",,,,,2026-05-05 10:40:00+00:00,\r\n"
	const name = "year=2026/month=05/day=05/hour=10/athena_metrics.csv"
	mustEqual(t, f.export(o).files[name], "queryid,querydatabase,executiontime,datascanned,status,submissiondatetime,completiondatetime\r\n"+rows)
	o.NoHeader = true
	mustEqual(t, f.export(o).files[name], rows)
	// Each of 120 executions is there once: batches are no part of the files.
	var many []athenatrail.QueryExecution
	for i := range 120 {
		many = append(many, ran(fmt.Sprintf("%03d", i), "2026-05-05 10:30:00", ""))
	}
	f.put("2026-05-05", many...)
	o.NoHeader = false
	ids := f.export(o).column("queryid")
	if len(ids) != 120 || len(slices.Compact(ids)) != 120 {
		t.Errorf("%d rows", len(ids))
	}
}

func TestOtherTables(t *testing.T) {
	f := newFixture(t)
	p := athenatrail.Partition{Date: athenatrail.DateOf(at("2026-05-05 00:00:00")), Account: account, Region: region}
	who := athenatrail.Who{Person: "rosa@example.com", PersonSource: "sso_session", PersonKind: "human", Team: "ml"}
	s := athenatrail.Session{SessionID: "s-1", AccountID: account, RegionName: region, Who: who, StartedAt: at("2026-05-05 10:30:00"), MFA: ptr(true), CoordinatorDPU: ptr(int32(1)), Cost: ptr(athenatrail.Money(1))}
	if _, err := lake.WriteTable(t.Context(), f.lake, lake.Sessions, p, lake.Sessions.Sorted([]athenatrail.Session{s}), "x"); err != nil {
		t.Fatal(err)
	}
	c := athenatrail.Calculation{CalculationExecutionID: "c-1", AccountID: account, RegionName: region, Who: who, SubmittedAt: at("2026-05-05 10:30:00")}
	if _, err := lake.WriteTable(t.Context(), f.lake, lake.Calculations, p, lake.Calculations.Sorted([]athenatrail.Calculation{c}), "x"); err != nil {
		t.Fatal(err)
	}
	a := athenatrail.Activity{EventID: "e-1", EventName: "GetWorkGroup", AccountID: account, RegionName: region, Who: who, EventTime: at("2026-05-05 10:30:00")}
	if _, err := lake.WriteTable(t.Context(), f.lake, lake.Activity, p, lake.Activity.Sorted([]athenatrail.Activity{a}), "x"); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string][2]string{"sessions": {"session_id", "s-1"}, "calculations": {"calculation_execution_id", "c-1"}, "activity": {"event_id", "e-1"}} {
		for _, output := range export.Outputs {
			o := f.options("2026-05-05 10:00:00", "2026-05-05 11:00:00")
			o.Table, o.Output = table, output
			e := f.export(o)
			if e.sum.Rows != 1 || len(e.files) != 1 {
				t.Errorf("%s: %+v", table, e.sum)
			}
			if output == export.CSV {
				mustEqual(t, e.column(want[0]), []string{want[1]})
				mustEqual(t, e.column("person"), []string{who.Person})
			}
		}
	}
	o := f.options("2026-05-05 10:00:00", "2026-05-05 11:00:00")
	o.Table = "sessions"
	row := f.export(o).rows()[0]
	if row["mfa"] != "true" || row["coordinator_dpu"] != "1" || row["cost"] != "0.000000001" || row["ended_at"] != "" || row["started_at"] != "2026-05-05T10:30:00Z" {
		t.Errorf("%v", row)
	}
}

// A Parquet file has the lake's types, also where it has no rows.
func TestParquetHasTheLakesTypes(t *testing.T) {
	f := newFixture(t)
	full := ran("a", "2026-05-05 10:30:00", f.sql("SELECT 1"))
	f.put("2026-05-05", full, denied("x", "2026-05-05 10:40:00"))
	o := f.options("2026-05-05 10:00:00", "2026-05-05 12:00:00")
	o.Output, o.Columns = export.Parquet, "all,query_string"
	e := f.export(o)
	type withSQL struct {
		QueryString *string `parquet:"query_string,optional"`
	}
	lakes := parquet.SchemaOf(athenatrail.QueryExecution{})
	read := func(name string) ([]athenatrail.QueryExecution, []withSQL) {
		t.Helper()
		data := e.files["year=2026/month=05/day=05/"+name+"/query_executions.parquet"]
		file, err := parquet.OpenFile(strings.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		columns := slices.DeleteFunc(append(slices.Clone(lakes.Columns()), []string{"query_string"}), func(path []string) bool { return path[0] == "hour" })
		mustEqual(t, file.Schema().Columns(), columns)
		for _, path := range columns[:len(columns)-1] {
			ours, _ := file.Schema().Lookup(path...)
			theirs, _ := lakes.Lookup(path...)
			if ours.Node.Type().String() != theirs.Node.Type().String() {
				t.Errorf("%v is %v, in the lake %v", path, ours.Node.Type(), theirs.Node.Type())
			}
		}
		rows, err := parquet.Read[athenatrail.QueryExecution](strings.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		texts, err := parquet.Read[withSQL](strings.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		return rows, texts
	}
	rows, texts := read("hour=10")
	if len(rows) != 2 || *texts[0].QueryString != "SELECT 1" || texts[1].QueryString != nil {
		t.Fatalf("%+v", rows)
	}
	mustEqual(t, rows[0].TablesAccessed, full.TablesAccessed)
	mustEqual(t, []any{*rows[0].Cost, *rows[0].DPUCount, *rows[0].ReusedResult, rows[0].SubmissionDateTime.UTC(), rows[0].Own},
		[]any{*full.Cost, *full.DPUCount, *full.ReusedResult, full.SubmissionDateTime, false})
	if rows[1].Cost != nil || rows[1].DataScannedBytes != nil || rows[1].QueryExecutionID != "" || rows[1].ErrorCode != "AccessDenied" {
		t.Errorf("%+v", rows[1])
	}
	if rows, _ := read("hour=11"); len(rows) != 0 {
		t.Errorf("%d rows", len(rows))
	}
}
