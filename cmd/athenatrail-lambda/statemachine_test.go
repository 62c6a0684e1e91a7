package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/mototest"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// A deployment is the state machine of deploy/statemachine.asl.json in moto's
// interpreter, with the functions that it calls: processes of this program,
// which work on a real S3 server and ask an Athena API.
type deployment struct {
	t         testing.TB
	s3        *s3test.Server
	trail     string // bucket
	bucket    string // of the lake and its files
	functions map[string]*lambdaFunction
	client    *sfn.Client
	machine   string
	env       []string
	day       time.Time // three days ago, its beginning in New York
	starts    []call

	executions int

	// What the functions' way to S3 does to a request, before it is passed on:
	// answer it, which it then reports.
	onS3 atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

// deploy makes a deployment. Its parts are a day's trail in the bucket, the
// same on this machine's disk, and nothing in the lake.
func deploy(t testing.TB, more ...string) *deployment {
	t.Helper()
	d := &deployment{t: t, s3: s3test.Start(t), functions: map[string]*lambdaFunction{}}
	d.trail, d.bucket = d.s3.Bucket(t), d.s3.Bucket(t)
	zone := trackerZone
	for _, kv := range more {
		if name, ok := strings.CutPrefix(kv, "ATHENATRAIL_TIMEZONE="); ok {
			zone = name
		}
	}
	now := time.Now().In(zoneOf(t, zone))
	d.day = time.Date(now.Year(), now.Month(), now.Day()-3, 0, 0, 0, 0, now.Location())
	d.starts = startsOf(d.day)
	athena := athenaOf(t, d.starts, d.s3.AccessKey, d.s3.SecretKey)
	d.env = append([]string{
		"AWS_ENDPOINT_URL_S3=" + d.wayToS3(), "AWS_ENDPOINT_URL_ATHENA=" + athena.URL, "AWS_ENDPOINT_URL_STS=" + athena.URL,
		"AWS_REGION=" + d.s3.Region, "AWS_ACCESS_KEY_ID=" + d.s3.AccessKey, "AWS_SECRET_ACCESS_KEY=" + d.s3.SecretKey,
		"ATHENATRAIL_SOURCES=s3://" + d.trail + "/AWSLogs/", "S3_BUCKET=" + d.bucket,
		"ATHENATRAIL_ASSUME_ROLE=arn:aws:iam::{account}:role/athenatrail-reader",
		"ATHENATRAIL_LOOKBACK=16h", "MAX_CONCURRENCY=8",
	}, more...)
	for _, handler := range []string{"plan", "unit", "derive", "export", "finish"} {
		d.functions["athenatrail-"+handler] = newFunction(t, "athenatrail-"+handler, handler, d.env)
	}
	d.interpreter()
	return d
}

// wayToS3 starts a proxy in front of the S3 server. It keeps the name of the
// host that requests are signed for.
func (d *deployment) wayToS3() string {
	target, err := url.Parse(d.s3.Endpoint)
	if err != nil {
		d.t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(target)
	pass.ErrorLog = log.New(io.Discard, "", 0) // of processes that were killed
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if on := d.onS3.Load(); on != nil && (*on)(w, r) {
			return
		}
		pass.ServeHTTP(w, r)
	}))
	d.t.Cleanup(server.Close)
	return server.URL
}

// interpreter starts moto behind a router, and makes the state machine in it.
// Moto's interpreter calls other services where MOTO_PORT says.
func (d *deployment) interpreter() {
	t := d.t
	var moto *httputil.ReverseProxy
	router := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/"):
			d.invoke(w, r)
		case strings.Contains(r.Header.Get("Authorization"), "/s3/aws4_request"):
			d.object(w, r)
		default:
			moto.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(router.Close)
	at, err := url.Parse(router.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.(*testing.T).Setenv("MOTO_PORT", at.Port())
	endpoint := mototest.Start(t)
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	moto = httputil.NewSingleHostReverseProxy(target)
	response, err := http.Post(endpoint+"/moto-api/config", "application/json", strings.NewReader(`{"stepfunctions":{"execute_state_machine":true}}`))
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("make moto execute state machines: %v, %v", response, err)
	}
	response.Body.Close()

	d.client = sfn.NewFromConfig(mototest.Config(endpoint, d.s3.Region))
	definition, err := os.ReadFile("../../deploy/statemachine.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(definition), "${Partition}", "aws")
	text = strings.ReplaceAll(text, "${Bucket}", d.bucket)
	for name := range d.functions {
		handler := strings.TrimPrefix(name, "athenatrail-")
		text = strings.ReplaceAll(text, "${"+strings.ToUpper(handler[:1])+handler[1:]+"Function}", "arn:aws:lambda:"+d.s3.Region+":"+mototest.Account+":function:"+name)
	}
	if strings.Contains(text, "${") {
		t.Fatal("the definition has a variable that nobody sets")
	}
	// The interpreter waits as long as the definition says before it tries
	// again, which is for real outages.
	for _, slow := range []string{`"IntervalSeconds": 20`, `"IntervalSeconds": 5`, `"IntervalSeconds": 2`} {
		text = strings.ReplaceAll(text, slow, `"IntervalSeconds": 1`)
	}
	made, err := d.client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("athenatrail"), Definition: &text, RoleArn: aws.String("arn:aws:iam::" + mototest.Account + ":role/athenatrail"),
	})
	if err != nil {
		t.Fatal(err)
	}
	d.machine = *made.StateMachineArn
}

// invoke answers Lambda's Invoke by the function's own processes.
func (d *deployment) invoke(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/2015-03-31/functions/"), "/invocations")
	if unescaped, err := url.PathUnescape(name); err == nil {
		name = unescaped
	}
	name = name[strings.LastIndex(name, ":")+1:]
	f := d.functions[name]
	payload, err := io.ReadAll(r.Body)
	if f == nil || err != nil {
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		http.Error(w, `{"Message":"no such function"}`, http.StatusNotFound)
		return
	}
	body, failed := f.invoke(payload)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	if failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	w.Write(body)
}

// object does what the interpreter asks of S3, whose signatures are for
// another server and another key.
func (d *deployment) object(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch r.Method {
	case http.MethodGet:
		out, err := d.s3.Client().GetObject(r.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		defer out.Body.Close()
		io.Copy(w, out.Body)
	case http.MethodPut:
		data, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = d.s3.Client().PutObject(r.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	default:
		http.Error(w, "", http.StatusMethodNotAllowed)
	}
}

// put delivers log files to the trail's bucket.
func (d *deployment) put(files map[string][]byte) {
	for _, key := range slices.Sorted(maps.Keys(files)) {
		d.s3.Put(d.t, d.trail, key, files[key])
	}
}

// execute runs an execution to its end.
func (d *deployment) execute(input string) *sfn.DescribeExecutionOutput {
	d.t.Helper()
	return d.wait(d.begin(input))
}

func (d *deployment) begin(input string) (execution string) {
	d.t.Helper()
	d.executions++
	started, err := d.client.StartExecution(d.t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &d.machine, Input: &input, Name: aws.String(fmt.Sprintf("run-%d", d.executions)),
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return *started.ExecutionArn
}

func (d *deployment) wait(arn string) *sfn.DescribeExecutionOutput {
	d.t.Helper()
	for deadline := time.Now().Add(4 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		out, err := d.client.DescribeExecution(d.t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		if err != nil {
			d.t.Fatal(err)
		}
		if out.Status != types.ExecutionStatusRunning {
			return out
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("execution %s still runs\n%s", arn, d.logs())
		}
	}
}

// mustSucceed runs an execution that has to succeed.
func (d *deployment) mustSucceed(input string) {
	d.t.Helper()
	if out := d.execute(input); out.Status != types.ExecutionStatusSucceeded {
		d.t.Fatalf("execution of %s: %s %s %s\n%s", input, out.Status, aws.ToString(out.Error), aws.ToString(out.Cause), d.logs())
	}
}

func (d *deployment) logs() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(d.functions)) {
		fmt.Fprintf(&b, "%s:\n%s\n", name, d.functions[name].logs())
	}
	return b.String()
}

func (d *deployment) store(prefix string) lake.Store {
	d.t.Helper()
	store, err := lake.NewS3Store(d.s3.Client(), d.bucket, prefix)
	if err != nil {
		d.t.Fatal(err)
	}
	return store
}

// lake returns the hashes of the lake's facts and tables, after it was looked
// through.
func (d *deployment) lake() map[string]string {
	d.t.Helper()
	store := d.store("athenatrail")
	mustBeSound(d.t, store)
	return contents(d.t, store)
}

// files returns the bodies of the files by the hour.
func (d *deployment) files() map[string]string {
	d.t.Helper()
	all := map[string]string{}
	store := d.store("")
	for f, err := range store.List(d.t.Context(), "year=") {
		if err != nil {
			d.t.Fatal(err)
		}
		data, err := store.Read(d.t.Context(), f.Key)
		if err != nil {
			d.t.Fatal(err)
		}
		all[f.Key] = string(data)
	}
	return all
}

func mustBeSound(t testing.TB, store lake.Store) {
	t.Helper()
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	marks, err := l.Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range marks {
		t.Errorf("a mark is left on %s", m.Partition)
	}
	for p := range lake.Verify(t.Context(), l, "") {
		t.Errorf("verify: %s", p)
	}
}

func contents(t testing.TB, store lake.Store) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, prefix := range []string{"facts/", "tables/", "_ledger/v1/open/"} {
		for f, err := range store.List(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			data, err := store.Read(t.Context(), f.Key)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(data)
			files[f.Key] = hex.EncodeToString(sum[:8])
		}
	}
	return files
}

func mustEqual(t testing.TB, want, got map[string]string) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] == "" {
			t.Errorf("missing: %s", key)
		} else if got[key] != want[key] {
			t.Errorf("differs: %s", key)
		}
	}
	for key := range got {
		if want[key] == "" {
			t.Errorf("too much: %s", key)
		}
	}
}

// laptop builds the command line, once.
var laptop = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "athenatrail-laptop")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "athenatrail")
	out, err := exec.Command("go", "build", "-o", program, "../athenatrail").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

// onLaptop collects the trail's bucket with the command line, into a folder.
func (d *deployment) onLaptop(args ...string) map[string]string {
	d.t.Helper()
	program, err := laptop()
	if err != nil {
		d.t.Fatal(err)
	}
	dir := d.t.TempDir()
	cmd := exec.Command(program, append([]string{"collect", "--lake", dir, "--timezone", trackerZone}, args...)...)
	cmd.Dir = dir
	for _, kv := range d.env {
		if !strings.HasPrefix(kv, "S3_BUCKET=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+dir, "AWS_EC2_METADATA_DISABLED=true")
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	store, err := lake.OpenStore(dir)
	if err != nil {
		d.t.Fatal(err)
	}
	return contents(d.t, store)
}

func dayInput(d *deployment) string { return fmt.Sprintf(`{"day":%q}`, d.day.Format(time.DateOnly)) }

// TestDayThroughStateMachine is the promise of the whole: a day through the
// real definition and the real program into S3 is the day that a laptop
// collects, byte for byte; and its files are there, hour by hour.
func TestDayThroughStateMachine(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command line, and runs a day")
	}
	// A command line's bounds are whole days of UTC.
	d := deploy(t, "ATHENATRAIL_TIMEZONE=UTC")
	d.put(trailOf(t, d.starts))
	requests := d.count()
	d.mustSucceed(dayInput(d))
	d.mustAskLittle(requests())
	got := d.lake()
	if n := d.functions["athenatrail-unit"]; n.invoked != 24+16 || n.most < 2 || n.most > 8 {
		t.Errorf("%d units were invoked, %d at once", n.invoked, n.most)
	}
	next := d.day.AddDate(0, 0, 1)
	mustEqual(t, d.onLaptop("--from", d.day.Format(time.DateOnly), "--to", next.Format(time.DateOnly)), got)
	if len(got) < 10 {
		t.Errorf("the lake has %d files", len(got))
	}
	files := d.files()
	if len(files) != 24 {
		t.Errorf("%d files", len(files))
	}
	d.mustBeTheTrackers(files)

	// Once more: the same bytes, and no log file is read again.
	unit := d.functions["athenatrail-unit"]
	before := len(unit.answers())
	d.mustSucceed(dayInput(d))
	mustEqual(t, got, d.lake())
	if diff := differing(files, d.files()); diff != "" {
		t.Errorf("the second run changed files: %s", diff)
	}
	known := 0
	for _, body := range unit.answers()[before:] {
		var done unitDone
		if err := json.Unmarshal(body, &done); err != nil || done.Read != 0 {
			t.Errorf("read again: %s", body)
		}
		known += int(done.Known)
	}
	if known < 40 {
		t.Errorf("%d log files were known", known)
	}
}

// TestThreeDaysAreSeventyTwoFiles takes days of New York, and the tracker's
// words for them: all of the trail, so the lake is that of a laptop that reads
// all of it.
func TestThreeDaysAreSeventyTwoFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command line, and runs three days")
	}
	d := deploy(t, fewInline+"=20")
	d.put(trailOf(t, d.starts))
	d.mustSucceed(fmt.Sprintf(`{"start_date":%q,"end_date":%q}`, d.day.AddDate(0, 0, -1).Format("2006/01/02"), d.day.AddDate(0, 0, 1).Format(time.DateOnly)))
	files := d.files()
	if want := int(d.day.AddDate(0, 0, 2).Sub(d.day.AddDate(0, 0, -1)) / time.Hour); len(files) != want {
		t.Errorf("%d files, want %d", len(files), want)
	}
	d.mustBeTheTrackers(files)
	mustEqual(t, d.onLaptop(), d.lake())
	// It was a distributed Map: its units were a file, and so are its results.
	var kept []string
	for f, err := range d.store("athenatrail-runs").List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, f.Key)
	}
	if !slices.ContainsFunc(kept, func(k string) bool { return strings.HasSuffix(k, "/units.json") }) || len(kept) < 2 {
		t.Errorf("the run left %v", kept)
	}
}

// TestKilledInTheMiddle kills many processes that collect, and the first two
// that derive: the state machine tries again, and the lake is the same.
func TestKilledInTheMiddle(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a day twice")
	}
	d := deploy(t, "ATHENATRAIL_TIMEZONE=UTC")
	d.put(trailOf(t, d.starts))
	unit, deriving := d.functions["athenatrail-unit"], d.functions["athenatrail-derive"]
	// A unit is tried four times, so it is killed once.
	var mu sync.Mutex
	killed := map[string]bool{}
	unit.kill = func(n int, payload []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		kill := n%3 == 0 && !killed[string(payload)]
		killed[string(payload)] = killed[string(payload)] || kill
		return kill
	}
	deriving.kill = func(n int, _ []byte) bool { return n <= 2 }
	if out := d.execute(dayInput(d)); out.Status != types.ExecutionStatusSucceeded {
		// A unit that was given up is named by the last step, and the day's
		// next execution does it.
		if cause := aws.ToString(out.Cause); !strings.Contains(cause, "are not in the lake") {
			t.Fatalf("%s\n%s", cause, d.logs())
		}
		t.Log("a unit was given up")
		d.mustSucceed(dayInput(d))
	}
	if unit.invoked <= 40 || deriving.invoked < 3 {
		t.Errorf("%d and %d invocations: nothing was tried again", unit.invoked, deriving.invoked)
	}
	got := d.lake()
	d.mustBeTheTrackers(d.files())

	whole := deploy(t, "ATHENATRAIL_TIMEZONE=UTC")
	whole.put(trailOf(t, whole.starts))
	whole.mustSucceed(dayInput(whole))
	mustEqual(t, whole.lake(), got)

	// Two executions of one day at once, and a unit that is delivered twice.
	both := deploy(t, "ATHENATRAIL_TIMEZONE=UTC")
	both.put(trailOf(t, both.starts))
	one, other := both.begin(dayInput(both)), both.begin(dayInput(both))
	payload := fmt.Appendf(nil, `{"from":%q,"to":%q}`, both.day.Add(7*time.Hour).Format(time.RFC3339), both.day.Add(8*time.Hour).Format(time.RFC3339))
	if body, failed := both.functions["athenatrail-unit"].invoke(payload); failed {
		t.Errorf("a unit delivered twice: %s", body)
	}
	for _, arn := range []string{one, other} {
		if out := both.wait(arn); out.Status != types.ExecutionStatusSucceeded {
			t.Errorf("%s: %s %s", arn, out.Status, aws.ToString(out.Cause))
		}
	}
	mustEqual(t, whole.lake(), both.lake())
	if diff := differing(whole.files(), both.files()); diff != "" {
		t.Errorf("files differ: %s", diff)
	}
}

// TestUnitNearItsDeadline gives a unit less time than its log files take: it
// stops, and what is left is done by the next invocations.
func TestUnitNearItsDeadline(t *testing.T) {
	d := deploy(t, "ATHENATRAIL_TIMEZONE=UTC", "ATHENATRAIL_JOBS=1")
	var day []call // a few starts, delivered in one hour
	for n := range 40 {
		day = append(day, call{account: firstAccount, user: "rosa", at: d.day.Add(time.Duration(n) * time.Minute), late: time.Duration(n%10) * 5 * time.Minute})
	}
	files := trailOf(t, day)
	d.put(files)
	slow := func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/CloudTrail/") {
			time.Sleep(250 * time.Millisecond)
		}
		return false
	}
	d.onS3.Store(&slow)
	unit := d.functions["athenatrail-unit"]
	unit.timeout = 3 * time.Second
	payload := fmt.Appendf(nil, `{"from":%q,"to":%q}`, d.day.Format(time.RFC3339), d.day.Add(3*time.Hour).Format(time.RFC3339))
	read, rounds := 0, 0
	for done := false; !done; rounds++ {
		body, failed := unit.invoke(payload)
		var answer struct {
			Done bool            `json:"done"`
			Read int             `json:"read"`
			Unit json.RawMessage `json:"unit"`
		}
		if err := json.Unmarshal(body, &answer); err != nil || failed {
			t.Fatalf("round %d: %s\n%s", rounds, body, unit.logs())
		}
		read += answer.Read
		done, payload = answer.Done, answer.Unit
	}
	if rounds < 2 || read != len(files) {
		t.Errorf("%d rounds, %d of %d log files read", rounds, read, len(files))
	}
}

// TestLogFileThatCannotBeHad fails the execution, and says why in one line;
// all else is done.
func TestLogFileThatCannotBeHad(t *testing.T) {
	d := deploy(t, "ATHENATRAIL_TIMEZONE=UTC")
	files := trailOf(t, d.starts)
	d.put(files)
	bad := d.day.Add(7*time.Hour + 5*time.Minute).Format("20060102T1504Z")
	deny := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, firstAccount+"_CloudTrail_"+trailRegion+"_"+bad) {
			return false
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
		return true
	}
	d.onS3.Store(&deny)
	out := d.execute(dayInput(d))
	if cause := aws.ToString(out.Cause); out.Status != types.ExecutionStatusFailed || !strings.Contains(cause, "log files delivered from") || !strings.Contains(cause, "1 of ") {
		t.Fatalf("execution: %s %s\n%s", out.Status, cause, d.logs())
	}
	found := false
	for _, line := range logLines(t, d.functions["athenatrail-unit"].logs()) {
		found = found || line["level"] == "ERROR" && strings.Contains(fmt.Sprint(line["error"]), bad) && strings.Contains(fmt.Sprint(line["error"]), "could not be fetched")
	}
	if !found {
		t.Errorf("no line of the log names the file:\n%s", d.functions["athenatrail-unit"].logs())
	}
	if n := len(d.files()); n != 24 {
		t.Errorf("%d files by the hour", n)
	}
	// When it can be had again, the next execution completes the day.
	d.onS3.Store(nil)
	d.mustSucceed(dayInput(d))
	d.mustBeTheTrackers(d.files())
}

// count counts what the functions ask of S3: listings, objects got of the trail
// and of the lake, writes, removals. Stop returns the counts.
func (d *deployment) count() (stop func() map[string]int) {
	var mu sync.Mutex
	counts := map[string]int{}
	counting := func(_ http.ResponseWriter, r *http.Request) bool {
		kind := r.Method
		switch {
		case r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "2":
			kind = "list lake"
			if strings.HasPrefix(r.URL.Path, "/"+d.trail) {
				kind = "list trail"
			}
		case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/"+d.trail):
			kind = "get trail"
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			kind = "get lake"
		case r.Method == http.MethodPut:
			kind = "put"
		}
		mu.Lock()
		defer mu.Unlock()
		counts[kind]++
		return false
	}
	d.onS3.Store(&counting)
	return func() map[string]int {
		d.onS3.Store(nil)
		return counts
	}
}

// mustAskLittle compares a day's requests with what docs/deploy-costs.md
// reckons with.
func (d *deployment) mustAskLittle(counts map[string]int) {
	d.t.Logf("requests of a day: %v", counts)
	const accounts, folders = 2, 2
	unit, finish := d.functions["athenatrail-unit"].invoked, 1
	// AWSLogs/, each account's CloudTrail/, each region.
	if most := (unit + finish) * (1 + 2*accounts + folders); counts["list trail"] > most {
		d.t.Errorf("%d listings of the trail, want at most %d", counts["list trail"], most)
	}
	if files := len(trailOf(d.t, d.starts)); counts["get trail"] > files {
		d.t.Errorf("%d objects of the trail were got, of %d", counts["get trail"], files)
	}
}

func differing(a, b map[string]string) string {
	var keys []string
	for key := range a {
		if a[key] != b[key] {
			keys = append(keys, key)
		}
	}
	if len(b) > len(a) {
		keys = append(keys, fmt.Sprintf("%d more", len(b)-len(a)))
	}
	slices.Sort(keys)
	return strings.Join(keys, " ")
}

// mustBeTheTrackers looks at the files by the hour: the tracker's names and
// header, each start of the day once, in its hour.
func (d *deployment) mustBeTheTrackers(files map[string]string) {
	t := d.t
	t.Helper()
	zone := d.day.Location()
	seen := 0
	for hour := d.day; hour.Before(d.day.AddDate(0, 0, 1)); hour = hour.Add(time.Hour) {
		l := hour.In(zone)
		key := l.Format("year=2006/month=01/day=02/hour=15/report_2006_01_02_h15.csv")
		body, ok := files[key]
		if !ok {
			t.Errorf("no file %s", key)
			continue
		}
		header, rows, _ := strings.Cut(body, "\n")
		if strings.TrimRight(header, "\r") != "LambdaRunTime(EST),Username,QueryStartTime(EST),QueryEndTime(EST),Query,QueryExecutionId,Athena_Workgroup" {
			t.Errorf("%s: header %q", key, header)
		}
		for n, s := range d.starts {
			in := !s.at.Before(hour) && s.at.Before(hour.Add(time.Hour))
			if s.denied {
				continue
			}
			if strings.Contains(rows, id(n)) != in {
				t.Errorf("%s: execution %d of %s is in it: %v", key, n, s.at.In(zone), !in)
			}
			if in {
				seen++
			}
		}
		for n, s := range d.starts {
			if s.denied && !s.at.Before(hour) && s.at.Before(hour.Add(time.Hour)) && strings.Count(rows, ","+s.user+",") == 0 {
				t.Errorf("%s: the denied start %d of %s is no row", key, n, s.user)
			}
		}
	}
	if seen < 60 {
		t.Errorf("%d executions are in the files", seen)
	}
}

// TestQueueThroughTheProgram gives the function queue a batch of messages: a
// log file of each form, one twice, one that is not there, and one that says
// nothing. What could be read is in the tables, and the others are named.
func TestQueueThroughTheProgram(t *testing.T) {
	d := deploy(t, "ATHENATRAIL_TIMEZONE=UTC")
	files := trailOf(t, d.starts)
	d.put(files)
	keys := slices.Sorted(maps.Keys(files))
	notice := func(key string) string {
		return fmt.Sprintf(`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q}}}]}`, d.trail, url.QueryEscape(key))
	}
	bodies := []string{
		notice(keys[0]), notice(keys[0]), notice("AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/gone.json.gz"), "hello",
		fmt.Sprintf(`{"s3Bucket":%q,"s3ObjectKey":[%q,%q]}`, d.trail, keys[1], keys[2]),
	}
	var batch struct{ Records []map[string]any }
	for n, body := range bodies {
		batch.Records = append(batch.Records, map[string]any{"messageId": fmt.Sprintf("message-%d", n), "body": body, "attributes": map[string]string{"ApproximateReceiveCount": "1"}, "eventSource": "aws:sqs"})
	}
	payload, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	queue := newFunction(t, "athenatrail-queue", "queue", d.env)
	for round := range 2 { // at least once is what SQS promises
		body, failed := queue.invoke(payload)
		if want := `{"batchItemFailures":[{"itemIdentifier":"message-2"},{"itemIdentifier":"message-3"}]}`; failed || string(body) != want {
			t.Fatalf("round %d: answered %s, want %s\n%s", round, body, want, queue.logs())
		}
	}
	got := d.lake()
	if !slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(k string) bool { return strings.HasPrefix(k, "tables/query_executions_open/") }) {
		t.Errorf("the lake has %v", slices.Sorted(maps.Keys(got)))
	}
	// The day's run finds the rest.
	d.mustSucceed(dayInput(d))
	d.mustBeTheTrackers(d.files())
}

// TestOutputTypeIsObeyed writes JSON where JSON is asked for.
func TestOutputTypeIsObeyed(t *testing.T) {
	d := deploy(t, "OUTPUT_TYPE=json", "OUTPUT_PREFIX=daily-report/")
	d.put(trailOf(t, d.starts))
	d.mustSucceed(fmt.Sprintf(`{"report_date":%q,"hour":"03"}`, d.day.Format("2006/01/02")))
	if n := len(d.files()); n != 0 {
		t.Errorf("%d files outside of the prefix", n)
	}
	store := d.store("daily-report")
	key := d.day.Add(3 * time.Hour).Format("year=2006/month=01/day=02/hour=15/report_2006_01_02_h15.json")
	data, err := store.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal(data, &rows); err != nil || len(rows) == 0 {
		t.Fatalf("%v: %s", err, data)
	}
	for _, row := range rows {
		if row["Username"] == nil || row["QueryStartTime(EST)"] == nil {
			t.Errorf("a row is %v", row)
		}
	}
}
