// Athenatrail-lambda is athenatrail as functions of AWS Lambda: one program,
// and a function for each trigger, which its handler setting names. Each
// function's permissions are those of its trigger alone, see
// deploy/cloudformation.yaml.
//
//	plan      what to do: a day, a range, or nothing, which is yesterday
//	unit      collect the log files that were delivered in one hour
//	derive    ask Athena for details, and derive the days that changed
//	export    write the files of the hours asked for
//	finish    fail if a log file was left out, else note how far the lake is
//	deadline  fail if yesterday is not in the lake
//	queue     collect what the messages of an SQS queue announce
//	limits    do what limits ask for: notify, stop, block, lift
//	start     start the state machine, for inputs of the tracker's Lambda
//	report    all of plan to finish in one function, for small accounts
//
// A unit or a derivation that comes near the function's time limit stops in
// time, and answers what is left; the state machine calls it again.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// version is set by the linker: -X main.version=1.2.3.
var version = "devel"

func main() {
	// One JSON object a line, so that a query over the function's log group
	// finds each field.
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	log.SetFlags(0)
	log.SetOutput(runtimeLog{})
	limitMemory(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))
	name, handle, err := handlerOf(os.Getenv)
	if err != nil {
		slog.Error("start", "error", err.Error())
		os.Exit(1)
	}
	p := &program{getenv: os.Getenv, environ: os.Environ, now: time.Now}
	lambda.Start(func(ctx context.Context, input json.RawMessage) (any, error) {
		return invoke(ctx, p, name, handle, input)
	})
}

// runtimeLog takes what the runtime's package logs: why it cannot go on, and
// the answer of each invocation that failed, which invoke has logged already.
type runtimeLog struct{}

func (runtimeLog) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(p, []byte(`{"errorMessage":`)) {
		slog.Error("runtime", "error", string(bytes.TrimSpace(p)))
	}
	return len(p), nil
}

// A program is one function's process, which may serve many invocations, one
// after the other.
type program struct {
	getenv  func(string) string
	environ func() []string
	now     func() time.Time

	worker worker  // made when it is first needed, from the environment
	starts starter // likewise
}

// A handler serves one invocation. What it returns is the answer, as JSON.
type handler func(ctx context.Context, p *program, log *slog.Logger, input json.RawMessage) (any, error)

var handlers = map[string]handler{
	"plan":     plan,
	"unit":     collectUnit,
	"derive":   derive,
	"export":   exportHours,
	"finish":   finish,
	"deadline": deadline,
	"queue":    queue,
	"limits":   limits,
	"start":    start,
	"report":   report,
}

// Where the name of the handler is: in our own variable, else in the
// function's handler setting, which the runtime hands on as _HANDLER.
const (
	ownHandler = "ATHENATRAIL_HANDLER"
	awsHandler = "_HANDLER"
)

func handlerOf(getenv func(string) string) (string, handler, error) {
	name, from := getenv(ownHandler), ownHandler
	if name == "" {
		name, from = getenv(awsHandler), "the function's handler setting"
	}
	if h, ok := handlers[name]; ok {
		return name, h, nil
	}
	return "", nil, fmt.Errorf("%s is %q: want one of %s", from, name, strings.Join(slices.Sorted(maps.Keys(handlers)), ", "))
}

// invoke serves one invocation and logs how it went.
func invoke(ctx context.Context, p *program, name string, handle handler, input json.RawMessage) (answer any, err error) {
	out := slog.Default().With("handler", name)
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		out = out.With("request", lc.AwsRequestID)
	}
	began := p.now()
	answer, err = handle(ctx, p, out, input)
	out = out.With("ms", p.now().Sub(began).Milliseconds())
	if err != nil {
		args := []any{"error", err.Error()}
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) && hinted.Hint() != "" {
			args = append(args, "hint", hinted.Hint())
		}
		out.Error("failed", append(args, "input", clip(string(input)))...)
		return nil, err
	}
	out.Info("done", "answer", summary(answer))
	return answer, nil
}

// summary is an answer as it is logged: a plan of many units would be cut off
// by the log service.
func summary(answer any) any {
	if s, ok := answer.(slog.LogValuer); ok {
		return s.LogValue()
	}
	return answer
}

// clip bounds what is logged, or answered, of an input that anybody may send.
func clip(s string) string {
	const most = 300
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// limitMemory makes the garbage collector work harder before the function's
// memory, in megabytes, is used up. Lambda ends a function that takes more.
func limitMemory(megabytes string) {
	if n, err := strconv.Atoi(megabytes); err == nil && n > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(n) << 20 * 8 / 10)
	}
}

// What a function leaves of its time for storing what it has, and for
// answering.
const (
	spare     = 90 * time.Second
	leastWork = 2 * time.Second
)

// stopAt returns a channel that is closed when the work is to end so that the
// invocation can answer before its deadline. Cancel frees what it takes.
func stopAt(ctx context.Context, now time.Time) (stop <-chan struct{}, cancel func()) {
	closed := make(chan struct{})
	deadline, ok := ctx.Deadline()
	if !ok {
		return closed, func() {}
	}
	left := deadline.Sub(now)
	timer := time.AfterFunc(max(left-min(spare, left/3), min(leastWork, left/2)), func() { close(closed) })
	return closed, func() { timer.Stop() }
}
