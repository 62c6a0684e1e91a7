package athenaapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

var (
	now     = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	started = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
)

// A server answers BatchGetQueryExecution as its handler says.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	calls [][]string
}

// serve starts a server whose answer to a call is what handle writes. A handle
// that returns without writing cuts the connection.
func serve(t *testing.T, handle func(w http.ResponseWriter, ids []string, call int)) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if target := r.Header.Get("X-Amz-Target"); target != "AmazonAthena.BatchGetQueryExecution" {
			t.Errorf("target %q", target)
		}
		var in struct{ QueryExecutionIds []string }
		if err := json.NewDecoder(r.Body).Decode(&in); errors.Is(err, io.ErrUnexpectedEOF) {
			panic(http.ErrAbortHandler) // the client was cancelled while it sent
		} else if err != nil {
			t.Error(err)
		}
		if n := len(in.QueryExecutionIds); n < 1 || n > 50 {
			t.Errorf("%d ids in one call", n)
		}
		s.mu.Lock()
		s.calls = append(s.calls, in.QueryExecutionIds)
		call := len(s.calls)
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		written := &tracked{ResponseWriter: w}
		handle(written, in.QueryExecutionIds, call)
		if !written.written {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

type tracked struct {
	http.ResponseWriter
	written bool
}

func (t *tracked) Write(b []byte) (int, error) { t.written = true; return t.ResponseWriter.Write(b) }
func (t *tracked) WriteHeader(status int)      { t.written = true; t.ResponseWriter.WriteHeader(status) }

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *server) client(perSecond float64) *Client {
	c := New(aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(s.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	}, "111122223333", NewPacers(perSecond))
	c.retry.base, c.retry.most = time.Millisecond, 10*time.Millisecond
	return c
}

func execution(id string) string {
	return fmt.Sprintf(`{"QueryExecutionId":%q,"Query":"SELECT '%s'","Status":{"State":"SUCCEEDED","SubmissionDateTime":%d.125}}`,
		id, id, started.Unix())
}

func answerAll(w http.ResponseWriter, ids []string) {
	var list []string
	for _, id := range ids {
		list = append(list, execution(id))
	}
	slices.Reverse(list) // the order of an answer is not that of the question
	fmt.Fprintf(w, `{"QueryExecutions":[%s],"UnprocessedQueryExecutionIds":[]}`, strings.Join(list, ","))
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"__type":"com.amazonaws.athena#%s","Message":%q}`, code, message)
}

func wantedIDs(n int) []Wanted {
	list := make([]Wanted, n)
	for i := range list {
		list[i] = Wanted{ID: fmt.Sprintf("id-%05d", i), Started: started}
	}
	return list
}

// details collects the answers by id, and fails when an id has not exactly one.
func details(t *testing.T, ctx context.Context, c *Client, wanted []Wanted) map[string]Answer {
	t.Helper()
	got := map[string]Answer{}
	for a := range c.Details(ctx, now, wanted) {
		if _, twice := got[a.Wanted.ID]; twice {
			t.Errorf("%s answered twice", a.Wanted.ID)
		}
		if a.Err == nil && a.Detail.ID != a.Wanted.ID {
			t.Errorf("%s answered with the detail of %s", a.Wanted.ID, a.Detail.ID)
		}
		got[a.Wanted.ID] = a
	}
	for _, w := range wanted {
		if _, ok := got[w.ID]; !ok {
			t.Errorf("%s not answered", w.ID)
		}
	}
	return got
}

func outcomes(answers map[string]Answer) map[string]int {
	counts := map[string]int{}
	for _, a := range answers {
		if a.Err != nil {
			counts["error"]++
		} else {
			counts[a.Detail.Outcome]++
		}
	}
	return counts
}

func checkOutcomes(t *testing.T, answers map[string]Answer, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, outcomes(answers)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestBatches(t *testing.T) {
	for _, tt := range []struct{ ids, calls int }{{0, 0}, {1, 1}, {50, 1}, {51, 2}, {5000, 100}} {
		s := serve(t, func(w http.ResponseWriter, ids []string, _ int) { answerAll(w, ids) })
		got := details(t, t.Context(), s.client(10_000), wantedIDs(tt.ids))
		if s.count() != tt.calls {
			t.Errorf("%d ids: %d calls, want %d", tt.ids, s.count(), tt.calls)
		}
		for id, a := range got {
			if a.Err != nil || a.Text == nil || a.Text.QueryString != "SELECT '"+id+"'" {
				t.Fatalf("%s: %+v", id, a)
			}
		}
	}
}

func TestDuplicatesAreAskedOnce(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, ids []string, _ int) { answerAll(w, ids) })
	wanted := append(wantedIDs(3), wantedIDs(3)...)
	wanted[0].Started = started.Add(time.Hour)
	got := details(t, t.Context(), s.client(100), wanted)
	if len(got) != 3 || len(s.calls) != 1 || len(s.calls[0]) != 3 {
		t.Errorf("%d answers, calls %v", len(got), s.calls)
	}
	if a := got["id-00000"]; !a.Wanted.Started.Equal(started) {
		t.Errorf("started %v, want the earliest", a.Wanted.Started)
	}
}

func TestAnswerIsStoredAsItCame(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, ids []string, _ int) {
		io.WriteString(w, `{"QueryExecutions":[{"Statistics":{"DataScannedInBytes":9007199254740993,"DpuCount":4.50,"NewMember":1E2},
			"QueryExecutionId":"one","Query":"SELECT a<b & 'é'\n","Status":{"State":"RUNNING","SubmissionDateTime":1.7636295011239E9},
			"Brand":{"z":null,"a":[1, 2.0]},"WorkGroup":"a<b"}]}`)
	})
	got := details(t, t.Context(), s.client(100), []Wanted{{ID: "one", Started: time.Date(2025, 11, 20, 9, 0, 0, 0, time.UTC)}})
	// An execution of 2025 is too old for now; ask at its own time instead.
	checkOutcomes(t, got, map[string]int{athenatrail.OutcomeTooOld: 1})
	start := time.Date(2025, 11, 20, 9, 0, 0, 0, time.UTC)
	var answers []Answer
	for a := range s.client(100).Details(t.Context(), start.Add(time.Hour), []Wanted{{ID: "one", Started: start}}) {
		answers = append(answers, a)
	}
	if len(answers) != 1 {
		t.Fatal(answers)
	}
	submitted := time.UnixMilli(1763629501124).UTC()
	home := athenatrail.NewPartition(submitted, "111122223333", "eu-west-1")
	hash := athenatrail.HashText("SELECT a<b & 'é'\n")
	want := athenatrail.Detail{
		Home: home, Kind: athenatrail.KindQueryExecution, ID: "one", Outcome: athenatrail.OutcomeAnswered,
		State: "RUNNING", SubmittedAt: submitted, TextHash: hash,
		Answer: `{"Brand":{"a":[1,2.0],"z":null},"QueryExecutionId":"one",` +
			`"Statistics":{"DataScannedInBytes":9007199254740993,"DpuCount":4.50,"NewMember":1E2},` +
			`"Status":{"State":"RUNNING","SubmissionDateTime":1.7636295011239E9},"WorkGroup":"a<b"}`,
	}
	if diff := cmp.Diff(want, answers[0].Detail); diff != "" {
		t.Errorf("detail (-want +got):\n%s", diff)
	}
	text := &athenatrail.QueryText{Home: home, TextHash: hash, QueryString: "SELECT a<b & 'é'\n"}
	if diff := cmp.Diff(text, answers[0].Text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

// The SDK's types lag behind the service; an answer that they do not fit is
// still an answer.
func TestAnswerThatTheSDKCannotDecode(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, ids []string, _ int) {
		fmt.Fprintf(w, `{"QueryExecutions":[{"QueryExecutionId":"id-00000","Statistics":{"DpuCount":"four"},"Status":{"State":"FAILED"}}]}`)
	})
	got := details(t, t.Context(), s.client(100), wantedIDs(1))
	checkOutcomes(t, got, map[string]int{athenatrail.OutcomeAnswered: 1})
	if d := got["id-00000"].Detail; !d.Final || d.Home != athenatrail.NewPartition(started, "111122223333", "eu-west-1") {
		t.Errorf("detail %+v", d)
	}
}

func TestFinalAndHome(t *testing.T) {
	day := athenatrail.DateOf(started)
	for _, tt := range []struct {
		state, submitted string
		final            bool
		home             athenatrail.Date
	}{
		{"SUCCEEDED", fmt.Sprint(started.Unix()), true, day},
		{"FAILED", fmt.Sprint(started.Unix()), true, day},
		{"CANCELLED", fmt.Sprint(started.Unix()), true, day},
		{"CANCELED", fmt.Sprint(started.Unix()), true, day},
		{"QUEUED", fmt.Sprint(started.Unix()), false, day},
		{"SOMETHING_NEW", fmt.Sprint(started.Unix()), false, day},
		{"SUCCEEDED", fmt.Sprint(started.Add(16 * time.Hour).Unix()), true, day + 1},
		{"SUCCEEDED", fmt.Sprint(started.Add(-10 * time.Hour).Unix()), true, day - 1},
		{"SUCCEEDED", "0", true, day},
		{"SUCCEEDED", "1e300", true, day},
		{"SUCCEEDED", "99999999999", true, day},
		{"SUCCEEDED", `"yesterday"`, true, day},
		{"SUCCEEDED", "null", true, day},
	} {
		s := serve(t, func(w http.ResponseWriter, _ []string, _ int) {
			fmt.Fprintf(w, `{"QueryExecutions":[{"QueryExecutionId":"id-00000","Status":{"State":%q,"SubmissionDateTime":%s}}]}`, tt.state, tt.submitted)
		})
		d := details(t, t.Context(), s.client(100), wantedIDs(1))["id-00000"].Detail
		if d.Final != tt.final || d.Home.Date != tt.home || d.State != tt.state {
			t.Errorf("%s %s: final %v, home %v, state %q", tt.state, tt.submitted, d.Final, d.Home, d.State)
		}
	}
}

func TestTooOldAndMalformedAreNotAsked(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, ids []string, _ int) { answerAll(w, ids) })
	edge := now.Add(-45 * 24 * time.Hour)
	got := details(t, t.Context(), s.client(100), []Wanted{
		{ID: "old", Started: edge.Add(-time.Second)},
		{ID: "edge", Started: edge},
		{ID: "no start"},
		{ID: "", Started: started},
		{ID: strings.Repeat("x", 129), Started: started},
	})
	want := map[string]string{
		"old": athenatrail.OutcomeTooOld, "edge": athenatrail.OutcomeAnswered, "no start": athenatrail.OutcomeNotFound,
		"": athenatrail.OutcomeNotFound, strings.Repeat("x", 129): athenatrail.OutcomeNotFound,
	}
	for id, outcome := range want {
		if got[id].Detail.Outcome != outcome {
			t.Errorf("%q: %q, want %q", id, got[id].Detail.Outcome, outcome)
		}
	}
	if len(s.calls) != 1 || !slices.Equal(s.calls[0], []string{"edge"}) {
		t.Errorf("calls %v", s.calls)
	}
}

func TestUnprocessed(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, ids []string, call int) {
		var done, not []string
		for _, id := range ids {
			switch {
			case id == "id-00000":
				not = append(not, `{"QueryExecutionId":"id-00000","ErrorCode":"InvalidRequestException","ErrorMessage":"QueryExecution id-00000 was not found"}`)
			case id == "id-00001":
				not = append(not, `{"QueryExecutionId":"id-00001","ErrorCode":"AccessDeniedException","ErrorMessage":"no"}`)
			case id == "id-00002":
				not = append(not, `{"QueryExecutionId":"id-00002","ErrorCode":"InternalServerException","ErrorMessage":"later"}`)
			case id == "id-00003" && call < 3:
				not = append(not, `{"QueryExecutionId":"id-00003","ErrorCode":"UNKNOWN"}`)
			case id == "id-00004": // in neither list
			default:
				done = append(done, execution(id))
			}
		}
		done = append(done, execution("not-asked-for"))
		fmt.Fprintf(w, `{"QueryExecutions":[%s],"UnprocessedQueryExecutionIds":[%s]}`, strings.Join(done, ","), strings.Join(not, ","))
	})
	got := details(t, t.Context(), s.client(1000), wantedIDs(7))
	if len(got) != 7 {
		t.Errorf("%d answers, want 7", len(got))
	}
	for id, want := range map[string][2]string{
		"id-00000": {athenatrail.OutcomeNotFound, "InvalidRequestException: QueryExecution id-00000 was not found"},
		"id-00001": {athenatrail.OutcomeDenied, "AccessDeniedException: no"},
		"id-00002": {athenatrail.OutcomeUnprocessed, "InternalServerException: later"},
		"id-00003": {athenatrail.OutcomeAnswered, ""},
		"id-00004": {athenatrail.OutcomeUnprocessed, "not in Athena's answer"},
		"id-00005": {athenatrail.OutcomeAnswered, ""},
	} {
		if d := got[id].Detail; d.Outcome != want[0] || d.Message != want[1] {
			t.Errorf("%s: %q %q, want %q", id, d.Outcome, d.Message, want)
		}
	}
	if s.count() != defaultRetry.rounds {
		t.Errorf("%d calls, want %d", s.count(), defaultRetry.rounds)
	}
}

// deniedGroups answers like Athena for a caller that may not read the work
// groups named in denied.
func deniedGroups(t *testing.T, groupOf func(id string) string, named bool, denied ...string) *server {
	return serve(t, func(w http.ResponseWriter, ids []string, _ int) {
		for _, id := range ids {
			if g := groupOf(id); slices.Contains(denied, g) {
				message := "You are not authorized to perform: athena:BatchGetQueryExecution"
				if named {
					message += " on resource: arn:aws:athena:eu-west-1:111122223333:workgroup/" + g + " because no identity-based policy allows it"
				}
				refuse(w, http.StatusBadRequest, "AccessDeniedException", message)
				return
			}
		}
		answerAll(w, ids)
	})
}

func TestDeniedWorkGroupInABatch(t *testing.T) {
	odd := func(id string) string {
		if strings.HasSuffix(id, "7") {
			return "secret"
		}
		return "open"
	}
	for _, tt := range []struct {
		name          string
		groups, named bool
		most          int // calls
	}{
		{"groups known, named in the message", true, true, 6},
		{"groups known, not named", true, false, 20},
		{"groups not known, named", false, true, 100},
		{"groups not known, not named", false, false, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := deniedGroups(t, odd, tt.named, "secret")
			wanted := wantedIDs(100)
			for i := range wanted {
				if tt.groups {
					wanted[i].WorkGroup = odd(wanted[i].ID)
				}
			}
			got := details(t, t.Context(), s.client(10_000), wanted)
			checkOutcomes(t, got, map[string]int{athenatrail.OutcomeAnswered: 90, athenatrail.OutcomeDenied: 10})
			for id, a := range got {
				if denied := a.Detail.Outcome == athenatrail.OutcomeDenied; denied != (odd(id) == "secret") {
					t.Errorf("%s: %s", id, a.Detail.Outcome)
				} else if denied && !strings.HasPrefix(a.Detail.Message, "You are not authorized") {
					t.Errorf("%s: message %q", id, a.Detail.Message)
				}
			}
			if s.count() > tt.most {
				t.Errorf("%d calls, want at most %d", s.count(), tt.most)
			}
		})
	}
}

func TestDeniedAltogetherIsBounded(t *testing.T) {
	s := deniedGroups(t, func(string) string { return "" }, false, "")
	got := details(t, t.Context(), s.client(100_000), wantedIDs(5000))
	checkOutcomes(t, got, map[string]int{athenatrail.OutcomeDenied: 5000})
	if most := 5000/BatchSize + maxSplits + 2*inFlight; s.count() > most {
		t.Errorf("%d calls, want at most %d", s.count(), most)
	}
}

func TestMalformedIDSpoilsOnlyItself(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, ids []string, _ int) {
		if slices.Contains(ids, "id-00033") {
			refuse(w, http.StatusBadRequest, "InvalidRequestException", "QueryExecution id-00033 was not found")
			return
		}
		answerAll(w, ids)
	})
	got := details(t, t.Context(), s.client(10_000), wantedIDs(60))
	checkOutcomes(t, got, map[string]int{athenatrail.OutcomeAnswered: 59, athenatrail.OutcomeNotFound: 1})
}

// A server that allows half of what the client is set to throttles it; in the
// end every id is answered, and the client is slower than it was set to.
func TestThrottlingIsWaitedOut(t *testing.T) {
	const allowed = 50.0 // calls a second
	var (
		mu      sync.Mutex
		tokens  = 5.0
		last    = time.Now()
		refused int
	)
	s := serve(t, func(w http.ResponseWriter, ids []string, call int) {
		mu.Lock()
		defer mu.Unlock()
		tokens = min(5, tokens+time.Since(last).Seconds()*allowed)
		last = time.Now()
		if tokens < 1 {
			refused++
			code := []string{"ThrottlingException", "TooManyRequestsException"}[call%2]
			refuse(w, http.StatusBadRequest, code, "Rate exceeded")
			return
		}
		tokens--
		answerAll(w, ids)
	})
	c := s.client(2 * allowed)
	begin := time.Now()
	got := details(t, t.Context(), c, wantedIDs(100*BatchSize))
	checkOutcomes(t, got, map[string]int{athenatrail.OutcomeAnswered: 100 * BatchSize})
	if took, least := time.Since(begin), time.Duration((100-5)/allowed*0.9*float64(time.Second)); took < least {
		t.Errorf("took %v, the server allows no less than %v", took, least)
	}
	if refused == 0 {
		t.Error("the server refused nothing: the test shows nothing")
	}
	if refused > s.count()/2 {
		t.Errorf("%d of %d calls throttled: the client did not slow down", refused, s.count())
	}
}

func TestPaceIsSharedAndKept(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, ids []string, _ int) { answerAll(w, ids) })
	one := s.client(20)
	two := s.client(20)
	two.pacers = one.pacers
	begin := time.Now()
	var wg sync.WaitGroup
	for _, c := range []*Client{one, two} {
		wg.Go(func() { details(t, context.Background(), c, wantedIDs(10*BatchSize)) })
	}
	wg.Wait()
	if took := time.Since(begin); took < 450*time.Millisecond { // 20 calls, 10 of them in the first burst
		t.Errorf("20 calls at 20 a second took %v", took)
	}
	pacers := NewPacers(1)
	if same := pacers.of("a", "r", "o"); same != pacers.of("a", "r", "o") || same == pacers.of("b", "r", "o") {
		t.Error("a pace belongs to one account, region and operation")
	}
}

func TestFailuresAreRetriedThenReported(t *testing.T) {
	bad := func(ids []string) bool { return slices.Contains(ids, "id-00010") }
	for name, fail := range map[string]func(w http.ResponseWriter){
		"500":            func(w http.ResponseWriter) { refuse(w, 500, "InternalServerException", "sorry") },
		"503 no body":    func(w http.ResponseWriter) { w.WriteHeader(503) },
		"cut connection": func(w http.ResponseWriter) {},
		"cut body": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"QueryExecutions":[`)
		},
		"not JSON": func(w http.ResponseWriter) { io.WriteString(w, `<html>`) },
	} {
		t.Run(name+", once", func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, ids []string, call int) {
				if call == 1 {
					fail(w)
					return
				}
				answerAll(w, ids)
			})
			got := details(t, t.Context(), s.client(1000), wantedIDs(3))
			checkOutcomes(t, got, map[string]int{athenatrail.OutcomeAnswered: 3})
		})
		t.Run(name+", for good", func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, ids []string, _ int) {
				if bad(ids) {
					fail(w)
					return
				}
				answerAll(w, ids)
			})
			got := details(t, t.Context(), s.client(1000), wantedIDs(150))
			checkOutcomes(t, got, map[string]int{athenatrail.OutcomeAnswered: 100, "error": 50})
			if s.count() != 2+defaultRetry.failures {
				t.Errorf("%d calls, want %d", s.count(), 2+defaultRetry.failures)
			}
		})
	}
}

func TestExpiredCredentialsEndTheRun(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ []string, _ int) {
		refuse(w, http.StatusForbidden, "ExpiredTokenException", "The security token included in the request is expired")
	})
	got := details(t, t.Context(), s.client(10_000), wantedIDs(5000))
	checkOutcomes(t, got, map[string]int{"error": 5000})
	if s.count() > inFlight {
		t.Errorf("%d calls with expired credentials", s.count())
	}
	if err := got["id-00000"].Err; err.Error() != "the AWS credentials have expired" {
		t.Errorf("error %q", err)
	}
}

func TestServiceThatIsDownEndsTheRun(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ []string, _ int) { w.WriteHeader(http.StatusBadGateway) })
	got := details(t, t.Context(), s.client(10_000), wantedIDs(5000))
	checkOutcomes(t, got, map[string]int{"error": 5000})
	if most := (mostLost + inFlight) * defaultRetry.failures; s.count() > most {
		t.Errorf("%d calls to a service that is down, want at most %d", s.count(), most)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(w http.ResponseWriter, ids []string, call int) {
		if call == 3 {
			cancel()
		}
		answerAll(w, ids)
	})
	got := details(t, ctx, s.client(100), wantedIDs(5000))
	errs := 0
	for id, a := range got {
		if a.Err != nil {
			errs++
			if !errors.Is(a.Err, context.Canceled) {
				t.Fatalf("%s: %v", id, a.Err)
			}
		}
	}
	if errs < 4000 || len(got) != 5000 {
		t.Errorf("%d answers, %d of them errors", len(got), errs)
	}
	if s.count() > 3+inFlight {
		t.Errorf("%d calls, though the third cancelled", s.count())
	}
}

func TestLoopThatEndsEarly(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, ids []string, _ int) { answerAll(w, ids) })
	for range s.client(100).Details(t.Context(), now, wantedIDs(5000)) {
		break
	}
	if s.count() > 5+2*inFlight {
		t.Errorf("%d calls after the loop ended", s.count())
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"QueryExecutions":[` + execution("x") + `],"UnprocessedQueryExecutionIds":[{"QueryExecutionId":"y","ErrorCode":"z"}]}`))
	f.Add([]byte(`{"QueryExecutions":[null,1,{},{"QueryExecutionId":"x","Status":[],"Query":{}}]}`))
	c := &Client{account: "111122223333", region: "eu-west-1"}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decodeReply(body)
		if err != nil {
			return
		}
		for id, raw := range r.executions {
			a := c.Answer(Wanted{ID: id, Started: started}, raw)
			if a.Err != nil {
				continue
			}
			again := c.Answer(Wanted{ID: id, Started: started}, json.RawMessage(a.Detail.Answer))
			if again.Detail.Answer != a.Detail.Answer {
				t.Errorf("canonical JSON of %q is %q", a.Detail.Answer, again.Detail.Answer)
			}
			if away := a.Detail.Home.Date - athenatrail.DateOf(started); away < -2 || away > 2 {
				t.Errorf("home %v", a.Detail.Home)
			}
		}
	})
}
