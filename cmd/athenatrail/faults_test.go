package main

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// A fault is what happens to a request for a service of AWS.
type fault int

const (
	none        fault = iota
	internal          // 500
	slowDown          // throttling, which S3 calls SlowDown
	denied            // 403
	cutBefore         // the connection ends without an answer, nothing was done
	cutAfter          // it was done, the answer is lost
	cutInBody         // half of the body, then the connection ends
	longLength        // Content-Length promises more than comes
	shortLength       // Content-Length and body are half of the truth
	slow              // the answer comes in small pieces
)

// A faulty stands in front of a server of a service of AWS and does to each
// request what a function says. It keeps the Host header, which is signed.
type faulty struct {
	*httptest.Server
	proxy *httputil.ReverseProxy

	mu     sync.Mutex
	asked  map[string]int // requests by method and path
	faults map[fault]int  // that happened
	choose func(r *http.Request, n int) fault
}

// newFaulty starts one in front of the server at an endpoint. Choose gets a
// request and how many of its method and path came before it.
func newFaulty(t *testing.T, endpoint string, choose func(r *http.Request, n int) fault) *faulty {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{asked: map[string]int{}, faults: map[fault]int{}, choose: choose}
	f.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		Transport:    &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
	}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// heal ends all faults.
func (f *faulty) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.choose = func(*http.Request, int) fault { return none }
}

// happened returns how many faults of a kind there were.
func (f *faulty) happened(kind fault) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults[kind]
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	key := r.Method + " " + r.URL.Path
	n := f.asked[key]
	f.asked[key]++
	choose := f.choose
	f.mu.Unlock()
	kind := choose(r, n) // not under the lock: it may change objects
	f.mu.Lock()
	f.faults[kind]++
	f.mu.Unlock()
	switch kind {
	case none:
		f.proxy.ServeHTTP(w, r)
	case internal:
		awsError(w, r, http.StatusInternalServerError, "InternalError")
	case slowDown:
		switch speaks(r) {
		case jsonCalls:
			awsError(w, r, http.StatusBadRequest, "ThrottlingException")
		case queryCalls:
			awsError(w, r, http.StatusBadRequest, "Throttling")
		default:
			awsError(w, r, http.StatusServiceUnavailable, "SlowDown")
		}
	case denied:
		awsError(w, r, http.StatusForbidden, "AccessDenied")
	case cutBefore:
		panic(http.ErrAbortHandler)
	default:
		f.alter(w, r, kind)
	}
}

// alter lets the server do what was asked, and spoils its answer.
func (f *faulty) alter(w http.ResponseWriter, r *http.Request, kind fault) {
	answer := httptest.NewRecorder()
	f.proxy.ServeHTTP(answer, r)
	if kind == cutAfter {
		panic(http.ErrAbortHandler)
	}
	body := answer.Body.Bytes()
	for name, values := range answer.Header() {
		// CloudTrail's objects may have no checksum, which would tell as well.
		// What the program itself has put into S3 has one.
		if !isLogFile(r) || !strings.HasPrefix(name, "X-Amz-Checksum-") {
			w.Header()[name] = values
		}
	}
	switch kind {
	case cutInBody:
		w.WriteHeader(answer.Code)
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case longLength:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+100))
		w.WriteHeader(answer.Code)
		w.Write(body)
	case shortLength:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)/2))
		w.WriteHeader(answer.Code)
		w.Write(body[:len(body)/2])
	case slow:
		w.WriteHeader(answer.Code)
		for piece := range slices.Chunk(body, max(1, len(body)/4)) {
			w.Write(piece)
			http.NewResponseController(w).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// A protocol is how a service of AWS is spoken to.
type protocol int

const (
	restCalls  protocol = iota // S3
	jsonCalls                  // Athena, CloudTrail, Organizations, Glue
	queryCalls                 // IAM, STS, SNS
)

func speaks(r *http.Request) protocol {
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		return jsonCalls
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		return queryCalls
	}
	return restCalls
}

// awsError answers as a service does when it fails.
func awsError(w http.ResponseWriter, r *http.Request, status int, code string) {
	switch speaks(r) {
	case jsonCalls:
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type":%q,"message":"made up by the test"}`, code)
	case queryCalls:
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Receiver</Type><Code>%s</Code><Message>made up by the test</Message></Error><RequestId>1</RequestId></ErrorResponse>", code)
	default:
		s3Error(w, r, status, code)
	}
}

// s3Error answers as S3 does when it fails.
func s3Error(w http.ResponseWriter, r *http.Request, status int, code string) {
	body, err := xml.Marshal(struct {
		XMLName  xml.Name `xml:"Error"`
		Code     string
		Message  string
		Resource string
	}{Code: code, Message: "made up by the test", Resource: r.URL.Path})
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// isLogFile tells requests for log files from those for the lake's.
func isLogFile(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, ".json.gz") }

// TestS3Faults collects over an S3 that fails in every way that passes: the
// lake is that of a healthy one, and nothing is reported.
func TestS3Faults(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := newStory(t, 1500, "27")
	_, want := onDisk(t, s.trail)
	trail, lakes := server.Bucket(t), server.Bucket(t)
	keys := upload(t, server, trail, s.trail)
	onRead := []fault{internal, slowDown, cutBefore, cutInBody, slow}
	var mu sync.Mutex
	writes := 0
	proxy := newFaulty(t, server.Endpoint, func(r *http.Request, n int) fault {
		switch {
		case r.Method == http.MethodGet && isLogFile(r) && n == 0:
			i := slices.Index(keys, strings.TrimPrefix(r.URL.Path, "/"+trail+"/"))
			if i%4 == 0 {
				return onRead[i/4%len(onRead)]
			}
		case r.Method == http.MethodGet && r.URL.Query().Has("list-type") && n == 1:
			return slowDown
		case r.Method == http.MethodPut && n == 0:
			mu.Lock()
			defer mu.Unlock()
			switch writes++; writes % 12 {
			case 3:
				return cutAfter
			case 6:
				return internal
			case 9:
				return cutBefore
			}
		}
		return none
	})
	env := s3Env(server, proxy.URL)
	r := run(t, env, "collect", "--source", "s3://"+trail, "--lake", "s3://"+lakes+"/lake", "--no-details").mustEnd(t, 0)
	if strings.Contains(r.stderr, "warning") {
		t.Errorf("said %s", r.stderr)
	}
	for _, kind := range append(onRead, cutAfter) {
		if proxy.happened(kind) == 0 {
			t.Errorf("the fault %d did not happen: the test shows nothing about it", kind)
		}
	}
	store := s3Lake(t, server, lakes, "lake")
	mustBeSound(t, store)
	mustEqual(t, want, contents(t, store))
}

// TestS3Unreadable collects while some log files cannot be had: exit 3, they
// are named, the rest is kept, and the next run completes the lake.
func TestS3Unreadable(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := newStory(t, 1500, "27")
	_, want := onDisk(t, s.trail)
	for name, kind := range map[string]fault{"500": internal, "403": denied, "half of it": shortLength, "less than promised": longLength, "cut": cutInBody} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trail := server.Bucket(t)
			keys := upload(t, server, trail, s.trail)
			bad := keys[len(keys)/2]
			proxy := newFaulty(t, server.Endpoint, func(r *http.Request, n int) fault {
				if r.Method == http.MethodGet && r.URL.Path == "/"+trail+"/"+bad {
					return kind
				}
				return none
			})
			dir := t.TempDir()
			env := s3Env(server, proxy.URL)
			r := run(t, env, "collect", "--source", "s3://"+trail, "--lake", dir, "--no-details").mustEnd(t, 3)
			if !strings.Contains(r.stderr, "athenatrail: warning: read s3://"+trail+"/"+bad) {
				t.Errorf("%s is not named: %s", path.Base(bad), r.stderr)
			}
			if n := strings.Count(r.stderr, "athenatrail: warning: "); n != 1 {
				t.Errorf("%d warnings, want one: %s", n, r.stderr)
			}
			if got := len(contents(t, diskLake(t, dir))); got < len(want)/2 {
				t.Errorf("the lake has %d files of %d", got, len(want))
			}
			health := run(t, nil, "report", "health", "--lake", dir, "--output", "csv").mustEnd(t, 0)
			if !strings.Contains(health.stdout, "1 log file could not be read") {
				t.Errorf("health does not tell: %s", health.stdout)
			}

			proxy.heal()
			r = run(t, env, "collect", "--source", "s3://"+trail, "--lake", dir, "--no-details").mustEnd(t, 0)
			if !strings.Contains(r.stderr, "read 1 log file ") {
				t.Errorf("the next run: %s", r.stderr)
			}
			mustBeSound(t, diskLake(t, dir))
			mustEqual(t, want, contents(t, diskLake(t, dir)))
		})
	}
}

// TestS3Changes replaces an object after it was listed and before it is read:
// it is named, never read as what it was listed for, and the next run has it.
func TestS3Changes(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := newStory(t, 1500, "27")
	trail := server.Bucket(t)
	keys := upload(t, server, trail, s.trail)
	bad := keys[len(keys)/2]
	late := []byte(`{"Records":[` + recentRecord(time.Date(2026, 10, 27, 0, 0, 0, 0, time.UTC), 1, recentRuns[1]) + `]}`)
	proxy := newFaulty(t, server.Endpoint, func(r *http.Request, n int) fault {
		if r.Method == http.MethodGet && r.URL.Path == "/"+trail+"/"+bad && n == 0 {
			server.Put(t, trail, bad, late)
		}
		return none
	})
	dir := t.TempDir()
	env := s3Env(server, proxy.URL)
	r := run(t, env, "collect", "--source", "s3://"+trail, "--lake", dir, "--no-details").mustEnd(t, 3)
	if !strings.Contains(r.stderr, "read s3://"+trail+"/"+bad+": changed while it was being read") {
		t.Errorf("said %s", r.stderr)
	}
	find := func() string {
		return run(t, nil, "query", "--lake", dir, "--output", "csv", fmt.Sprintf("SELECT person FROM query_executions WHERE query_execution_id = '%s'", recentID(1))).mustEnd(t, 0).stdout
	}
	if got := find(); strings.Contains(got, "rosa") {
		t.Errorf("what replaced the object was read in its place: %s", got)
	}
	r = run(t, env, "collect", "--source", "s3://"+trail, "--lake", dir, "--no-details").mustEnd(t, 0)
	if !strings.Contains(r.stderr, "read 1 log file ") {
		t.Errorf("the next run: %s", r.stderr)
	}
	if got := find(); !strings.Contains(got, "rosa") {
		t.Errorf("the new object's record is missing: %s", got)
	}
}

// TestAthenaFaults asks an Athena that throttles at half the rate it is asked
// at, fails, and cuts connections: the details are the same in the end.
func TestAthenaFaults(t *testing.T) {
	t.Parallel()
	s := newStory(t, 6000, "26", "27")
	want, _ := s.undisturbed(t)
	healthy := s.api.Counts("BatchGetQueryExecution")
	faults := []athenaapitest.Fault{
		1: {Status: http.StatusInternalServerError},
		3: {Cut: true},
		4: {Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"},
		6: {Delay: 300 * time.Millisecond},
		7: {Cut: true},
	}
	s.api = s.serve(t, func(c *athenaapitest.Config) {
		c.Rates = map[string]athenaapitest.Rate{"BatchGetQueryExecution": {PerSecond: 5, Burst: 1}}
		c.Fault = func(call athenaapitest.Call) athenaapitest.Fault {
			switch {
			case call.Operation == "BatchGetQueryExecution" && call.Number < len(faults):
				return faults[call.Number]
			case call.Operation == "AssumeRole" && call.Number == 0:
				return athenaapitest.Fault{Cut: true}
			}
			return athenaapitest.Fault{}
		}
	})
	dir := t.TempDir()
	ended(t, program(t, t.Context(), pinnedProgram, nil, s.args(s.trail, dir)...)).mustEnd(t, 0)
	got := s.api.Counts("BatchGetQueryExecution")
	t.Logf("healthy: %+v; disturbed: %+v", healthy, got)
	if got.Throttled == 0 || got.Faults < 5 || got.IDs < healthy.IDs {
		t.Errorf("asked %+v, want throttling, five faults and answers for %d ids at least", got, healthy.IDs)
	}
	mustBeSound(t, diskLake(t, dir))
	mustEqual(t, want, contents(t, diskLake(t, dir)))
}

// TestAthenaThrottles shows that throttling is waited out for longer than a
// failure would be: six calls in a row are as many as Athena's own errors get.
func TestAthenaThrottles(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits")
	}
	trail, day := t.TempDir(), weekday()
	if err := writeRecent(trail, day); err != nil {
		t.Fatal(err)
	}
	config := recentAPI(day, true)
	config.Fault = func(c athenaapitest.Call) athenaapitest.Fault {
		if c.Operation == "BatchGetQueryExecution" && c.Number < 6 {
			return athenaapitest.Fault{Status: http.StatusBadRequest, Code: "ThrottlingException", Message: "Rate exceeded"}
		}
		return athenaapitest.Fault{}
	}
	api, err := athenaapitest.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	dir := t.TempDir()
	run(t, athenaEnv(api.URL), "collect", "--source", trail, "--lake", dir).mustEnd(t, 0)
	if got, want := gapsOf(t, dir), "gap,n\ncomplete,5\nexpired,1\nno_access,1\n"; got != want {
		t.Errorf("gaps %q, want %q", got, want)
	}
}

// gapsOf counts the executions of a lake by gap.
func gapsOf(t *testing.T, dir string) string {
	t.Helper()
	return run(t, nil, "query", "--lake", dir, "--output", "csv",
		"SELECT coalesce(gap, 'complete') AS gap, count(*) AS n FROM query_executions GROUP BY 1 ORDER BY 1").mustEnd(t, 0).stdout
}

// TestAthenaDown collects while Athena answers nothing but errors: the events
// are kept, exit 3, and the next run has the details.
func TestAthenaDown(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for all retries")
	}
	trail := t.TempDir()
	day := weekday()
	if err := writeRecent(trail, day); err != nil {
		t.Fatal(err)
	}
	config := recentAPI(day, true)
	var mu sync.Mutex
	down := true
	config.Fault = func(c athenaapitest.Call) athenaapitest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if down && c.Operation == "BatchGetQueryExecution" {
			return athenaapitest.Fault{Status: http.StatusInternalServerError}
		}
		return athenaapitest.Fault{}
	}
	api, err := athenaapitest.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	dir, env := t.TempDir(), athenaEnv(api.URL)
	r := run(t, env, "collect", "--source", trail, "--lake", dir).mustEnd(t, 3)
	if !strings.Contains(r.stderr, "warning: ask Athena in "+recentAccount+" "+recentRegion) {
		t.Errorf("said %s", r.stderr)
	}
	if got, want := gapsOf(t, dir), "gap,n\nno_access,1\nno_detail,6\n"; got != want {
		t.Errorf("gaps while Athena is down: %q, want %q", got, want)
	}
	mu.Lock()
	down = false
	mu.Unlock()
	run(t, env, "collect", "--source", trail, "--lake", dir).mustEnd(t, 0)
	if got, want := gapsOf(t, dir), "gap,n\ncomplete,5\nexpired,1\nno_access,1\n"; got != want {
		t.Errorf("gaps when it is back: %q, want %q", got, want)
	}
}
