package athenaapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

// A request is one that a test server got.
type request struct {
	operation, id string
	in            map[string]any
}

// serveOne starts a server for operations with one id, and returns a client
// of it and the requests so far. A handle that writes nothing cuts the
// connection.
func serveOne(t *testing.T, region string, handle func(w http.ResponseWriter, r request, call int)) (*Client, func() []request) {
	var mu sync.Mutex
	var got []request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := request{operation: strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonAthena.")}
		if err := json.NewDecoder(r.Body).Decode(&q.in); err != nil {
			panic(http.ErrAbortHandler)
		}
		for _, name := range []string{"SessionId", "CalculationExecutionId", "ResourceARN"} {
			if v, ok := q.in[name].(string); ok {
				q.id = v
			}
		}
		mu.Lock()
		got = append(got, q)
		call := len(got)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		written := &tracked{ResponseWriter: w}
		handle(written, q, call)
		if !written.written {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(s.Close)
	pacers := NewPacers(10_000)
	for _, op := range []string{OpGetSession, OpGetCalculationExecution, OpListTagsForResource} {
		pacers.SetRate(op, 10_000)
	}
	c := New(aws.Config{
		Region: region, BaseEndpoint: aws.String(s.URL),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	}, "111122223333", pacers)
	c.retry.base, c.retry.most = time.Millisecond, 5*time.Millisecond
	return c, func() []request {
		mu.Lock()
		defer mu.Unlock()
		return got
	}
}

func sparkWanted(kind string, ids ...string) (list []Wanted) {
	for _, id := range ids {
		list = append(list, Wanted{Kind: kind, ID: id, Started: started})
	}
	return list
}

const secretSession = `{"SessionId":"s-1","Description":"payroll of rosa","WorkGroup":"ml","EngineVersion":"PySpark engine version 3","NotebookVersion":"Jupyter 1",
	"EngineConfiguration":{"CoordinatorDpuSize":1,"MaxConcurrentDpus":20,"DefaultExecutorDpuSize":1,
		"AdditionalConfigs":{"NotebookId":"n-1","token":"SECRET","NotebookIframeParentUrl":"https://SECRET"},
		"SparkProperties":{"fs.s3a.secret.key":"SECRET"},"Classifications":[{"Name":"spark-defaults","Properties":{"a":"SECRET"}}]},
	"SessionConfiguration":{"ExecutionRole":"arn:aws:iam::111122223333:role/r","WorkingDirectory":"s3://SECRET/","IdleTimeoutSeconds":1200,"SessionIdleTimeoutInMinutes":20,
		"EncryptionConfiguration":{"EncryptionOption":"SSE_KMS","KmsKey":"SECRET"}},
	"MonitoringConfiguration":{"S3LoggingConfiguration":{"LogLocation":"s3://SECRET"}},
	"Status":{"StartDateTime":%d.25,"LastModifiedDateTime":1.0E9,"EndDateTime":1700000000,"IdleSinceDateTime":1,"State":"TERMINATED","StateChangeReason":"a<b","New":{"x":"SECRET"}},
	"Statistics":{"DpuExecutionInMillis":9007199254740993},"Other":"SECRET"}`

func TestSessionDetail(t *testing.T) {
	c, calls := serveOne(t, "eu-west-1", func(w http.ResponseWriter, r request, _ int) {
		fmt.Fprintf(w, secretSession, started.Unix())
	})
	got := details(t, t.Context(), c, sparkWanted(athenatrail.KindSession, "s-1"))["s-1"]
	at := started.Add(250 * time.Millisecond)
	want := athenatrail.Detail{
		Home: athenatrail.NewPartition(at, "111122223333", "eu-west-1"), Kind: athenatrail.KindSession, ID: "s-1",
		Outcome: athenatrail.OutcomeAnswered, State: "TERMINATED", Final: true, SubmittedAt: at,
		Answer: `{"EngineConfiguration":{"AdditionalConfigs":{"NotebookId":"n-1"},"CoordinatorDpuSize":1,"DefaultExecutorDpuSize":1,"MaxConcurrentDpus":20},` +
			`"EngineVersion":"PySpark engine version 3","NotebookVersion":"Jupyter 1",` +
			`"SessionConfiguration":{"ExecutionRole":"arn:aws:iam::111122223333:role/r","IdleTimeoutSeconds":1200,"SessionIdleTimeoutInMinutes":20},"SessionId":"s-1",` +
			`"Statistics":{"DpuExecutionInMillis":9007199254740993},` +
			fmt.Sprintf(`"Status":{"EndDateTime":1700000000,"IdleSinceDateTime":1,"LastModifiedDateTime":1.0E9,"StartDateTime":%d.25,"State":"TERMINATED","StateChangeReason":"a<b"},`, started.Unix()) +
			`"WorkGroup":"ml"}`,
	}
	if diff := cmp.Diff(want, got.Detail); diff != "" || got.Err != nil || got.Text != nil {
		t.Errorf("%v; detail (-want +got):\n%s", got.Err, diff)
	}
	if q := calls(); len(q) != 1 || q[0].operation != OpGetSession || q[0].id != "s-1" {
		t.Errorf("calls %v", q)
	}
}

func TestCalculationDetail(t *testing.T) {
	c, calls := serveOne(t, "eu-west-1", func(w http.ResponseWriter, r request, _ int) {
		fmt.Fprintf(w, `{"CalculationExecutionId":"c-1","SessionId":"s-1","Description":"cell 1","WorkingDirectory":"s3://SECRET","Result":{"StdOutS3Uri":"s3://SECRET"},
			"Status":{"SubmissionDateTime":%d,"State":"CANCELED","StateChangeReason":%q},"Statistics":{"DpuExecutionInMillis":12,"Progress":"5%%"}}`,
			started.Unix(), strings.Repeat("x", 5000))
	})
	got := details(t, t.Context(), c, sparkWanted(athenatrail.KindCalculation, "c-1"))["c-1"]
	want := athenatrail.Detail{
		Home: athenatrail.NewPartition(started, "111122223333", "eu-west-1"), Kind: athenatrail.KindCalculation, ID: "c-1",
		Outcome: athenatrail.OutcomeAnswered, State: "CANCELED", Final: true, SubmittedAt: started,
		Answer: `{"CalculationExecutionId":"c-1","Description":"cell 1","SessionId":"s-1","Statistics":{"DpuExecutionInMillis":12,"Progress":"5%"},` +
			`"Status":{"State":"CANCELED","StateChangeReason":"` + strings.Repeat("x", 2000) + fmt.Sprintf(`...","SubmissionDateTime":%d}}`, started.Unix()),
	}
	if diff := cmp.Diff(want, got.Detail); diff != "" {
		t.Errorf("%v; detail (-want +got):\n%s", got.Err, diff)
	}
	if q := calls(); len(q) != 1 || q[0].operation != OpGetCalculationExecution {
		t.Errorf("calls %v", q)
	}
}

func TestSparkFinalAndHome(t *testing.T) {
	day := athenatrail.DateOf(started)
	for _, tt := range []struct {
		kind, state string
		away        time.Duration
		final       bool
		home        athenatrail.Date
	}{
		{athenatrail.KindSession, "TERMINATED", 0, true, day},
		{athenatrail.KindSession, "FAILED", 0, true, day},
		{athenatrail.KindSession, "DEGRADED", 0, false, day},
		{athenatrail.KindSession, "IDLE", 0, false, day},
		{athenatrail.KindSession, "COMPLETED", 0, false, day},
		{athenatrail.KindSession, "BUSY", -6 * 24 * time.Hour, false, day - 6},
		{athenatrail.KindSession, "BUSY", -9 * 24 * time.Hour, false, day - 9},
		{athenatrail.KindSession, "BUSY", -46 * 24 * time.Hour, false, day},
		{athenatrail.KindCalculation, "COMPLETED", 0, true, day},
		{athenatrail.KindCalculation, "FAILED", 0, true, day},
		{athenatrail.KindCalculation, "CANCELED", 0, true, day},
		{athenatrail.KindCalculation, "CANCELING", 0, false, day},
		{athenatrail.KindCalculation, "SUCCEEDED", 0, false, day},
		{athenatrail.KindCalculation, "RUNNING", 20 * time.Hour, false, day + 1},
		{athenatrail.KindCalculation, "RUNNING", -6 * 24 * time.Hour, false, day},
	} {
		c, _ := serveOne(t, "eu-west-1", func(w http.ResponseWriter, r request, _ int) {
			at := started.Add(tt.away).Unix()
			fmt.Fprintf(w, `{"Status":{"State":%q,"StartDateTime":%d,"SubmissionDateTime":%[2]d}}`, tt.state, at)
		})
		d := details(t, t.Context(), c, sparkWanted(tt.kind, "x"))["x"].Detail
		if d.State != tt.state || d.Final != tt.final || d.Home.Date != tt.home {
			t.Errorf("%s %s %v: %+v", tt.kind, tt.state, tt.away, d)
		}
	}
}

func TestSparkOutcomes(t *testing.T) {
	answer := func(id string) string {
		return fmt.Sprintf(`{"SessionId":%q,"Status":{"State":"TERMINATED"}}`, id)
	}
	c, calls := serveOne(t, "eu-west-1", func(w http.ResponseWriter, r request, call int) {
		switch r.id {
		case "gone":
			refuse(w, 400, "ResourceNotFoundException", "Session gone does not exist")
		case "unknown":
			refuse(w, 400, "InvalidRequestException", "Session unknown was not found")
		case "odd":
			refuse(w, 400, "InvalidRequestException", "the moon is in the wrong phase")
		case "denied":
			refuse(w, 400, "AccessDeniedException", "User: x is not authorized to perform: athena:GetSession on resource: arn:aws:athena:eu-west-1:111122223333:workgroup/secret because")
		case "wrong":
			io.WriteString(w, answer("another"))
		case "stateless":
			io.WriteString(w, `{"SessionId":"stateless","Status":[]}`)
		case "large":
			io.WriteString(w, `{"SessionId":"large","Description":"`+strings.Repeat("x", maxSingleReply)+`"}`)
		case "undecoded": // the SDK's types do not fit
			io.WriteString(w, `{"SessionId":"undecoded","EngineConfiguration":{"CoordinatorDpuSize":"one"},"Status":{"State":"IDLE"}}`)
		case "throttled":
			switch call % 3 {
			case 0:
				refuse(w, 400, "ThrottlingException", "Rate exceeded")
			case 1:
				refuse(w, 400, "TooManyRequestsException", "Rate exceeded")
			default:
				io.WriteString(w, answer(r.id))
			}
		default:
			io.WriteString(w, answer(r.id))
		}
	})
	wanted := sparkWanted(athenatrail.KindSession, "fine", "gone", "unknown", "odd", "denied", "wrong", "stateless", "large", "undecoded", "throttled", "", strings.Repeat("x", 257))
	wanted = append(wanted, Wanted{Kind: athenatrail.KindSession, ID: "old", Started: now.AddDate(0, 0, -46)}, Wanted{Kind: "job", ID: "j", Started: started},
		Wanted{Kind: athenatrail.KindSession, ID: "kept from", WorkGroup: "open", Started: started})
	got := details(t, t.Context(), c, wanted)
	for id, want := range map[string][2]string{
		"fine":                   {athenatrail.OutcomeAnswered, ""},
		"undecoded":              {athenatrail.OutcomeAnswered, ""},
		"throttled":              {athenatrail.OutcomeAnswered, ""},
		"gone":                   {athenatrail.OutcomeNotFound, "Session gone does not exist"},
		"unknown":                {athenatrail.OutcomeNotFound, "Session unknown was not found"},
		"odd":                    {athenatrail.OutcomeUnprocessed, "the moon is in the wrong phase"},
		"denied":                 {athenatrail.OutcomeDenied, "User: x is not authorized to perform: athena:GetSession on resource: arn:aws:athena:eu-west-1:111122223333:workgroup/secret because"},
		"":                       {athenatrail.OutcomeNotFound, "not a session id"},
		"kept from":              {athenatrail.OutcomeNotFound, "not a session id"},
		strings.Repeat("x", 257): {athenatrail.OutcomeNotFound, "not a session id"},
		"old":                    {athenatrail.OutcomeTooOld, ""},
	} {
		a := got[id]
		if a.Err != nil || a.Detail.Outcome != want[0] || a.Detail.Message != want[1] || a.Detail.Kind != athenatrail.KindSession {
			t.Errorf("%q: %v, %+v, want %v", id, a.Err, a.Detail, want)
		}
	}
	for _, id := range []string{"wrong", "stateless", "large"} {
		if a := got[id]; !errors.Is(a.Err, errReply) {
			t.Errorf("%q: %v, %+v", id, a.Err, a.Detail)
		}
	}
	if a := got["j"]; a.Err == nil || !strings.Contains(a.Err.Error(), `unknown kind "job"`) {
		t.Errorf("another kind: %v", a.Err)
	}
	for _, q := range calls() {
		if q.operation != OpGetSession || q.id == "" || q.id == "old" || q.id == "j" {
			t.Errorf("call %v", q)
		}
	}
}

// All kinds are asked for together, each id once, and one kind's refusals do
// not touch another.
func TestKindsSideBySide(t *testing.T) {
	c, calls := serveOne(t, "eu-west-1", func(w http.ResponseWriter, r request, _ int) {
		switch r.operation {
		case OpBatchGetQueryExecution:
			var ids []string
			for _, id := range r.in["QueryExecutionIds"].([]any) {
				ids = append(ids, id.(string))
			}
			answerAll(w, ids)
		case OpGetSession:
			refuse(w, 400, "AccessDeniedException", "not authorized on resource: arn:aws:athena:eu-west-1:111122223333:workgroup/ml")
		default:
			fmt.Fprintf(w, `{"CalculationExecutionId":%q,"Status":{"State":"COMPLETED"}}`, r.id)
		}
	})
	wanted := []Wanted{{ID: "same", Started: started}, {Kind: athenatrail.KindQueryExecution, ID: "same", Started: started}}
	for _, kind := range []string{athenatrail.KindSession, athenatrail.KindCalculation} {
		for i := range 40 {
			wanted = append(wanted, Wanted{Kind: kind, ID: fmt.Sprintf("%c-%d", kind[0], i), Started: started, WorkGroup: "ml"})
		}
		wanted = append(wanted, Wanted{Kind: kind, ID: "same", Started: started, WorkGroup: "ml"})
	}
	counts := map[string]int{}
	for a := range c.Details(t.Context(), now, wanted) {
		if a.Err != nil || a.Wanted.Kind != a.Detail.Kind {
			t.Fatalf("%+v", a)
		}
		counts[a.Detail.Kind+" "+a.Detail.Outcome]++
	}
	if diff := cmp.Diff(map[string]int{"query_execution answered": 1, "session denied": 41, "calculation answered": 41}, counts); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	sessions := 0
	for _, q := range calls() {
		if q.operation == OpGetSession {
			sessions++
		}
	}
	if sessions > inFlight {
		t.Errorf("%d GetSession though the work group is known to be denied", sessions)
	}
}

// Where nothing is allowed and no work group is known, asking ends.
func TestSparkDeniedAltogetherIsBounded(t *testing.T) {
	c, calls := serveOne(t, "eu-west-1", func(w http.ResponseWriter, r request, _ int) {
		refuse(w, 400, "AccessDeniedException", "no")
	})
	var ids []string
	for i := range 400 {
		ids = append(ids, fmt.Sprint("c-", i))
	}
	got := details(t, t.Context(), c, sparkWanted(athenatrail.KindCalculation, ids...))
	checkOutcomes(t, got, map[string]int{athenatrail.OutcomeDenied: 400})
	if n := len(calls()); n < mostDenied || n > mostDenied+inFlight {
		t.Errorf("%d calls", n)
	}
}

func TestSparkWhenAthenaIsDown(t *testing.T) {
	c, calls := serveOne(t, "eu-west-1", func(w http.ResponseWriter, r request, call int) {})
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprint("s-", i))
	}
	got := details(t, t.Context(), c, sparkWanted(athenatrail.KindSession, ids...))
	checkOutcomes(t, got, map[string]int{"error": 100})
	if n, most := len(calls()), (mostLost+inFlight)*c.retry.failures; n > most {
		t.Errorf("%d calls, want at most %d", n, most)
	}
}

func TestEachOperationHasItsPace(t *testing.T) {
	p := NewPacers(40)
	p.SetRate(OpGetSession, 7)
	p.SetRate(OpGetCalculationExecution, 0)
	for op, want := range map[string]float64{OpBatchGetQueryExecution: 40, OpGetSession: 7, OpGetCalculationExecution: DefaultOtherRate, OpListTagsForResource: DefaultOtherRate} {
		if got := p.of("a", "r", op).full; got != want {
			t.Errorf("%s: %v a second, want %v", op, got, want)
		}
	}
	if got := NewPacers(0).of("a", "r", OpBatchGetQueryExecution).full; got != DefaultRate {
		t.Errorf("by default %v a second", got)
	}

	c, _ := serveOne(t, "eu-west-1", func(w http.ResponseWriter, r request, _ int) { io.WriteString(w, `{"Status":{"State":"IDLE"}}`) })
	c.pacers = NewPacers(10_000)
	c.pacers.SetRate(OpGetSession, 20)
	var ids []string
	for i := range 20 {
		ids = append(ids, fmt.Sprint("s-", i))
	}
	begin := time.Now()
	details(t, t.Context(), c, sparkWanted(athenatrail.KindSession, ids...))
	if took := time.Since(begin); took < 450*time.Millisecond { // 10 of them in the first burst
		t.Errorf("20 calls at 20 a second took %v", took)
	}
}

func FuzzSparkReply(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(secretSession, started.Unix())), false)
	f.Add([]byte(`{"CalculationExecutionId":"x","Status":{"State":"FAILED","SubmissionDateTime":1e400},"Statistics":{"DpuExecutionInMillis":{}}}`), true)
	f.Add([]byte(`{"Status":{"State":"`+strings.Repeat("é", 1500)+`"},"Description":null}`), true)
	c := &Client{account: "111122223333", region: "eu-west-1"}
	all := kinds()
	f.Fuzz(func(t *testing.T, body []byte, calculation bool) {
		k := all[1]
		if calculation {
			k = all[2]
		}
		w := Wanted{Kind: k.name, ID: "s-1", Started: started}
		a, err := c.sparkAnswer(w, k, body)
		if err != nil {
			return
		}
		if len(a.Detail.Answer) > 20*6*2003 { // members, escapes, the bound of a text
			t.Errorf("stored %d bytes", len(a.Detail.Answer))
		}
		var members map[string]any
		if err := json.Unmarshal([]byte(a.Detail.Answer), &members); err != nil {
			t.Fatalf("%v: %s", err, a.Detail.Answer)
		}
		for _, name := range []string{"MonitoringConfiguration", "WorkingDirectory", "Result", "CodeBlock"} {
			if _, ok := members[name]; ok {
				t.Errorf("%s is stored", name)
			}
		}
		engine, _ := members["EngineConfiguration"].(map[string]any)
		for _, name := range []string{"SparkProperties", "Classifications"} {
			if _, ok := engine[name]; ok {
				t.Errorf("%s is stored", name)
			}
		}
		again, err := c.sparkAnswer(w, k, []byte(a.Detail.Answer))
		if err == nil && len(a.Detail.Answer) < 2000 && again.Detail.Answer != a.Detail.Answer {
			t.Errorf("canonical JSON of %q is %q", a.Detail.Answer, again.Detail.Answer)
		}
		if away := a.Detail.Home.Date - athenatrail.DateOf(started); away < -45 || away > 45 {
			t.Errorf("home %v", a.Detail.Home)
		}
	})
}

func TestWorkGroupTags(t *testing.T) {
	c, calls := serveOne(t, "us-gov-west-1", func(w http.ResponseWriter, r request, _ int) {
		switch {
		case strings.HasSuffix(r.id, "/two"):
			if r.in["NextToken"] == nil {
				io.WriteString(w, `{"Tags":[{"Key":"team","Value":"a<b"},{"Key":"b"}],"NextToken":"more"}`)
			} else {
				io.WriteString(w, `{"Tags":[{"Key":"Team","Value":"x"}]}`)
			}
		case strings.HasSuffix(r.id, "/none"):
			io.WriteString(w, `{}`)
		case strings.HasSuffix(r.id, "/secret"):
			refuse(w, 400, "AccessDeniedException", "User: x is not authorized")
		case strings.HasSuffix(r.id, "/gone"):
			refuse(w, 400, "ResourceNotFoundException", "WorkGroup gone is not found.")
		case strings.HasSuffix(r.id, "/lost"):
			refuse(w, 400, "InvalidRequestException", "WorkGroup lost is not found.")
		case strings.HasSuffix(r.id, "/endless"):
			io.WriteString(w, `{"Tags":[],"NextToken":"again"}`)
		}
	})
	f := func(name, want string, is error) {
		t.Helper()
		got, err := c.WorkGroupTags(t.Context(), name)
		if got != want || (is == nil) != (err == nil) || !errors.Is(err, is) {
			t.Errorf("%s: %q, %v; want %q, %v", name, got, err, want, is)
		}
	}
	f("two", `{"Tags":[{"Key":"Team","Value":"x"},{"Key":"b","Value":""},{"Key":"team","Value":"a<b"}]}`, nil)
	if q := calls(); len(q) != 2 || q[0].operation != OpListTagsForResource || q[0].id != "arn:aws-us-gov:athena:us-gov-west-1:111122223333:workgroup/two" || q[1].in["NextToken"] != "more" {
		t.Errorf("calls %v", q)
	}
	f("none", `{"Tags":[]}`, nil)
	f("secret", "", ErrDenied)
	f("gone", "", ErrNotFound)
	f("lost", "", ErrNotFound)
	f("endless", "", errReply)
	before := len(calls())
	f("a work group/with:an odd name", "", ErrNotFound)
	f("", "", ErrNotFound)
	if len(calls()) != before {
		t.Error("a name that no work group can have was asked for")
	}
	if _, err := c.WorkGroupTags(t.Context(), "cut"); err == nil || errors.Is(err, ErrDenied) || errors.Is(err, ErrNotFound) {
		t.Errorf("a cut connection: %v", err)
	}
}

func TestWorkGroupARN(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1": "arn:aws:athena:eu-west-1:111122223333:workgroup/x", "cn-north-1": "arn:aws-cn:athena:cn-north-1:111122223333:workgroup/x",
		"us-gov-east-1": "arn:aws-us-gov:athena:us-gov-east-1:111122223333:workgroup/x",
	} {
		if got := workGroupARN("111122223333", region, "x"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
