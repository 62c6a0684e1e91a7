package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/enforce"
	"github.com/athenatrail/athenatrail/internal/source"
)

// A fakeWorker notes what it is told to do.
type fakeWorker struct {
	set       settings
	feeds     bool
	newest    time.Time
	complete  time.Time
	all       []shard
	stored    []unit
	mu        sync.Mutex
	collected []string
	exported  []string
	noted     time.Time

	run  func(u unit) (*collect.Summary, error)
	left func(s span) *collect.Summary
	more int // how often derive is stopped
	acts *enforce.Result
}

func (f *fakeWorker) settings() settings { return f.set }
func (f *fakeWorker) onlyFeeds() bool    { return f.feeds }

func (f *fakeWorker) collectedTo(context.Context) (time.Time, bool, error) {
	return f.newest, !f.newest.IsZero(), nil
}

func (f *fakeWorker) completeTo(context.Context) (time.Time, bool, error) {
	return f.complete, !f.complete.IsZero(), nil
}

func (f *fakeWorker) setCollected(_ context.Context, to time.Time) error {
	f.noted = to
	return nil
}

func (f *fakeWorker) collect(_ context.Context, u unit, _ <-chan struct{}) (*collect.Summary, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.collected = append(f.collected, u.String())
	if f.run != nil {
		return f.run(u)
	}
	return &collect.Summary{Listed: 3, Read: 2, Known: 1}, nil
}

func (f *fakeWorker) derive(context.Context, <-chan struct{}) (*collect.Summary, error) {
	f.more--
	return &collect.Summary{Stopped: f.more >= 0}, nil
}

func (f *fakeWorker) missing(_ context.Context, s span) (*collect.Summary, error) {
	if f.left != nil {
		return f.left(s), nil
	}
	return &collect.Summary{Listed: 3, Known: 3}, nil
}

func (f *fakeWorker) applyLimits(context.Context) (*enforce.Result, error) {
	return f.acts, nil
}

func (f *fakeWorker) export(_ context.Context, s span) error {
	f.exported = append(f.exported, spansText([]span{s}))
	return nil
}

func (f *fakeWorker) deliver(_ context.Context, messages []source.Message, _ <-chan struct{}) (failed []string, _ *collect.Summary, _ error) {
	for _, m := range messages {
		if strings.Contains(m.Body, "poison") {
			failed = append(failed, m.ID)
		}
	}
	return failed, &collect.Summary{Read: int64(len(messages) - len(failed))}, nil
}

func (f *fakeWorker) shards(context.Context) ([]shard, error) { return f.all, nil }

func (f *fakeWorker) storeUnits(_ context.Context, units []unit) (*inS3, error) {
	f.stored = units
	return &inS3{Bucket: "b", Key: "runs/units.json"}, nil
}

// newProgram returns a program at a moment, with an environment and a worker
// that does nothing.
func newProgram(t *testing.T, now string, env map[string]string) (*program, *fakeWorker) {
	t.Helper()
	all := map[string]string{"S3_BUCKET": "usage-files", "ATHENATRAIL_SOURCES": "s3://trail-logs/AWSLogs/"}
	for k, v := range env {
		all[k] = v
	}
	p := &program{
		getenv: func(name string) string { return all[name] },
		environ: func() (list []string) {
			for k, v := range all {
				list = append(list, k+"="+v)
			}
			return list
		},
		now: func() time.Time { return at(t, now) },
	}
	s, err := p.readSettings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeWorker{set: s}
	p.worker = f
	return p, f
}

func (p *program) call(t *testing.T, h handler, input string, into any) error {
	t.Helper()
	answer, err := h(t.Context(), p, slog.New(slog.DiscardHandler), json.RawMessage(input))
	if err != nil {
		return err
	}
	data, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return nil
}

// starts notes which executions were started.
type fakeStarter struct{ inputs []string }

func (f *fakeStarter) StartExecution(_ context.Context, in *sfn.StartExecutionInput, _ ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error) {
	f.inputs = append(f.inputs, aws.ToString(in.Input))
	return &sfn.StartExecutionOutput{ExecutionArn: aws.String(fmt.Sprintf("%s:%d", strings.Replace(*in.StateMachineArn, ":stateMachine:", ":execution:", 1), len(f.inputs)))}, nil
}
