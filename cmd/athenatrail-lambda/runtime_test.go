package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// lambdaProgram is the name under which the test binary is the program that
// Lambda runs.
const lambdaProgram = "bootstrap"

// fewInline is the environment variable that makes backfills of a few units
// distributed.
const fewInline = "TEST_MOST_INLINE"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){lambdaProgram: func() {
		if n, err := strconv.Atoi(os.Getenv(fewInline)); err == nil {
			mostInline = n
		}
		main()
	}})
}

// A lambdaFunction imitates the service for one function: for each invocation
// at a time it has a process of the program, which asks for work through the
// Lambda Runtime API (Lambda Developer Guide, "Using the Lambda runtime API").
type lambdaFunction struct {
	t       testing.TB
	name    string
	handler string
	env     []string
	timeout time.Duration

	mu        sync.Mutex
	idle      []*sandbox
	all       []*sandbox
	invoked   int
	concurred int // at once, now
	most      int // at once, at most
	bodies    [][]byte
	kill      func(invocation int, payload []byte) bool // whether to kill the sandbox in the middle of an invocation
}

// A sandbox is one process with a runtime API of its own.
type sandbox struct {
	function *lambdaFunction
	next     chan *invocation
	ended    chan struct{}
	server   *http.Server
	cmd      *exec.Cmd
	output   lockedBuffer

	mu      sync.Mutex
	current *invocation
	started string // what the program said when it could not start
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	answer   chan answered
}

type answered struct {
	body   []byte
	failed bool
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newFunction(t testing.TB, name, handler string, env []string) *lambdaFunction {
	f := &lambdaFunction{t: t, name: name, handler: handler, env: env, timeout: 60 * time.Second}
	t.Cleanup(f.close)
	return f
}

func (f *lambdaFunction) close() {
	f.mu.Lock()
	all := f.all
	f.mu.Unlock()
	for _, s := range all {
		s.end()
	}
}

// answers are the bodies of all answers so far.
func (f *lambdaFunction) answers() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.bodies)
}

// logs is what all processes of the function wrote.
func (f *lambdaFunction) logs() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for _, s := range f.all {
		b.WriteString(s.output.String())
	}
	return b.String()
}

// invoke does what a synchronous Invoke does. Failed is what the header
// X-Amz-Function-Error says.
func (f *lambdaFunction) invoke(payload []byte) (body []byte, failed bool) {
	f.mu.Lock()
	f.invoked++
	number := f.invoked
	f.concurred++
	f.most = max(f.most, f.concurred)
	var s *sandbox
	if n := len(f.idle); n > 0 {
		s, f.idle = f.idle[n-1], f.idle[:n-1]
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.concurred--
		f.mu.Unlock()
	}()
	if s == nil {
		var err error
		if s, err = f.newSandbox(); err != nil {
			return errorBody("Runtime.Start", err.Error()), true
		}
	}
	var id [8]byte
	rand.Read(id[:])
	i := &invocation{id: hex.EncodeToString(id[:]), payload: payload, deadline: time.Now().Add(f.timeout), answer: make(chan answered, 1)}
	if f.kill != nil && f.kill(number, payload) {
		defer s.end()
		go func() {
			time.Sleep(time.Duration(number%7) * 15 * time.Millisecond)
			s.cmd.Process.Kill()
		}()
	}
	select {
	case s.next <- i:
	case <-s.ended:
		return errorBody("Runtime.ExitError", "the program ended: "+s.output.String()), true
	}
	select {
	case a := <-i.answer:
		f.mu.Lock()
		f.idle = append(f.idle, s)
		f.bodies = append(f.bodies, a.body)
		f.mu.Unlock()
		return a.body, a.failed
	case <-s.ended:
		return errorBody("Runtime.ExitError", "RequestId: "+i.id+" Error: Runtime exited"), true
	case <-time.After(time.Until(i.deadline)):
		s.end() // as Lambda does
		return errorBody("Sandbox.Timedout", "Task timed out"), true
	}
}

// waitForLog waits until a text came out of the function's processes: what they
// write comes later than what they answer.
func (f *lambdaFunction) waitForLog(text string) {
	f.t.Helper()
	for range 500 {
		if strings.Contains(f.logs(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	f.t.Errorf("%s did not log %q:\n%s", f.name, text, f.logs())
}

func errorBody(kind, message string) []byte {
	b, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	return b
}

func (f *lambdaFunction) newSandbox() (*sandbox, error) {
	s := &sandbox{function: f, next: make(chan *invocation), ended: make(chan struct{})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.server = &http.Server{Handler: s.api()}
	go s.server.Serve(listener)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s.cmd = exec.Command(self)
	s.cmd.Args[0] = lambdaProgram
	home := f.t.TempDir()
	s.cmd.Dir = home
	s.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "_HANDLER=" + f.handler,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512", "LAMBDA_TASK_ROOT=" + home,
	}, f.env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.cmd.Wait()
		s.server.Close()
		close(s.ended)
	}()
	f.mu.Lock()
	f.all = append(f.all, s)
	f.mu.Unlock()
	return s, nil
}

func (s *sandbox) end() {
	s.cmd.Process.Kill()
	<-s.ended
}

// api is the server that a runtime talks to.
func (s *sandbox) api() http.Handler {
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case i := <-s.next:
			s.mu.Lock()
			s.current = i
			s.mu.Unlock()
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", i.id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:"+s.function.name)
			w.Header().Set("Content-Type", "application/json")
			w.Write(i.payload)
		case <-r.Context().Done():
		}
	})
	finish := func(failed bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			s.mu.Lock()
			i := s.current
			s.mu.Unlock()
			if err != nil || i == nil || r.PathValue("id") != i.id {
				http.Error(w, `{"errorType":"InvalidRequestID"}`, http.StatusBadRequest)
				return
			}
			w.WriteHeader(http.StatusAccepted)
			i.answer <- answered{body, failed}
		}
	}
	mux.HandleFunc("POST "+base+"invocation/{id}/response", finish(false))
	mux.HandleFunc("POST "+base+"invocation/{id}/error", finish(true))
	mux.HandleFunc("POST "+base+"init/error", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.started = string(body)
		s.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

// lines decodes what a function logged: every line has to be a JSON object.
func logLines(t testing.TB, text string) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Errorf("a line of the log is no JSON object: %q", line)
			continue
		}
		lines = append(lines, one)
	}
	return lines
}

// TestRuntime lets the program answer invocations, as Lambda makes them.
func TestRuntime(t *testing.T) {
	t.Parallel()
	env := []string{"S3_BUCKET=usage-files", "ATHENATRAIL_SOURCES=s3://trail-logs/AWSLogs/", "STATE_MACHINE_ARN=" + machine}
	f := newFunction(t, "athenatrail-start", "start", env)

	body, failed := f.invoke([]byte(`{"dya":"2026-11-18"}`))
	if !failed || !strings.Contains(string(body), `unknown key \"dya\"`) {
		t.Errorf("answered %s, failed %v", body, failed)
	}
	// The same process goes on after an error.
	if body, failed = f.invoke([]byte(`{"from":"2026-11-18","to":"2026-11-15"}`)); !failed || !strings.Contains(string(body), "turned round") {
		t.Errorf("answered %s, failed %v", body, failed)
	}
	if len(f.all) != 1 {
		t.Errorf("%d processes", len(f.all))
	}
	// The cause is one line, with what was asked.
	f.waitForLog("turned round")
	errs := 0
	for _, line := range logLines(t, f.logs()) {
		if line["level"] == "ERROR" {
			errs++
			if line["handler"] != "start" || line["request"] == "" || line["error"] == "" || line["input"] == "" {
				t.Errorf("logged %v", line)
			}
		}
	}
	if errs != 2 {
		t.Errorf("%d errors were logged:\n%s", errs, f.logs())
	}
}

// TestMissingVariableIsLogged: a function that is not set up says what is
// missing and where it is set, in its answer and in one line of its log.
func TestMissingVariableIsLogged(t *testing.T) {
	t.Parallel()
	f := newFunction(t, "athenatrail-plan", "plan", nil)
	body, failed := f.invoke([]byte(`{}`))
	if !failed || !strings.Contains(string(body), "S3_BUCKET is not set") || !strings.Contains(string(body), "set it in the function's environment") {
		t.Errorf("answered %s, failed %v", body, failed)
	}
	f.waitForLog("S3_BUCKET")
	lines := logLines(t, f.logs())
	if len(lines) != 1 || !strings.Contains(fmt.Sprint(lines[0]["error"]), "S3_BUCKET is not set") {
		t.Errorf("logged %v", lines)
	}
}

func TestUnknownHandlerEndsTheProgram(t *testing.T) {
	t.Parallel()
	f := newFunction(t, "athenatrail-x", "lambda_function.lambda_handler", nil)
	body, failed := f.invoke([]byte(`{}`))
	if !failed || !strings.Contains(string(body), "want one of deadline") {
		t.Errorf("answered %s, failed %v", body, failed)
	}
}

// TestStopAt leaves a function time to store and to answer.
func TestStopAt(t *testing.T) {
	now := time.Now()
	for _, c := range []struct{ left, least, most time.Duration }{
		{300 * time.Millisecond, 140 * time.Millisecond, 260 * time.Millisecond},
		{30 * time.Millisecond, 10 * time.Millisecond, 29 * time.Millisecond},
	} {
		ctx, cancel := context.WithDeadline(t.Context(), now.Add(c.left))
		defer cancel()
		stop, end := stopAt(ctx, now)
		defer end()
		began := time.Now()
		<-stop
		if took := time.Since(began); took < c.least-20*time.Millisecond || took > c.most+200*time.Millisecond {
			t.Errorf("with %s left, it stopped after %s", c.left, took)
		}
	}
	stop, end := stopAt(t.Context(), now)
	end()
	select {
	case <-stop:
		t.Error("stopped without a deadline")
	default:
	}
}
