package derive

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/price"
)

// rowOf returns the row of an execution with that answer.
func rowOf(t testing.TB, answer string) athenatrail.QueryExecution {
	t.Helper()
	det := &athenatrail.Detail{Home: home, Kind: athenatrail.KindQueryExecution, ID: q1, Outcome: athenatrail.OutcomeAnswered, Final: true, Answer: answer}
	rows := feed(t, startOf("e1", q1, at("10:00:00")), det)
	if len(rows) != 1 {
		t.Fatalf("%d rows", len(rows))
	}
	return rows[0]
}

func TestFailedExecution(t *testing.T) {
	r := rowOf(t, `{"StatementType":"DML","Status":{"State":"FAILED","StateChangeReason":"COLUMN_NOT_FOUND: line 1",`+
		`"AthenaError":{"ErrorCategory":2.0,"ErrorType":1306.0,"Retryable":false,"ErrorMessage":"COLUMN_NOT_FOUND"}},"Statistics":{"DataScannedInBytes":500000000000}}`)
	if r.State != "FAILED" || r.StateChangeReason != "COLUMN_NOT_FOUND: line 1" || *r.ErrorCategory != 2 || *r.ErrorType != 1306 || r.ErrorMessage != "COLUMN_NOT_FOUND" || r.ErrorCode != "" {
		t.Errorf("%+v", r)
	}
	if *r.DataScannedBytes != 500e9 || *r.BilledBytes != 0 || *r.Cost != 0 || r.CostBasis != athenatrail.BasisFree {
		t.Errorf("%+v", r)
	}
}

// A member of an unexpected form costs no other member.
func TestOddAnswers(t *testing.T) {
	const statistics = `"Statistics":{"DataScannedInBytes":"12345678","EngineExecutionTimeInMillis":1.5E3,"TotalExecutionTimeInMillis":-1,"QueryQueueTimeInMillis":2.5,"QueryPlanningTimeInMillis":null,"ServiceProcessingTimeInMillis":{},"DpuCount":"many"}`
	r := rowOf(t, `{"StatementType":7,"SubstatementType":["SELECT"],"WorkGroup":{"Name":"x"},"QueryExecutionContext":"sales","EngineVersion":3,`+
		`"Status":{"State":"CANCELED","StateChangeReason":1,"SubmissionDateTime":"soon","CompletionDateTime":1777888800.5,"AthenaError":"none"},`+statistics+`}`)
	want := athenatrail.QueryExecution{
		QueryExecutionID: q1, AccountID: account, RegionName: region, EventID: "e1", Hour: 10, Who: r.Who, Where: r.Where,
		WorkGroupName: "asked", CatalogName: "AwsDataCatalog", DatabaseName: "sales", // the event's
		SubmissionDateTime: at("10:00:00"), CompletionDateTime: at("10:00:00").Add(500 * time.Millisecond),
		State: "CANCELLED", DataScannedBytes: ptr(int64(12345678)), BilledBytes: ptr(int64(12 << 20)), Cost: ptr(athenatrail.Money(57220)),
		Currency: "USD", CostBasis: "list", EngineMillis: ptr(int64(1500)),
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}

	for _, broken := range []string{"", "{", "null", "[]", `"x"`, `{"Status":`, strings.Repeat("[", 100_000)} {
		det := &athenatrail.Detail{Home: home, Kind: athenatrail.KindQueryExecution, ID: q1, Outcome: athenatrail.OutcomeAnswered, Final: true,
			State: "FAILED", SubmittedAt: at("09:59:59"), Answer: broken}
		r := feed(t, startOf("e1", q1, at("10:00:00")), det)[0]
		if r.State != "FAILED" || !r.SubmissionDateTime.Equal(at("09:59:59")) || r.DataScannedBytes != nil {
			t.Errorf("%.10q: %+v", broken, r)
		}
	}
}

func TestServiceMillis(t *testing.T) {
	f := func(statistics string, want *int64) {
		t.Helper()
		if d := cmp.Diff(want, rowOf(t, `{"Statistics":`+statistics+`}`).ServiceMillis); d != "" {
			t.Errorf("%s: %s", statistics, d)
		}
	}
	f(`{}`, nil)
	f(`{"ServiceProcessingTimeInMillis":7}`, ptr(int64(7)))
	f(`{"ServicePreProcessingTimeInMillis":5}`, ptr(int64(5)))
	f(`{"ServicePreProcessingTimeInMillis":5,"ServiceProcessingTimeInMillis":7}`, ptr(int64(12)))
	f(`{"ServicePreProcessingTimeInMillis":0}`, ptr(int64(0)))
	f(`{"ServicePreProcessingTimeInMillis":9223372036854775800,"ServiceProcessingTimeInMillis":9223372036854775800}`, ptr(int64(math.MaxInt64)))
}

func TestCapacity(t *testing.T) {
	r := rowOf(t, `{"StatementType":"DML","Status":{"State":"SUCCEEDED"},"Statistics":{"DataScannedInBytes":1000,"DpuCount":24}}`)
	if r.CostBasis != athenatrail.BasisCapacity || r.Cost != nil || *r.DPUCount != 24 {
		t.Errorf("%+v", r)
	}
}

// Of several details of one execution the one that says most is used, however
// they come.
func TestBestDetail(t *testing.T) {
	running := answer(q1, at("10:00:00"), object{"WorkGroup": "running"})
	running.Final = false
	final := answer(q1, at("10:00:00"), object{"WorkGroup": "final"})
	none, old := outcome(q1, athenatrail.OutcomeNoRole), outcome(q1, athenatrail.OutcomeTooOld)
	denied := outcome(q1, athenatrail.OutcomeDenied)

	f := func(gap, workGroup string, details ...*athenatrail.Detail) {
		t.Helper()
		rapid.Check(t, func(t *rapid.T) {
			d := NewDay(home, newSettings(unfailing{}, price.Settings{}))
			for _, det := range rapid.Permutation(details).Draw(t, "details") {
				d.Detail(det)
			}
			if _, err := d.Event(startOf("e1", q1, at("10:00:00"))); err != nil {
				t.Fatal(err)
			}
			rows, _ := d.Tables()
			if rows[0].Gap != gap || rows[0].WorkGroupName != workGroup {
				t.Fatalf("gap %q of %q, want %q of %q", rows[0].Gap, rows[0].WorkGroupName, gap, workGroup)
			}
		})
	}
	f("", "final", running, final, none, old)
	// Of equals the earlier day's, whatever else they hold.
	for _, workGroup := range []string{"a", "b", "c", "d", "e", "f"} {
		f("", workGroup, final, running, answer(q1, at("00:00:00").Add(-time.Second), object{"WorkGroup": workGroup, "Annotation": workGroup}))
	}
	f(athenatrail.GapPending, "running", running, none, old)
	f(athenatrail.GapExpired, "asked", none, old, denied)
	f(athenatrail.GapNoAccess, "asked", none, denied)
}

func TestInstant(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		var i instant
		if err := i.UnmarshalJSON([]byte(in)); err != nil {
			t.Fatal(err)
		}
		got := ""
		if i != 0 {
			got = time.UnixMilli(int64(i)).UTC().Format("2006-01-02T15:04:05.000")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	f(`1593470720.592`, "2020-06-29T22:45:20.592")
	f(`1.593470720592E9`, "2020-06-29T22:45:20.592")
	f(`1593470720`, "2020-06-29T22:45:20.000")
	f(`"1593470720.592"`, "2020-06-29T22:45:20.592")
	f(`1593470720.5919999`, "2020-06-29T22:45:20.592") // what went through a float
	f(`1593470720.59200001`, "2020-06-29T22:45:20.592")
	f(`1593470720.9996`, "2020-06-29T22:45:21.000")
	f(`"2021-12-04T15:01:29.246000+09:00"`, "2021-12-04T06:01:29.246")
	f(`"2021-08-16T23:29:06.869000"`, "2021-08-16T23:29:06.869")
	f(`"2021-08-16T23:29:06Z"`, "2021-08-16T23:29:06.000")
	f(`0`, "")
	f(`-5`, "")
	f(`1e400`, "")
	f(`1e-400`, "")
	f(`1e99999999999`, "")
	f(`1593470720592`, "") // milliseconds
	f(`"yesterday"`, "")
	f(`""`, "")
	f(`null`, "")
	f(`{}`, "")
}

// A number means the same however it is written.
func TestScaledProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		scale := rapid.SampledFrom([]int{0, 3}).Draw(t, "scale")
		got, ok := scaled(text, scale)

		exact, valid := new(big.Rat).SetString(text)
		if !valid {
			t.Fatalf("%q is no number", text)
		}
		if scale == 3 {
			exact.Mul(exact, big.NewRat(1000, 1))
		}
		if !ok {
			tooLarge := new(big.Rat).Abs(exact).Cmp(new(big.Rat).SetInt64(math.MaxInt64-1000)) > 0
			if !tooLarge && (scale != 0 || exact.IsInt()) {
				t.Fatalf("%q is refused", text)
			}
			return
		}
		off := new(big.Rat).Sub(exact, new(big.Rat).SetInt64(got))
		if off.Abs(off).Cmp(big.NewRat(1, 2)) > 0 || scale == 0 && off.Sign() != 0 {
			t.Fatalf("%q is read as %d", text, got)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(answer(q1, midnight, nil).Answer)
	f.Add(`{"Status":{"State":"FAILED","SubmissionDateTime":1.5e9}}`)
	f.Add(`{"Statistics":{"DataScannedInBytes":1e3,"DpuCount":4.5}}`)
	settings := newSettings(f, price.Settings{})
	f.Fuzz(func(t *testing.T, answer string) {
		d := NewDay(home, settings)
		d.Detail(&athenatrail.Detail{Home: home, Kind: athenatrail.KindQueryExecution, ID: q1, Outcome: athenatrail.OutcomeAnswered, Final: true, Answer: answer})
		if _, err := d.Event(startOf("e1", q1, at("10:00:00"))); err != nil {
			t.Fatal(err)
		}
		rows, usage := d.Tables()
		if len(rows) != 1 || len(usage.Rollup) != 1 {
			t.Fatalf("%d rows, %d sums", len(rows), len(usage.Rollup))
		}
		for _, n := range []*int64{rows[0].DataScannedBytes, rows[0].EngineMillis, rows[0].ServiceMillis, rows[0].TotalMillis, rows[0].BilledBytes} {
			if n != nil && *n < 0 {
				t.Fatalf("negative: %s", answer)
			}
		}
		if _, err := json.Marshal(rows[0]); err != nil { // a number that is none
			t.Fatal(err)
		}
	})
}
