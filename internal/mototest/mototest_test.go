package mototest_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/athenatrail/athenatrail/internal/mototest"
)

// TestServersAreApart shows that each server has a memory of its own, and that
// resources belong to the account that is named.
func TestServersAreApart(t *testing.T) {
	one := sqs.NewFromConfig(mototest.Config(mototest.Start(t), "eu-west-1"))
	other := sqs.NewFromConfig(mototest.Config(mototest.Start(t), "eu-west-1"))
	made, err := one.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("trail-files")})
	if err != nil {
		t.Fatal(err)
	}
	if want := "/" + mototest.Account + "/trail-files"; !strings.HasSuffix(*made.QueueUrl, want) {
		t.Errorf("queue is %s, want one of %s", *made.QueueUrl, want)
	}
	list, err := other.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.QueueUrls) > 0 {
		t.Errorf("another server has %v", list.QueueUrls)
	}
}

// TestMissingServer shows the two ways a missing server ends.
func TestMissingServer(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PATH", t.TempDir())
	for forbid, want := range map[string]string{"1": "fatal", "": "skip"} {
		t.Setenv(mototest.ForbidSkip, forbid)
		f := &recorder{TB: t}
		func() {
			defer func() {
				if r := recover(); r != nil && r != f {
					panic(r)
				}
			}()
			mototest.Start(f)
		}()
		if f.end != want || !strings.Contains(f.message, "scripts/install-test-servers.sh") {
			t.Errorf("with %s=%q: %s %q, want %s", mototest.ForbidSkip, forbid, f.end, f.message, want)
		}
	}
}

// A recorder is a test whose end is seen instead of happening.
type recorder struct {
	testing.TB
	end, message string
}

func (r *recorder) stop(end string, args []any) {
	r.end = end
	r.message, _ = args[0].(string)
	panic(r)
}
func (r *recorder) Fatal(args ...any) { r.stop("fatal", args) }
func (r *recorder) Skip(args ...any)  { r.stop("skip", args) }
