package collect_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/s3test"
	"github.com/athenatrail/athenatrail/internal/source"
)

// What explains a call may be read days after the call: who issued its
// credentials, over several hops and accounts, and who started the session in
// which its code ran. The tests below read such records in every order.

const (
	here  = "111122223333"
	there = "222233334444"

	lateS0 = "00000000-0000-4000-8000-00000000000a" // began before the trail
	lateS1 = "00000000-0000-4000-8000-00000000000b" // started over three hops
	lateSM = "00000000-0000-4000-8000-00000000000c" // started at midnight
	lateS9 = "00000000-0000-4000-8000-00000000000d" // lives longer than seven days
)

var lateDay = time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC)

// on returns a time of the day that many days after lateDay.
func on(days int, clock string) time.Time {
	t, err := time.Parse(time.TimeOnly, clock)
	if err != nil {
		panic(err)
	}
	return lateDay.AddDate(0, 0, days).Add(t.Sub(t.Truncate(24 * time.Hour)))
}

func user(name string) string {
	return fmt.Sprintf(`{"type":"IAMUser","principalId":"AIDA%[2]s","arn":"arn:aws:iam::%[1]s:user/%[2]s","accountId":"%[1]s","accessKeyId":"AKIA%[2]s","userName":"%[2]s"}`, here, name)
}

func roleSession(account, role, session, key string) string {
	return fmt.Sprintf(`{"type":"AssumedRole","principalId":"AROA%[2]s:%[3]s","arn":"arn:aws:sts::%[1]s:assumed-role/%[2]s/%[3]s","accountId":"%[1]s","accessKeyId":"%[4]s","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA%[2]s","arn":"arn:aws:iam::%[1]s:role/%[2]s","accountId":"%[1]s","userName":"%[2]s"}}}`, account, role, session, key)
}

func executorOf(session string) string {
	return roleSession(here, "spark", "AthenaExecutor-"+session, "ASIAEXEC"+session[len(session)-1:])
}

func apiCall(eventID, source, name, account string, when time.Time, who, asked, answered string) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":%s,"eventTime":%q,"eventSource":%q,"eventName":%q,"awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.7","userAgent":"Boto3/1.34","requestParameters":%s,"responseElements":%s,"eventID":%q,"recipientAccountId":%q}`,
		who, when.Format(time.RFC3339), source+".amazonaws.com", name, asked, answered, eventID, account)
}

func assume(eventID, in string, when time.Time, who, account, role, key string) string {
	return apiCall(eventID, "sts", "AssumeRole", in, when, who,
		fmt.Sprintf(`{"roleArn":"arn:aws:iam::%s:role/%s","roleSessionName":"botocore-session-1"}`, account, role), fmt.Sprintf(`{"credentials":{"accessKeyId":%q,"sessionToken":"secret"}}`, key))
}

func sql(eventID string, when time.Time, who string) string {
	return apiCall(eventID, "athena", "StartQueryExecution", here, when, who, `{"workGroup":"w"}`, fmt.Sprintf(`{"queryExecutionId":"11111111-2222-4333-8444-55555555%s"}`, eventID))
}

func startedSession(eventID, session string, when time.Time, who string) string {
	return apiCall(eventID, "athena", "StartSession", here, when, who, `{"workGroup":"spark","engineConfiguration":{"additionalConfigs":{"NotebookId":"n"}}}`, fmt.Sprintf(`{"sessionId":%q}`, session))
}

func endedSession(eventID, session string, when time.Time, who string) string {
	return apiCall(eventID, "athena", "TerminateSession", here, when, who, fmt.Sprintf(`{"sessionId":%q}`, session), `{"state":"TERMINATING"}`)
}

// ranCell is a cell whose calculation's id tells its session and time.
func ranCell(eventID, session string, when time.Time) string {
	return apiCall(eventID, "athena", "StartCalculationExecution", here, when, executorOf(session), fmt.Sprintf(`{"sessionId":%q}`, session), fmt.Sprintf(`{"calculationExecutionId":%q}`, cellID(session, when)))
}

func cellID(session string, when time.Time) string {
	return fmt.Sprintf("%s%027d", session[len(session)-1:], when.Unix())
}

// lateRecords are calls that other records explain, which lie up to ten days
// before and seven days after.
func lateRecords() []string {
	hop := roleSession(here, "hop1", "botocore-session-1", "ASIAHOP1")
	far := roleSession(there, "hop2", "botocore-session-1", "ASIAHOP2")
	etl := roleSession(here, "etl", "botocore-session-1", "ASIAHOP3")
	stopper := roleSession(here, "ops", "botocore-session-1", "ASIASTOP")
	ender := roleSession(here, "ops", "botocore-session-1", "ASIAEND")
	deep := roleSession(here, "deep", "botocore-session-1", "ASIADEEP")
	stranger := func(of string) string {
		return fmt.Sprintf(`{"type":"AWSAccount","principalId":"AROA:botocore-session-1","accountId":%q}`, of)
	}
	return []string{
		// Three hops, over another account and back, the first two days before.
		assume("sts1", here, on(-2, "23:30:00"), user("rosa"), here, "hop1", "ASIAHOP1"),
		assume("sts2", here, on(-1, "11:00:00"), hop, there, "hop2", "ASIAHOP2"),
		assume("sts2b", there, on(-1, "11:00:00"), stranger(here), there, "hop2", "ASIAHOP2"),
		assume("sts3", there, on(-1, "23:50:00"), far, here, "etl", "ASIAHOP3"),
		assume("sts3b", here, on(-1, "23:50:00"), stranger(there), here, "etl", "ASIAHOP3"),
		sql("q001", on(0, "00:10:00"), etl),
		// A session started with them, cells for a week, SQL out of it, and a
		// role that its code took.
		startedSession("s1", lateS1, on(0, "00:20:00"), etl),
		ranCell("c1", lateS1, on(0, "00:21:00")),
		ranCell("c2", lateS1, on(3, "12:00:00")),
		ranCell("c3", lateS1, on(7, "12:00:00")),
		sql("q002", on(2, "12:00:00"), executorOf(lateS1)),
		assume("sts4", here, on(5, "23:30:00"), executorOf(lateS1), here, "deep", "ASIADEEP"),
		sql("q003", on(6, "00:10:00"), deep),
		assume("sts5", here, on(4, "00:05:00"), user("ana"), here, "ops", "ASIASTOP"),
		apiCall("x1", "athena", "StopCalculationExecution", here, on(4, "00:06:00"), stopper, fmt.Sprintf(`{"calculationExecutionId":%q}`, cellID(lateS1, on(3, "12:00:00"))), `{"state":"CANCELING"}`),
		assume("sts6", here, on(6, "23:50:00"), user("ana"), here, "ops", "ASIAEND"),
		endedSession("t1", lateS1, on(7, "00:10:00"), ender),
		// A session that only its cells and Athena tell of.
		ranCell("c4", lateS0, on(1, "10:00:00")),
		ranCell("c5", lateS0, on(3, "10:00:00")),
		endedSession("t0", lateS0, on(2, "10:00:00"), user("ana")),
		// One that Athena put before midnight.
		startedSession("sm", lateSM, on(0, "00:00:01"), user("mina")),
		ranCell("c6", lateSM, on(0, "00:05:00")),
		// One that lives on.
		startedSession("s9", lateS9, on(-2, "10:00:00"), user("mina")),
		ranCell("c7", lateS9, on(7, "10:00:00")),
		ranCell("c8", lateS9, on(8, "10:00:00")),
		// Tables that Lake Formation names, in the other account and after
		// midnight too.
		dataAccess("lf1", here, on(0, "00:10:02"), "q001", "orders"),
		dataAccess("lf2", there, on(0, "00:10:03"), "q001", "customers"),
		sql("q004", on(1, "23:59:59"), user("ana")),
		dataAccess("lf3", there, on(2, "00:00:02"), "q004", "orders"),
	}
}

func dataAccess(eventID, in string, when time.Time, queryEvent, table string) string {
	return apiCall(eventID, "lakeformation", "GetDataAccess", in, when, user("ana"),
		fmt.Sprintf(`{"tableArn":"arn:aws:glue:eu-west-1:%s:table/sales/%s","auditContext":{"additionalAuditContext":"{queryId: 11111111-2222-4333-8444-55555555%s}"}}`, there, table, queryEvent), "null")
}

// sparkDetails is an Athena that knows all of it, and counts what it is asked.
type sparkDetails struct {
	mu    sync.Mutex
	asked map[string]int
	state func(id string) string // nil: all have ended
}

func (s *sparkDetails) Of(_ context.Context, account, region string) (collect.Asker, error) {
	return sparkAsker{s, account, region}, nil
}

type sparkAsker struct {
	*sparkDetails
	account, region string
}

var sparkBegan = map[string]time.Time{
	lateS0: on(-3, "22:00:00"), lateS1: on(0, "00:20:00"), lateSM: on(-1, "23:59:59"), lateS9: on(-2, "10:00:00"),
}

func (s sparkAsker) Details(_ context.Context, _ time.Time, wanted []athenaapi.Wanted) iter.Seq[athenaapi.Answer] {
	return func(yield func(athenaapi.Answer) bool) {
		for _, w := range wanted {
			s.mu.Lock()
			if s.asked == nil {
				s.asked = map[string]int{}
			}
			s.asked[w.ID]++
			s.mu.Unlock()
			state := "TERMINATED"
			if s.state != nil {
				state = s.state(w.ID)
			}
			began, ok := sparkBegan[w.ID]
			d := athenatrail.Detail{Kind: w.Kind, ID: w.ID, Outcome: athenatrail.OutcomeAnswered, State: state, Final: state == "TERMINATED"}
			switch {
			case w.Kind == athenatrail.KindSession && ok:
				d.SubmittedAt = began
				d.Answer = fmt.Sprintf(`{"EngineConfiguration":{"AdditionalConfigs":{"NotebookId":"n"}},"SessionId":%q,"Statistics":{"DpuExecutionInMillis":7200000},"Status":{"StartDateTime":%d.5,"State":%q},"WorkGroup":"spark"}`, w.ID, began.Unix(), state)
			case w.Kind == athenatrail.KindCalculation:
				d.SubmittedAt, d.State, d.Final = w.Started, "COMPLETED", true
				session := lateS0[:len(lateS0)-1] + w.ID[:1]
				d.Answer = fmt.Sprintf(`{"CalculationExecutionId":%q,"SessionId":%q,"Statistics":{"DpuExecutionInMillis":900000},"Status":{"State":"COMPLETED","SubmissionDateTime":%d.5}}`, w.ID, session, w.Started.Unix())
			case w.Kind == athenatrail.KindSession:
				d = athenatrail.Detail{Home: athenatrail.NewPartition(w.Started, s.account, s.region), Kind: w.Kind, ID: w.ID, Outcome: athenatrail.OutcomeNotFound}
			default:
				d.Kind, d.SubmittedAt, d.State, d.Final = athenatrail.KindQueryExecution, w.Started, "SUCCEEDED", true
				d.Answer = fmt.Sprintf(`{"QueryExecutionId":%q,"StatementType":"DML","Statistics":{"DataScannedInBytes":123456789},"Status":{"State":"SUCCEEDED","SubmissionDateTime":%d.5}}`, w.ID, w.Started.Unix())
			}
			if d.Home == (athenatrail.Partition{}) {
				d.Home = athenatrail.NewPartition(d.SubmittedAt, s.account, s.region)
			}
			if !yield(athenaapi.Answer{Wanted: w, Detail: d}) {
				return
			}
		}
	}
}

// runWith is one run over a folder; change alters its options.
func runWith(t testing.TB, store lake.Store, dir string, details collect.Details, change func(*collect.Options)) (*collect.Summary, error) {
	ctx := context.Background()
	l, err := lake.Create(ctx, store)
	if err != nil {
		return nil, err
	}
	src, err := source.Parse(ctx, dir, source.Deps{})
	if err != nil {
		return nil, err
	}
	o := collect.Options{
		Lake: l, Ledger: ledger.New(l), Sources: []source.Source{src}, Limits: cloudtrail.DefaultLimits,
		Settings: settings(t), Details: details, Jobs: 2, Now: now, RunID: fmt.Sprintf("run-%d", runs.Add(1)),
	}
	if change != nil {
		change(&o)
	}
	return collect.Run(ctx, o)
}

// lateReference is the lake of all late records in one run.
func lateReference(t testing.TB) (files map[string]string, l *lake.Lake) {
	t.Helper()
	trail, store := t.TempDir(), openDir(t, t.TempDir())
	writeFiles(t, trail, [][]string{lateRecords()})
	if _, err := runWith(t, store, trail, &sparkDetails{}, nil); err != nil {
		t.Fatal(err)
	}
	files = contents(t, store)
	for name := range files {
		if strings.HasPrefix(name, "_ledger/v1/dirty/") || strings.HasPrefix(name, "_ledger/v1/open/") {
			t.Errorf("%s is left", name)
		}
	}
	l, err := lake.Open(context.Background(), store)
	if err != nil {
		t.Fatal(err)
	}
	return files, l
}

// TestLateEvidenceNamesPeople says what the tests of order compare with: all
// the calls are explained.
func TestLateEvidenceNamesPeople(t *testing.T) {
	_, l := lateReference(t)
	got := map[string]string{}
	row := func(id string, w athenatrail.Who) { got[id] = w.Person + " " + w.PersonSource }
	for d := athenatrail.DateOf(lateDay) - 4; d < athenatrail.DateOf(lateDay)+10; d++ {
		p := athenatrail.NewPartition(d.Time(), here, "eu-west-1")
		for q, err := range lake.ReadTable(t.Context(), l, lake.QueryExecutions, p) {
			if err != nil {
				t.Fatal(err)
			}
			row(q.EventID, q.Who)
		}
		for s, err := range lake.ReadTable(t.Context(), l, lake.Sessions, p) {
			if err != nil {
				t.Fatal(err)
			}
			row("session "+s.SessionID[len(s.SessionID)-1:]+" of "+d.String(), s.Who)
			got["ended "+s.SessionID[len(s.SessionID)-1:]] = s.EndedBy
		}
		for c, err := range lake.ReadTable(t.Context(), l, lake.Calculations, p) {
			if err != nil {
				t.Fatal(err)
			}
			row(c.EventID, c.Who)
			if c.StoppedBy != "" {
				got["stopped "+c.EventID] = c.StoppedBy
			}
		}
	}
	want := map[string]string{
		"q001": "rosa role_chain", "q002": "rosa notebook_session", "q003": "rosa role_chain",
		"q004":                    "ana iam_user",
		"session b of 2026-05-06": "rosa role_chain", "ended b": "ana",
		"c1": "rosa notebook_session", "c2": "rosa notebook_session", "c3": "rosa notebook_session", "stopped c2": "ana",
		"session a of 2026-05-03": "unknown none", "ended a": "ana", "c4": "spark role", "c5": "spark role",
		"session c of 2026-05-06": "mina iam_user", "ended c": "", "c6": "mina notebook_session",
		// Seven days is how far is looked.
		"session d of 2026-05-04": "mina iam_user", "ended d": "", "c7": "spark role", "c8": "spark role",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestLateEvidenceInAnyOrder reads the records in any order, over several runs
// and by several writers: the lake is that of one run.
func TestLateEvidenceInAnyOrder(t *testing.T) {
	want, _ := lateReference(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > 5 {
			return // each takes a while
		}
		dir := t.TempDir()
		tryLate(t, rt, want, func() lake.Store { return openDir(t, dir) })
	})
}

// TestLateEvidenceInAnyOrderS3 is the same on a real S3 server.
func TestLateEvidenceInAnyOrderS3(t *testing.T) {
	server := s3test.Start(t)
	want, _ := lateReference(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > 1 {
			return
		}
		bucket := server.Bucket(t)
		tryLate(t, rt, want, func() lake.Store {
			s, err := lake.NewS3Store(server.Client(), bucket, "a/lake")
			if err != nil {
				t.Fatal(err)
			}
			return s
		})
	})
}

func tryLate(t testing.TB, rt *rapid.T, want map[string]string, open func() lake.Store) {
	records := lateRecords()
	numbers := make([]int, len(records))
	for i := range numbers {
		numbers[i] = i
	}
	order := rapid.Permutation(numbers).Draw(rt, "order")
	trails := make([]string, rapid.IntRange(2, 5).Draw(rt, "runs"))
	files := make([][][]string, len(trails))
	for i := range trails {
		trails[i] = t.TempDir()
	}
	for _, r := range order {
		i := rapid.IntRange(0, len(trails)-1).Draw(rt, "run")
		files[i] = append(files[i], []string{records[r]})
	}
	atOnce := rapid.IntRange(0, 3).Draw(rt, "at once") == 0
	var wg sync.WaitGroup
	for i, dir := range trails {
		if len(files[i]) == 0 {
			continue
		}
		writeFiles(t, dir, files[i])
		one := func() {
			if _, err := runWith(t, open(), dir, &sparkDetails{}, nil); err != nil {
				t.Errorf("run: %v", err)
			}
		}
		if atOnce {
			wg.Go(one)
		} else {
			one()
		}
	}
	wg.Wait()
	if diff := cmp.Diff(want, contents(t, open())); diff != "" {
		rt.Fatalf("another lake (-want +got):\n%s", diff)
	}
}

// TestEachRecordLast reads one record a run after all others: nothing that
// explains a call may come too late.
func TestEachRecordLast(t *testing.T) {
	if testing.Short() {
		t.Skip("collects two dozen lakes")
	}
	want, _ := lateReference(t)
	records := lateRecords()
	for last := range records {
		if !strings.Contains(records[last], "sts.amazonaws.com") && !strings.Contains(records[last], "Session\",\"awsRegion") && !strings.Contains(records[last], "StopCalc") {
			continue // these explain no other
		}
		first, late, dir := t.TempDir(), t.TempDir(), t.TempDir()
		writeFiles(t, first, [][]string{append(append([]string{}, records[:last]...), records[last+1:]...)})
		writeFiles(t, late, [][]string{{records[last]}})
		for _, trail := range []string{first, late} {
			if _, err := runWith(t, openDir(t, dir), trail, &sparkDetails{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, contents(t, openDir(t, dir))); diff != "" {
			t.Errorf("another lake when this comes last: %s\n(-want +got):\n%s", records[last], diff)
		}
	}
}

// TestFinalDetailsAreAskedOnce counts: what has ended is asked for once, what
// has not again and again, and only where it began.
func TestFinalDetailsAreAskedOnce(t *testing.T) {
	trail, dir := t.TempDir(), t.TempDir()
	writeFiles(t, trail, [][]string{lateRecords()})
	running := true
	athena := &sparkDetails{state: func(id string) string {
		if running && (id == lateS0 || id == lateS1 || id == lateS9) {
			return "BUSY"
		}
		return "TERMINATED"
	}}
	once := func() {
		t.Helper()
		if _, err := runWith(t, openDir(t, dir), trail, athena, nil); err != nil {
			t.Fatal(err)
		}
	}
	once()
	for id, n := range athena.asked {
		if n != 1 {
			t.Errorf("first run: %s was asked for %d times", id, n)
		}
	}
	if n := len(athena.asked); n != 4+8+4 { // sessions, calculations, executions
		t.Errorf("asked for %d ids: %v", n, athena.asked)
	}
	check := func(what string, want map[string]int) {
		t.Helper()
		athena.asked = nil
		once()
		if diff := cmp.Diff(want, athena.asked); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	still := map[string]int{lateS0: 1, lateS1: 1, lateS9: 1}
	check("still running", still)
	check("still running", still)
	running = false
	check("ended", still)
	check("settled", nil)
	if diff := cmp.Diff(func() map[string]string { f, _ := lateReference(t); return f }(), contents(t, openDir(t, dir))); diff != "" {
		t.Error(diff)
	}
}

// TestKilledBeforeMarksOfDetails loses the marks of answers: the next run finds
// rows that tell less than what is held.
func TestKilledBeforeMarksOfDetails(t *testing.T) {
	want, _ := lateReference(t)
	trail, dir := t.TempDir(), t.TempDir()
	writeFiles(t, trail, [][]string{lateRecords()})
	busy := &sparkDetails{state: func(string) string { return "BUSY" }}
	if _, err := runWith(t, openDir(t, dir), trail, busy, nil); err != nil {
		t.Fatal(err)
	}
	// The answers of a run that died before it marked and derived.
	other := t.TempDir()
	if _, err := runWith(t, openDir(t, other), trail, &sparkDetails{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "facts", "details")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "facts", "details"), os.DirFS(filepath.Join(other, "facts", "details"))); err != nil {
		t.Fatal(err)
	}
	silent := &sparkDetails{}
	if _, err := runWith(t, openDir(t, dir), trail, silent, nil); err != nil {
		t.Fatal(err)
	}
	if len(silent.asked) != 0 {
		t.Errorf("asked again: %v", silent.asked)
	}
	if diff := cmp.Diff(want, contents(t, openDir(t, dir))); diff != "" {
		t.Error(diff)
	}
}

// mustRebuildToTheSame derives all days again: no table may differ from what
// the runs left.
func mustRebuildToTheSame(t testing.TB, store lake.Store, change func(*rebuild.Builder)) {
	t.Helper()
	before := contents(t, store)
	l, err := lake.Open(context.Background(), store)
	if err != nil {
		t.Fatal(err)
	}
	b := &rebuild.Builder{Lake: l, Settings: settings(t), Jobs: 2}
	if change != nil {
		change(b)
	}
	if _, err := b.Stale(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, contents(t, store)); diff != "" {
		t.Errorf("the runs left tables that the facts do not give (-left +rebuilt):\n%s", diff)
	}
}
